//! Production, which begins as the last release.

use std::path::Path;

use docket_proto::v1;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::history::SETTING;
use docket_testkit::{
    Fleet, FleetBuilder, Kafka, Mail, PATIENCE, Postgres, Release, Role, once, repeating, wait_for,
};
use serde_json::Value;
use uuid::Uuid;

use crate::DOCKET;
use crate::person::Person;

/// Who looks after dead letters.
const ADMIN: &str = "carol";

/// How many events wait in the outbox when one release leaves them to the other.
const LEFT: i64 = 20;

/// Pauses after failures that a test can wait for.
const SHORT: [(&str, &str); 5] = [
    ("DOCKET_NOTIFICATION__FIRST_RETRY_SECONDS", "1"),
    ("DOCKET_NOTIFICATION__LAST_RETRY_SECONDS", "2"),
    ("DOCKET_REMINDERS__JOB_RETRY_SECONDS", "2"),
    ("DOCKET_OUTBOX__LEASE_SECONDS", "3"),
    ("DOCKET_DAPR__DEADLINE_MS", "2000"),
];

/// The last release, 0.3.0: what it has, and what it does not know.
fn last() -> Release {
    Release::last(&Role::BACKBONE, &["DOCKET_LISTEN__ADMIN", "DOCKET_NOTIFICATION__", "DOCKET_REMINDERS__"])
}

pub(crate) struct Site {
    pub(crate) fleet: Fleet,
    pub(crate) kafka: Kafka,
    pub(crate) mail: Mail,
    pub(crate) last: Release,
    pub(crate) this: Release,
    /// The repeating tasks that were completed to see whether everything works.
    chores: Vec<v1::Task>,
    _postgres: Postgres,
}

