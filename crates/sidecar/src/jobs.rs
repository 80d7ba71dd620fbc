//! Jobs: alarm clocks that the sidecar keeps, for one moment each.
//!
//! They are no more than that: an alarm may be given twice, after it was taken back, or never. Whoever sets one keeps what
//! it is for elsewhere.

use std::time::Duration;

use bytes::Bytes;
use chrono::SecondsFormat;
use dapr::dapr::proto::common::v1 as common;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_domain::Instant;
use prost::{Message as _, Name as _};
use tonic::Code;

use crate::client::{Client, Error};

/// A job as it is scheduled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// Names it; the beginning says whose it is. Without `/`, `\`, `#`, `?` and control characters.
    pub name: String,
    /// When it is triggered, once; at once when that has passed.
    pub due: Instant,
    /// What comes with the trigger.
    pub data: Vec<u8>,
    /// How long the scheduler waits after a trigger that failed. It tries without end.
    pub retry: Duration,
}

impl Client {
    /// Schedules a job, also in the place of the one that has its name. Its trigger may be under way already: the old job and
    /// the new one are both triggered then.
    ///
    /// While the scheduler is away the sidecar waits for it, so this ends with [`Error::Deadline`].
    pub async fn schedule_job(&self, job: &Job) -> Result<(), Error> {
        let request = pb::ScheduleJobRequest { job: Some(to_proto(job)), overwrite: true };
        self.call(request, async |mut dapr, request| dapr.schedule_job(request).await).await?;
        fail::fail_point!("job-unknown", |_| Err(Error::Deadline(self.deadline())));
        Ok(())
    }

    /// Whether a job is there that was not triggered yet.
    pub async fn job_exists(&self, name: &str) -> Result<bool, Error> {
        let request = pb::GetJobRequest { name: name.to_owned() };
        match self.call(request, async |mut dapr, request| dapr.get_job(request).await).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a job back; nothing happens when there is none. Its trigger may be under way already.
    pub async fn delete_job(&self, name: &str) -> Result<(), Error> {
        let request = pb::DeleteJobRequest { name: name.to_owned() };
        self.call(request, async |mut dapr, request| dapr.delete_job(request).await).await?;
        Ok(())
    }
}

fn to_proto(job: &Job) -> pb::Job {
    let constant = common::JobFailurePolicyConstant {
        // Without one the scheduler would try again at once, without a pause.
        interval: Some(prost_types::Duration {
            seconds: i64::try_from(job.retry.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(job.retry.subsec_nanos()).unwrap_or_default(),
        }),
        // Without a number it tries for ever.
        max_retries: None,
    };
    pb::Job {
        name: job.name.clone(),
        due_time: Some(job.due.to_rfc3339_opts(SecondsFormat::Nanos, true)),
        data: Some(prost_types::Any { type_url: Vec::<u8>::type_url(), value: job.data.encode_to_vec() }),
        failure_policy: Some(common::JobFailurePolicy {
            policy: Some(common::job_failure_policy::Policy::Constant(constant)),
        }),
        ..pb::Job::default()
    }
}

/// What came with a trigger: as it was scheduled, or as it is when somebody else has scheduled the job.
pub(crate) fn data_of(any: Option<prost_types::Any>) -> Bytes {
    let any = any.unwrap_or_default();
    Bytes::from(any.to_msg::<Vec<u8>>().unwrap_or(any.value))
}

/// The sidecar hides the scheduler's code in its text.
fn is_missing(error: &Error) -> bool {
    match error {
        Error::Rejected { code: Code::NotFound, .. } => true,
        Error::Rejected { code: Code::Internal, message } => {
            message.contains("code = NotFound") || message.contains("job not found")
        }
        _ => false,
    }
}
