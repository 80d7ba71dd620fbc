//! Clean histories are clean, and what is planted into one is found, by its name, and nothing else.

mod edit;
mod part;
mod plants;
mod world;

use proptest::prelude::*;

use super::{History, check};
use plants::PLANTS;
use world::{Step, World};

/// A run in which everything happens that may: see [`world::everything`].
fn clean() -> History {
    World::run(&world::everything())
}

fn expect_exactly(history: &History, plant: &plants::Plant, pick: usize) -> bool {
    let mut planted = history.clone();
    let Some((name, subject)) = (plant.apply)(&mut planted, pick) else { return false };
    let found: Vec<_> = check(&planted).into_iter().map(|found| (found.name, found.subject)).collect();
    assert_eq!(found, [(name, subject)], "{} (pick {pick}): {:?}", plant.what, check(&planted));
    true
}

#[test]
fn nothing_is_wrong_with_nothing() {
    assert_eq!(check(&History::default()), []);
}

#[test]
fn a_clean_run_is_clean() {
    assert_eq!(check(&clean()), []);
}

#[test]
fn every_plant_is_found_and_nothing_else() {
    let history = clean();
    for plant in PLANTS {
        for pick in 0..5 {
            assert!(expect_exactly(&history, plant, pick), "{}: there is no place for it", plant.what);
        }
    }
}

#[test]
fn every_name_has_a_plant() {
    let history = clean();
    let planted = PLANTS.iter().filter_map(|plant| (plant.apply)(&mut history.clone(), 0));
    let planted: Vec<_> = planted.map(|(name, _)| name).collect();
    for name in super::Name::ALL {
        assert!(planted.contains(&name), "{name}");
    }
}

#[test]
fn a_report_says_what_where_and_why() {
    let mut history = clean();
    let plant = PLANTS.iter().find(|plant| plant.what == "lost in the database").unwrap();
    (plant.apply)(&mut history, 0).unwrap();
    let report = check(&history)[0].to_string();
    assert!(report.starts_with("lost-write: version "), "{report}");
    assert!(report.contains(" of task "), "{report}");
    assert!(report.contains("answered OK, is not in the database"), "{report}");
}

#[test]
fn what_is_in_the_outbox_is_on_its_way() {
    let mut history = clean();
    let (change, _) = edit::told(&history).pop().unwrap();
    let place = history.topic.iter().filter_map(|message| message.event.as_ref());
    let event = place.clone().find(|event| (event.task, event.version) == change).unwrap().clone();
    edit::untell(&mut history, change);
    assert_ne!(check(&history), []);
    history.outbox.push(event);
    assert_eq!(check(&history), []);
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>());
    let step = step.prop_map(|(action, subject, fate, echo)| Step { action, subject, fate, echo });
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_correct_run_is_clean(steps in steps()) {
        prop_assert_eq!(check(&World::run(&steps)), []);
    }

    #[test]
    fn anything_planted_into_any_run_is_found(steps in steps(), plant in 0..PLANTS.len(), pick in any::<usize>()) {
        let history = World::run(&steps);
        // A short run may have no place for it.
        expect_exactly(&history, &PLANTS[plant], pick);
    }
}
