//! Mail through `bindings.smtp`, one message at a time.
//!
//! The binding merges what a call says into the one struct that all of its calls share, and composes the message from that
//! struct: two calls at the same time can send one user's message to another one's address. So there is never more than one,
//! and each says everything that the one before may have left behind.
//!
//! A call that nobody waits for any more is the hard case. The binding composes as soon as the sidecar has read the call, and
//! what it waits for comes after that; but a sidecar that is frozen, or busy, may not have read it yet. So after a call whose
//! end is unknown, the next one waits until the sidecar has answered a question that was asked later on the same connection,
//! and then for [`REST`], in which the goroutine of the first call, which was started before that of the question, comes to
//! its composition. Until then messages are put off.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use docket_domain::Priority;
use docket_sidecar::BindingCall;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::answer::{judge, of_smtp};
use super::{Binding, Channel, Outcome, Parcel, Recipient};

/// How long a sidecar that answers again is given to compose what it was told before: composing takes microseconds.
const REST: Duration = Duration::from_secs(1);

/// Mail through `bindings.smtp`.
pub(crate) struct Smtp {
    binding: Binding,
    from: String,
    rest: Duration,
    /// Whether an earlier call may still be on its way to being composed. Held during a call: that is what makes calls go
    /// one by one.
    doubtful: Mutex<bool>,
}

impl Smtp {
    pub(crate) fn new(binding: Binding, from: &str) -> Self {
        Self { binding, from: from.to_owned(), rest: REST, doubtful: Mutex::new(false) }
    }

    #[cfg(test)]
    pub(crate) fn with_rest(self, rest: Duration) -> Self {
        Self { rest, ..self }
    }

    /// Waits until what an earlier call has left behind is composed; false when that can not be known yet.
    async fn settled(&self) -> bool {
        let answers = self.binding.bindings.components().await.is_ok();
        if answers {
            sleep(self.rest).await;
        }
        answers
    }
}

#[async_trait]
impl Channel for Smtp {
    fn in_flight(&self) -> usize {
        1
    }

    fn has_address(&self, to: &Recipient) -> bool {
        to.preferences.email.is_some()
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        let Some(to) = &parcel.to.preferences.email else {
            return Outcome::Refused("the user has said no address".to_owned());
        };
        let mut doubtful = self.doubtful.lock().await;
        if *doubtful && !self.settled().await {
            return Outcome::Later(
                "the sidecar does not answer after a call whose end is unknown".to_owned(),
            );
        }
        if Instant::now() > parcel.begin_by {
            // Others were before it for so long.
            *doubtful = false;
            return Outcome::NotBegun;
        }
        // Also when this is dropped in the middle of the call.
        *doubtful = true;
        let said = self.binding.bindings.call(BindingCall {
            name: &self.binding.name,
            operation: "create",
            data: parcel.message.html.clone().into_bytes(),
            metadata: HashMap::from([
                ("emailFrom".to_owned(), self.from.clone()),
                ("emailTo".to_owned(), to.as_str().to_owned()),
                ("subject".to_owned(), parcel.message.subject.clone()),
                ("priority".to_owned(), x_priority(parcel.message.priority).to_owned()),
            ]),
            deadline: self.binding.deadline,
        });
        let outcome = match said.await {
            Ok(_) => Outcome::Sent,
            Err(error) => match judge(&self.binding.name, &error) {
                Ok(said) => {
                    // The binding has answered, so it has composed.
                    *doubtful = false;
                    return of_smtp(&said);
                }
                Err(outcome) => outcome,
            },
        };
        *doubtful = matches!(outcome, Outcome::Unknown(_));
        outcome
    }
}

/// The header `X-Priority`: 1 is the highest.
fn x_priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Urgent => "1",
        Priority::High => "2",
        Priority::Medium => "3",
        Priority::Low => "4",
    }
}
