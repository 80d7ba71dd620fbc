//! A test of a channel: one in ten seconds, tried once, and told of in the same way however often it is asked for.

use std::time::Duration;

use docket_domain::{Channel, DeliveryId, DeliveryKind, DeliveryState, RequestId, TimeDelta, UserId};
use docket_proto::v1;
use docket_store::Tx;
use docket_store::idempotency::{self, Call, Earlier, Reused, digest};
use docket_store::notification::{Begun, Delivery, NewDelivery};
use docket_store::outbox::Trace;
use docket_wire::answer;
use prost::Message as _;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use crate::Error;
use crate::channel::Recipient;
use crate::desk::Done;
use crate::lane::Lane;
use crate::service::told;
use crate::trace::{self, Traces};
use crate::words::words;

/// How long a user waits after a test before the next one on the same channel.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// How often somebody looks whether a test that is under way has ended.
const LOOK: Duration = Duration::from_millis(250);

/// A test that is asked for.
pub(crate) struct Probe {
    pub(crate) user: UserId,
    pub(crate) channel: Channel,
    /// The request id, with a digest of the request.
    pub(crate) repeatable: Option<(RequestId, [u8; 32])>,
    pub(crate) trace: Option<Trace>,
}

/// What came of asking.
pub(crate) enum Asked {
    /// It was tried, now or before, and this is what came of it.
    Over(v1::Delivery),
    /// The same call was made before, and nobody has said yet how it ended.
    UnderWay(v1::Delivery),
}

/// What there is to be done.
enum Begin {
    Send(Box<Delivery>, Box<Recipient>),
    Repeat(Box<v1::Delivery>),
}

impl Probe {
    pub(crate) fn new(
        user: UserId,
        channel: Channel,
        request_id: Option<RequestId>,
        request: &v1::SendTestNotificationRequest,
        trace: Option<Trace>,
    ) -> Self {
        Self { user, channel, repeatable: request_id.map(|id| (id, digest(request))), trace }
    }

    fn call(&self) -> Option<Call<'_>> {
        let (request_id, body_hash) = self.repeatable?;
        Some(Call { user: &self.user, request_id, method: "SendTestNotification", body_hash })
    }

    /// Sends the test, and writes down how that went, with the answer to a repetition. What was asked for before is not
    /// sent.
    pub(crate) async fn send(&self, lane: &Lane) -> Result<Asked, Error> {
        let desk = &lane.desk;
        let begin_by = Instant::now() + desk.config.begin_time();
        let (delivery, to) = match self.begin(lane).await? {
            Begin::Send(delivery, to) => (*delivery, to),
            Begin::Repeat(first) if first.finish_time.is_some() => return Ok(Asked::Over(*first)),
            Begin::Repeat(first) => return Ok(Asked::UnderWay(*first)),
        };
        let message = desk.test(&delivery, &to).map_err(|error| Error::Internal(Box::new(error)))?;
        let span = trace::send_for_call(&delivery);
        let outcome = lane.hand_over(&delivery, &to, &message, begin_by).instrument(span.clone()).await;
        let tried = outcome.name();
        let mut settled = desk.judge().outcome(&delivery, outcome);
        if !settled.state.is_final() {
            // Others were on their way for too long: somebody waits here, so it is over all the same.
            settled.state = DeliveryState::Failed;
            settled.reason = Some("the channel was busy for too long".to_owned());
        }
        let Done { settled, .. } = desk.done(&delivery, &span, settled, tried);
        // The call has more to do than to send.
        drop(span);
        let ended = Delivery {
            state: settled.state,
            reason: settled.reason.clone(),
            next_attempt: None,
            finish_time: Some(settled.time),
            ..delivery
        };
        let answer = answer::delivery(&told(&ended));
        let kept = self.call().map(|call| (call, answer.encode_to_vec()));
        lane.write(std::slice::from_ref(&settled), &Traces::new(), kept.as_ref()).await?;
        Ok(Asked::Over(answer))
    }

    /// Claims the call, and puts the test into the ledger, as one that is being sent.
    async fn begin(&self, lane: &Lane) -> Result<Begin, Error> {
        let id = DeliveryId::from_uuid(lane.ids.uuid());
        lane.desk.store.transaction(|tx| Box::pin(self.begin_in(tx, lane, id))).await
    }

    async fn begin_in(&self, tx: &Tx<'_>, lane: &Lane, id: DeliveryId) -> Result<Begin, Error> {
        let (desk, channel) = (&lane.desk, self.channel);
        let now = desk.clock.now();
        if let Some(call) = self.call() {
            // Names the row that tells how it goes, until that is known.
            let first = v1::Delivery {
                delivery_id: id.to_string(),
                kind: v1::delivery::Kind::Test.into(),
                channel: answer::channel_to_proto(channel).into(),
                state: v1::delivery::State::Sending.into(),
                ..Default::default()
            };
            match tx.call_claim(&call, first.encode_to_vec(), now).await? {
                Earlier::None => {}
                Earlier::Answered(response) => {
                    return Ok(Begin::Repeat(Box::new(idempotency::answer(&response)?)));
                }
                Earlier::Other => return Err(Reused { id: call.request_id }.into()),
            }
        }
        let way = desk.channels.get(&channel).ok_or(Error::ChannelUnavailable { channel })?;
        let to = Recipient::of(tx.preferences(&self.user).await?);
        if to.preferences.unsubscribed.contains(&channel) {
            return Err(Error::Unsubscribed { channel });
        }
        if !way.has_address(&to) {
            return Err(Error::AddressMissing { channel });
        }
        let new = self.row(id, &to, now);
        let since = now - PAUSE + TimeDelta::microseconds(1);
        match tx.test_begin(&new, now + desk.config.claim_time(), since).await? {
            Begun::Ours(delivery) => Ok(Begin::Send(delivery, Box::new(to))),
            Begun::Before { last } => {
                let delay = (last + PAUSE - now).to_std().unwrap_or_default();
                Err(Error::TooSoon { user: self.user.clone(), channel, delay })
            }
        }
    }

    fn row(&self, id: DeliveryId, to: &Recipient, now: docket_domain::Instant) -> NewDelivery {
        NewDelivery {
            id,
            kind: DeliveryKind::Test,
            subject: format!("test:{id}"),
            channel: self.channel,
            user_id: self.user.clone(),
            task_id: None,
            reminder_id: None,
            title: words(to.preferences.locale).test.to_owned(),
            content: json!({}),
            remind_time: now,
            next_attempt: now,
            postponed: false,
            trace: self.trace.clone(),
            create_time: now,
        }
    }
}

/// Waits until the ledger knows how a test went that somebody else has under way, or had: when nobody says so, its claim
/// ends, and it is told of as one of which nobody knows. Longer than that is a conflict.
pub(crate) async fn end_of(lane: &Lane, user: &UserId, first: v1::Delivery) -> Result<v1::Delivery, Error> {
    let id: DeliveryId = first.delivery_id.parse().map_err(|error| Error::Internal(Box::new(error)))?;
    let patience = lane.desk.config.claim_time().to_std().unwrap_or(Duration::MAX);
    let until = Instant::now() + patience;
    loop {
        match lane.desk.store.delivery_get(user, id).await? {
            Some(row) if row.finish_time.is_some() => return Ok(answer::delivery(&told(&row))),
            Some(_) if Instant::now() < until => sleep(LOOK).await,
            Some(_) => return Err(Error::Conflict),
            // It has ended so long ago that the ledger has forgotten it, and whoever sent it has never said how.
            None => return Ok(v1::Delivery { state: v1::delivery::State::Unknown.into(), ..first }),
        }
    }
}
