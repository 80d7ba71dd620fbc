//! What a history has of some users alone is judged as if they were alone.

use super::{clean, edit, plants};
use crate::history::{Done, Name, Subject, check};

const EVER: i64 = i64::MIN;

#[test]
fn every_part_of_a_clean_run_is_clean() {
    for user in ["alice", "bob", "carol"] {
        let part = clean().of_users(|name| name == user, EVER);
        assert!(!part.tasks.is_empty() && part.tasks.len() < clean().tasks.len(), "{user}");
        assert_eq!(check(&part), [], "{user}");
    }
}

#[test]
fn what_is_wrong_is_seen_in_the_part_of_its_user_alone() {
    let mut history = clean();
    let plant = plants::PLANTS.iter().find(|plant| plant.what == "lost in the database").unwrap();
    let (name, subject) = (plant.apply)(&mut history, 0).unwrap();
    let Subject::Change { task, .. } = subject else { panic!("{subject:?}") };
    let owner = clean().tasks.into_iter().find(|other| other.id == task).unwrap().user;
    let found = |is_owner: bool| {
        let part = history.clone().of_users(|user| (user == owner) == is_owner, EVER);
        check(&part).into_iter().map(|found| (found.name, found.subject)).collect::<Vec<_>>()
    };
    assert_eq!(found(true), [(name, subject)]);
    assert_eq!(found(false), []);
}

#[test]
fn what_nobody_knows_any_more_is_theirs_if_it_is_new() {
    let mut history = clean();
    history.consumers[0].done.push(Done { event: edit::fresh(1), order: 1_000_000 });
    let found = |since| {
        let part = history.clone().of_users(|user| user == "alice", since);
        check(&part).into_iter().map(|found| found.name).collect::<Vec<_>>()
    };
    assert_eq!(found(1_000_000), [Name::Ghost]);
    assert_eq!(found(1_000_001), []);
}
