//! The requests of `NotificationService`, except for `UpdatePreferences`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use docket_domain::content::Channel;
use docket_domain::{DeliveryState, Instant, RequestId, TaskId};
use docket_proto::v1;

pub use super::preferences::{UpdatePreferences, update_preferences};
use super::{optional, page_size, period, states};
use crate::{InvalidFields, Violations, value};

/// `ListDeliveries`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListDeliveries {
    /// The most rows to answer.
    pub page_size: u32,
    /// Where to go on; empty for the first page.
    pub page_token: String,
    /// Only those of this task.
    pub task_id: Option<TaskId>,
    /// Only those in one of these states; empty for all.
    pub states: Vec<DeliveryState>,
    /// Only those written at this instant or later.
    pub start: Option<Instant>,
    /// Only those written before it.
    pub end: Option<Instant>,
}

/// Checks a `ListDeliveriesRequest`.
pub fn list_deliveries(request: &v1::ListDeliveriesRequest) -> Result<ListDeliveries, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let page_size = page_size(request.page_size, 50, 500, v);
    let task_id = optional("task_id", &request.task_id, v);
    let states = states(&request.states, value::delivery_state, v);
    let (start, end) = period(request.start_time, request.end_time, v);
    let page_token = request.page_token.clone();
    let value = page_size.zip(task_id).map(|(page_size, task_id)| ListDeliveries {
        page_size,
        page_token,
        task_id,
        states,
        start,
        end,
    });
    violations.into_result(value)
}

/// `SendTestNotification`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SendTest {
    /// The way to use.
    pub channel: Channel,
    /// Makes the call repeatable.
    pub request_id: Option<RequestId>,
}

/// Checks a `SendTestNotificationRequest`.
pub fn send_test(request: &v1::SendTestNotificationRequest) -> Result<SendTest, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let channel = v.check("channel", value::channel(request.channel).and_then(value::some));
    let request_id = optional("request_id", &request.request_id, v);
    let value = channel.zip(request_id);
    violations.into_result(value.map(|(channel, request_id)| SendTest { channel, request_id }))
}

/// `Unsubscribe`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsubscribe {
    /// Names the user, to nobody but the user and this server.
    pub secret: [u8; 16],
    /// The channel to stop.
    pub channel: Channel,
}

/// Checks an `UnsubscribeRequest`: reads what [`crate::answer::unsubscribe_token`] wrote.
pub fn unsubscribe(request: &v1::UnsubscribeRequest) -> Result<Unsubscribe, InvalidFields> {
    let mut violations = Violations::default();
    let read = || {
        let bytes: [u8; 17] = URL_SAFE_NO_PAD.decode(&request.token).ok()?.try_into().ok()?;
        let (secret, channel) = bytes.split_first_chunk::<16>()?;
        let channel = value::channel(channel.first().copied()?.into()).ok()??;
        Some(Unsubscribe { secret: *secret, channel })
    };
    let token = violations.check("token", read().ok_or("must be the one of a link in a message"));
    violations.into_result(token)
}