impl Site {
    /// With the schema and the binary of the last release. The targets that it does not have are not started.
    pub(crate) async fn start(replicas: usize) -> Self {
        let (name, value) = SETTING;
        let (kafka, postgres, mail) = tokio::join!(
            // Where records are to be forgotten, that is looked for often.
            Kafka::builder().setting("log.retention.check.interval.ms", "500").start(),
            Postgres::builder().setting(name, value).start(),
            Mail::start(),
        );
        let database = postgres.database().await;
        let (last, this) = (last(), Release::this(Path::new(DOCKET)));
        let fleet =
            Fleet::builder(Path::new(DOCKET), &database, &kafka).begin_as(&last).reminders().mail(&mail);
        let fleet = Role::BACKBONE.into_iter().fold(fleet, |fleet, role| fleet.replicas_of(role, replicas));
        let fleet = SHORT.iter().fold(fleet, |fleet: FleetBuilder<'_>, (name, value)| fleet.env(name, value));
        let fleet = Box::pin(fleet.start()).await;
        Self { fleet, kafka, mail, last, this, chores: Vec::new(), _postgres: postgres }
    }

    /// Migrates as an operator would, whoever serves meanwhile.
    pub(crate) async fn migrate(&self) {
        self.fleet.database().migrate(&self.this.binary).await;
    }

    /// Replaces the replicas of a target, one after the other. While both releases serve, and afterwards, everything works.
    pub(crate) async fn roll(&mut self, role: Role, release: &Release) {
        for index in 0..self.fleet.of(role).count() {
            self.fleet.member_mut(role, index).replace_by(release).await;
            self.expect_works().await;
        }
    }

    /// The same with the task API, which has lost its sidecars before: so one release publishes what the other has left in
    /// the outbox.
    pub(crate) async fn roll_tasks(&mut self, release: &Release) {
        let count = self.fleet.of(Role::Tasks).count();
        for index in 0..count {
            self.fleet.member_mut(Role::Tasks, index).daprd.kill();
        }
        self.expect_left().await;
        for index in 0..count {
            let member = self.fleet.member_mut(Role::Tasks, index);
            let status = member.docket.terminate().await;
            assert!(status.success(), "{} ended with {status}", member.name());
            member.docket.change_to(release);
            member.start();
            member.ready().await;
            self.expect_works().await;
            self.expect_repeats_across().await;
        }
    }

    /// Starts the targets that the last release does not have. Somebody says how to be told before there is anything to tell.
    pub(crate) async fn start_new_for(&mut self, person: &Person) {
        let this = self.this.clone();
        self.fleet.member_mut(Role::Notification, 0).replace_by(&this).await;
        person.prefer_mail(&self.fleet).await;
        self.fleet.member_mut(Role::Reminders, 0).replace_by(&this).await;
    }

    /// Waits until events are left to others.
    async fn expect_left(&self) {
        let client = self.fleet.database().superuser_client().await;
        wait_for("events in the outbox", PATIENCE, async || {
            let row = client.query_one("SELECT count(*) FROM tasks.outbox", &[]).await.unwrap();
            let left: i64 = row.get(0);
            if left >= LEFT { Ok(()) } else { Err(format!("{left} are there")) }
        })
        .await;
    }

    /// By every replica of the task API, a repeating task is completed, and its next occurrence is there; the audit log tells
    /// of all of it.
    pub(crate) async fn expect_works(&mut self) {
        for user in self.fleet.user("works") {
            let chore =
                repeating("Sweep the stairs", Pattern::Daily, "2027-03-01T07:00:00Z", "Europe/Berlin");
            let chore = user.create(chore).await;
            user.complete(&chore).await;
            let successor = user.successor_of(&chore).await;
            user.expect_story(&chore, &["created", "completed"]).await;
            user.expect_story(&successor, &["created"]).await;
            self.chores.push(chore);
        }
    }

    /// What one replica has answered, another one answers again, and goes on from there.
    async fn expect_repeats_across(&self) {
        let mut users = self.fleet.user("repeats");
        for _ in 0..users.len() {
            let [one, .., other] = users.as_slice() else { return };
            let request_id = || Uuid::new_v4().to_string();
            let task = Some(once("Call the plumber"));
            let request = v1::CreateTaskRequest { task, request_id: request_id(), ..Default::default() };
            let created = one.tasks().create_task(request.clone()).await.unwrap().into_inner();
            assert_eq!(other.tasks().create_task(request).await.unwrap().into_inner(), created);
            let v1::Task { task_id, etag, .. } = created;
            let request = v1::CompleteTaskRequest { task_id, etag, request_id: request_id() };
            let completed = other.tasks().complete_task(request.clone()).await.unwrap().into_inner();
            assert_eq!(one.tasks().complete_task(request).await.unwrap().into_inner(), completed);
            users.rotate_left(1);
        }
    }

    /// What `docket dlq` says of letters.
    pub(crate) fn dlq(&self, arguments: &[&str]) -> Vec<Value> {
        let common = ["dlq", "--format", "json", "--user", ADMIN];
        let said = self.fleet.member(Role::DeadLetters, 0).docket.run(&[&common, arguments].concat());
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until so many letters are open.
    pub(crate) async fn expect_letters(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} open letters"), PATIENCE, async || {
            let letters = self.dlq(&["list", "--state", "OPEN"]);
            if letters.len() == count { Ok(letters) } else { Err(format!("{letters:#?}")) }
        })
        .await
    }

    /// What `docket remind refill` ended with, and its totals.
    pub(crate) fn refill(&self, more: &[&str]) -> (i32, Value) {
        let reminders = &self.fleet.member(Role::Reminders, 0).docket;
        let arguments = [&["remind", "refill", "--format", "json"], more].concat();
        let output = reminders.output_of(&arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let totals = said.lines().last().unwrap_or_else(|| panic!("{arguments:?} said nothing: {error}"));
        (output.status.code().unwrap(), serde_json::from_str(totals).unwrap())
    }

    /// Nothing is on its way any more, and no letter is open; every chore was followed once; the audit log lacks nothing.
    pub(crate) async fn expect_settled(&self) {
        self.fleet.settled(&self.kafka).await;
        let users = self.fleet.user("works");
        users[0].expect_followed_once(&self.chores).await;
        let audit = &self.fleet.member(Role::Audit, 0).docket;
        let said = audit.run(&["audit", "verify", "--grace-seconds", "0", "--format", "json"]);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 1, "gaps, and the totals: {said}");
    }
}
