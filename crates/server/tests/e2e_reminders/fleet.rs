//! Production: every target by itself, with two replicas of those that remind, on PostgreSQL and Kafka.

use std::path::Path;
use std::time::Duration;

use docket_domain::TimeDelta;
use docket_testkit::{Fleet, Hooks, Kafka, Mail, PATIENCE, Postgres, Role, Shutdown};

use crate::DOCKET;
use crate::batch::{Batch, Often, Receivers};
use crate::person::{Person, ahead};
use crate::until;
use crate::world::SHORT;

/// How many reminders a phase has.
const REMINDERS: usize = 30;

/// What fails in a phase.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Nothing,
    Broker,
    Database,
    OneOfEach,
}

struct Site {
    fleet: Fleet,
    kafka: Kafka,
    postgres: Postgres,
    mail: &'static Mail,
    hooks: Hooks,
}

impl Site {
    /// With the pauses of production after failures, unless they are to be short.
    async fn start(short: bool) -> Self {
        let (kafka, postgres, mail, hooks) = tokio::join!(
            Kafka::builder().proxies(10).start(),
            Postgres::start(),
            Mail::shared(),
            Hooks::start()
        );
        let database = postgres.database().await;
        let fleet = Fleet::builder(Path::new(DOCKET), &database, &kafka)
            .replicas_of(Role::Reminders, 2)
            .replicas_of(Role::Notification, 2)
            .mail(mail)
            .hooks(&hooks);
        let settings = if short { &SHORT[..] } else { &[] };
        let fleet = settings.iter().fold(fleet, |fleet, (name, value)| fleet.env(name, value)).start().await;
        Self { fleet, kafka, postgres, mail, hooks }
    }

    async fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing => {}
            Fault::Broker => self.kafka.kill(),
            Fault::Database => self.postgres.stop(Shutdown::Immediate).await,
            Fault::OneOfEach => {
                self.fleet.member_mut(Role::Reminders, 0).docket.kill();
                self.fleet.member_mut(Role::Notification, 1).daprd.kill();
            }
        }
    }

    async fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing => {}
            Fault::Broker => self.kafka.restart().await,
            Fault::Database => self.postgres.start_again().await,
            Fault::OneOfEach => self.fleet.heal(&self.kafka).await,
        }
    }

    /// Reminders come at even distances, while something fails for so long.
    async fn phase(&mut self, fault: Fault, outage: Duration) {
        let person = Person::across(&self.fleet, "alex").await.with_webhook(&self.hooks).await;
        let first = ahead(2_500);
        let batch = Batch::create(&person, REMINDERS, first, outage + Duration::from_secs(3)).await;
        let begin = first + TimeDelta::seconds(1);
        until(begin).await;
        self.begin(fault).await;
        until(begin + TimeDelta::from_std(outage).unwrap()).await;
        self.end(fault).await;
        let often = match fault {
            Fault::Nothing | Fault::Broker => Often::Once,
            Fault::Database | Fault::OneOfEach => Often::OncePerAttempt,
        };
        let what = format!("two replicas, {fault:?} away for {outage:?}");
        batch.expect_sent_once(&what, Receivers::new(self.mail, &self.hooks), often, 3 * PATIENCE).await;
        self.fleet.settled(&self.kafka).await;
    }
}

#[tokio::test]
async fn two_replicas_give_each_reminder_once_whatever_fails_for_five_seconds() {
    let mut site = Site::start(true).await;
    for fault in [Fault::Nothing, Fault::Broker, Fault::Database, Fault::OneOfEach] {
        site.phase(fault, Duration::from_secs(5)).await;
    }
}

#[tokio::test]
#[ignore = "release ring"]
async fn two_replicas_give_each_reminder_once_whatever_fails_for_a_minute() {
    let mut site = Site::start(false).await;
    for fault in [Fault::Broker, Fault::Database, Fault::OneOfEach] {
        for seconds in [20, 60] {
            site.phase(fault, Duration::from_secs(seconds)).await;
        }
    }
}
