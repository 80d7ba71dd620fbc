//! Jobs: what they are called, what comes with them, and what is done when they are triggered.

use async_trait::async_trait;
use bytes::Bytes;
use docket_domain::{Instant, ReminderNumber, TaskId, TimeDelta};
use docket_sidecar::{BoxError, Client, Error, Job, JobHandler};
use docket_store::Store;
use docket_store::reminders::Set;
use serde::{Deserialize, Serialize};

use crate::firing::{Firing, Ring};

/// What the names of all jobs of this target begin with.
pub const JOB_PREFIX: &str = "reminder-";

const TASK: &str = "reminder-task-";
const BUCKET: &str = "reminder-bucket-";
const WITNESS: &str = "reminder-witness-";

/// What sets alarms.
#[async_trait]
pub(crate) trait Scheduler: Send + Sync + 'static {
    /// Whose jobs they are.
    async fn app_id(&self) -> Result<String, Error>;
    /// Schedules a job, in the place of the one with its name.
    async fn schedule(&self, job: &Job) -> Result<(), Error>;
    /// Whether there is such a job.
    async fn exists(&self, name: &str) -> Result<bool, Error>;
}

#[async_trait]
impl Scheduler for Client {
    async fn app_id(&self) -> Result<String, Error> {
        Client::app_id(self).await
    }

    async fn schedule(&self, job: &Job) -> Result<(), Error> {
        self.schedule_job(job).await
    }

    async fn exists(&self, name: &str) -> Result<bool, Error> {
        self.job_exists(name).await
    }
}

/// The name of the alarm of one reminder.
pub(crate) fn of_task(task: TaskId, number: ReminderNumber) -> String {
    format!("{TASK}{task}-{number}")
}

/// The name of the alarm of all reminders of a second, which ends then: seconds of Unix time.
pub(crate) fn of_second(second: i64) -> String {
    format!("{BUCKET}{second}")
}

/// The name of the job that tells whether the scheduler still has the jobs of this app.
pub(crate) fn witness(app_id: &str) -> String {
    format!("{WITNESS}{app_id}")
}

/// The second that a moment is in. A whole second ends the one before it, so that the alarm of a second, which rings at its
/// end, is on time for most.
pub(crate) fn second_of(moment: Instant) -> i64 {
    moment.timestamp() + i64::from(moment.timestamp_subsec_nanos() > 0)
}

/// The end of a second; none beyond the calendar.
pub(crate) fn end_of(second: i64) -> Option<Instant> {
    Instant::from_timestamp(second, 0)
}

/// What comes with the alarm of one reminder.
#[derive(Deserialize, Serialize)]
struct Payload {
    task_id: String,
    number: i32,
    generation: i64,
}

pub(crate) fn payload((task, number, generation): Set) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Payload { task_id: task.to_string(), number: number.get(), generation })
}

/// Reads what a job says; none when it says nothing that this version knows.
fn read(name: &str, data: &[u8]) -> Option<Alarm> {
    if name.starts_with(TASK) {
        let payload: Payload = serde_json::from_slice(data).ok()?;
        let number = ReminderNumber::new(payload.number)?;
        return Some(Alarm::Ring(Ring::One((payload.task_id.parse().ok()?, number, payload.generation))));
    }
    if let Some(second) = name.strip_prefix(BUCKET) {
        let end = end_of(second.parse().ok()?)?;
        return Some(Alarm::Ring(Ring::Until(end.checked_add_signed(TimeDelta::microseconds(1))?)));
    }
    name.starts_with(WITNESS).then_some(Alarm::Witness)
}

enum Alarm {
    Ring(Ring),
    Witness,
}

/// What is done when a job is triggered.
pub(crate) struct Jobs {
    firing: Firing,
    store: Store,
}

impl Jobs {
    pub(crate) fn new(firing: Firing, store: Store) -> Self {
        Self { firing, store }
    }
}

#[async_trait]
impl JobHandler for Jobs {
    async fn run(&self, name: &str, data: Bytes) -> Result<(), BoxError> {
        match read(name, &data) {
            Some(Alarm::Ring(ring)) => self.firing.ring(ring).await.map_err(BoxError::from),
            // It is set again when it is missed.
            Some(Alarm::Witness) => {
                self.store.reminders_changed();
                Ok(())
            }
            // An error would have it come again for ever. Whatever it was for, the row is still there.
            None => {
                tracing::warn!(job = name, "a job that can not be read; it is forgotten");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_ends_with_a_whole_one() {
        let check = |moment: &str, end: &str| {
            let second = second_of(moment.parse().unwrap());
            assert_eq!(end_of(second).unwrap(), end.parse::<Instant>().unwrap(), "{moment}");
        };
        check("2027-01-01T09:00:00Z", "2027-01-01T09:00:00Z");
        check("2027-01-01T09:00:00.000001Z", "2027-01-01T09:00:01Z");
        check("2027-01-01T08:59:59.999999Z", "2027-01-01T09:00:00Z");
        check("1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z");
        assert_eq!(end_of(i64::MAX), None);
    }

    #[test]
    fn a_job_says_which_reminders_it_is_for() {
        let task: TaskId = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap();
        let number = ReminderNumber::new(3).unwrap();
        let name = of_task(task, number);
        assert_eq!(name, "reminder-task-0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f-3");
        let ring = |name: &str, data: &[u8]| match read(name, data) {
            Some(Alarm::Ring(ring)) => Some(ring),
            _ => None,
        };
        let set = (task, number, 7);
        assert_eq!(ring(&name, &payload(set).unwrap()), Some(Ring::One(set)));
        let until = "2027-01-01T09:00:00.000001Z".parse().unwrap();
        assert_eq!(
            ring(&of_second(1_798_794_000), b""),
            Some(Ring::Until(until)),
            "the whole second is in it"
        );
        assert!(matches!(read(&witness("docket"), b""), Some(Alarm::Witness)));
        for (name, data) in [
            (name.as_str(), "{}"),
            (&name, ""),
            (&name, r#"{"task_id":"x","number":1,"generation":1}"#),
            (&name, r#"{"task_id":"0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f","number":11,"generation":1}"#),
            ("reminder-bucket-", ""),
            ("reminder-bucket-9223372036854775807", ""),
            ("reminder-digest-1", ""),
        ] {
            assert!(read(name, data.as_bytes()).is_none(), "{name} {data}");
        }
        for name in [name, of_second(1), witness("docket")] {
            assert!(name.starts_with(JOB_PREFIX));
        }
    }
}
