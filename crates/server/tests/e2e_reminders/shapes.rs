//! All targets in one process, then each by itself, then in one again: the alarms of one shape are unheard in the other, and
//! every reminder comes once all the same.

use std::path::Path;
use std::time::Duration;

use docket_testkit::{Connection, Database, Fleet, Kafka, Mail, PATIENCE, Postgres, Role, Stack};

use crate::DOCKET;
use crate::batch::{Batch, Often};
use crate::person::{Person, ahead};
use crate::world::{SHORT, armed, stack};

/// How many reminders a shape leaves to the next one.
const REMINDERS: usize = 15;

async fn in_one(mail: &Mail, database: &Database, kafka: &Kafka) -> Stack {
    // Alarms alone: nobody looks for what has none.
    let stack = stack(mail).env("DOCKET_REMINDERS__GRACE_SECONDS", "600").postgres(database);
    stack.kafka(kafka, Connection::Plain).await.start().await
}

async fn apart(mail: &Mail, database: &Database, kafka: &Kafka) -> Fleet {
    let fleet = Fleet::builder(Path::new(DOCKET), database, kafka).reminders().mail(mail);
    let fleet = fleet.env("DOCKET_REMINDERS__GRACE_SECONDS", "600");
    SHORT.iter().fold(fleet, |fleet, (name, value)| fleet.env(name, value)).start().await
}

#[tokio::test]
async fn every_reminder_outlives_a_change_of_shape_and_back() {
    let (kafka, mail) = tokio::join!(Kafka::shared(), Mail::shared());
    let database = Postgres::shared().await.database().await;
    // Time to end one shape and start the other.
    let soon = || ahead(15_000);
    let spread = Duration::from_secs(2);

    let one = in_one(mail, &database, kafka).await;
    let alice = Person::of(&one, "alice").await;
    let first = Batch::create(&alice, REMINDERS, soon(), spread).await;
    one.settled_on(kafka).await;
    assert_eq!(armed(&database, one.app_id()).await, REMINDERS as i64);
    drop(one);

    let fleet = apart(mail, &database, kafka).await;
    let app_id = fleet.member(Role::Reminders, 0).app_id().to_owned();
    armed(&database, &app_id).await;
    let first = first.seen_by(alice.moved_across(&fleet));
    first.expect_sent_once("in one process, then apart", mail, Often::Once, PATIENCE).await;
    let bob = Person::across(&fleet, "bob").await;
    let second = Batch::create(&bob, REMINDERS, soon(), spread).await;
    fleet.settled(kafka).await;
    assert_eq!(armed(&database, &app_id).await, REMINDERS as i64);
    drop(fleet);

    let one = in_one(mail, &database, kafka).await;
    armed(&database, one.app_id()).await;
    let second = second.seen_by(bob.moved_to(&one));
    second.expect_sent_once("apart, then in one process again", mail, Often::Once, PATIENCE).await;
    let first = first.seen_by(alice.moved_to(&one));
    first.expect_sent_once("what had come before", mail, Often::Once, PATIENCE).await;
    one.settled_on(kafka).await;
}
