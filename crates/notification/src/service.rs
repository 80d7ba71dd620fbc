//! `NotificationService`: keeps preferences, tells of the ledger, sends tests.

use std::sync::Arc;

use docket_domain::address::WebhookRules;
use docket_domain::notice::Delivery as Told;
use docket_domain::{Channel, DeliveryId, DeliveryKind, DeliveryState, Preferences, TimeDelta, UserId};
use docket_proto::v1;
use docket_proto::v1::notification_service_server::NotificationService;
use docket_rpc::page::Question;
use docket_rpc::{OrStatus as _, caller};
use docket_store::notification::{Cursor, Delivery, Listing, NewDelivery, Settled, StoredPreferences};
use docket_store::outbox::Trace;
use docket_store::{Store, Tx};
use docket_wire::request::notification as request;
use docket_wire::{InvalidFields, Violations, answer};
use prost::Message as _;
use serde_json::json;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::channel::Recipient;
use crate::digest::first_after;
use crate::events::Events;
use crate::lane::Lane;
use crate::words::words;
use crate::{Error, Random};

/// Where a page ends early, in bytes: gRPC clients take answers of 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

/// How long a user waits after a test before the next one on the same channel.
const TEST_PAUSE: TimeDelta = TimeDelta::seconds(10);

/// The target's service.
#[derive(Clone)]
pub struct Service {
    lane: Arc<Lane>,
    random: Random,
    rules: Arc<WebhookRules>,
}

/// What a change of preferences came to.
struct Changed {
    stored: StoredPreferences,
    /// Whether the webhook has a new secret, which is told this once.
    is_secret_new: bool,
}

impl Service {
    pub(crate) fn new(lane: Arc<Lane>, random: Random) -> Self {
        let rules = Arc::new(lane.desk.config.webhook_rules());
        Self { lane, random, rules }
    }

    fn store(&self) -> &Store {
        &self.lane.desk.store
    }

    /// Changes a user's preferences to what `change` makes of them, and tells others in the same transaction; nothing happens
    /// when it makes the same of them.
    async fn change<F>(&self, user: &UserId, trace: Option<Trace>, change: F) -> Result<Changed, Error>
    where
        F: Fn(&Preferences, i64) -> Result<Preferences, Error> + Send + Sync,
    {
        let (secret, token) = ((self.random)(), unsubscribe_token(&self.random));
        let (change, trace) = (&change, &trace);
        let outcome: Result<(Changed, bool), Error> = self
            .store()
            .transaction(|tx| {
                Box::pin(async move {
                    let before = tx.preferences_lock(user).await?;
                    let version = before.as_ref().map_or(0, |before| before.version);
                    let none = Preferences::default();
                    let current = before.as_ref().map_or(&none, |before| &before.preferences);
                    let preferences = change(current, version)?;
                    if let Some(before) = before.as_ref().filter(|before| before.preferences == preferences) {
                        return Ok((Changed { stored: before.clone(), is_secret_new: false }, false));
                    }
                    let changed = self.changed(before.as_ref(), preferences, secret, token);
                    self.put(tx, user, &changed.stored, version, trace.clone()).await?;
                    Ok((changed, true))
                })
            })
            .await;
        let (changed, is_new) = outcome?;
        if is_new {
            self.store().outbox_appended();
        }
        Ok(changed)
    }

    fn changed(
        &self,
        before: Option<&StoredPreferences>,
        preferences: Preferences,
        secret: [u8; 32],
        token: [u8; 16],
    ) -> Changed {
        let now = self.lane.desk.clock.now();
        let has_webhook = preferences.webhook.is_some();
        let same_webhook = before.is_some_and(|before| before.preferences.webhook == preferences.webhook);
        let same_appointment = before.is_some_and(|before| {
            let (old, new) = (&before.preferences, &preferences);
            let time = |preferences: &Preferences| preferences.digest.as_ref().map(|digest| digest.time);
            time(old) == time(new) && old.time_zone == new.time_zone
        });
        let webhook_secret = match before {
            Some(before) if same_webhook => before.webhook_secret,
            _ => has_webhook.then_some(secret),
        };
        let next_digest_time = match before {
            Some(before) if same_appointment => before.next_digest_time,
            _ => first_after(&preferences, now),
        };
        let stored = StoredPreferences {
            preferences,
            version: before.map_or(0, |before| before.version) + 1,
            webhook_secret,
            unsubscribe: before.map_or(token, |before| before.unsubscribe),
            next_digest_time,
            update_time: now,
        };
        Changed { stored, is_secret_new: has_webhook && !same_webhook }
    }

    async fn put(
        &self,
        tx: &Tx<'_>,
        user: &UserId,
        stored: &StoredPreferences,
        version: i64,
        trace: Option<Trace>,
    ) -> Result<(), Error> {
        let expect = (version > 0).then_some(version);
        if !tx.preferences_put(user, stored, expect).await? {
            return Err(Error::Conflict);
        }
        let (topic, ids) = (self.lane.events_topic.as_str(), self.lane.ids.as_ref());
        let events = Events { topic, ids, now: stored.update_time };
        tx.outbox_append(vec![events.preferences(user, stored, trace)]).await?;
        Ok(())
    }

    async fn list(&self, owner: &UserId, listing: &Listing) -> Result<(Vec<Delivery>, bool), Error> {
        Ok(self.store().deliveries_list(owner, listing).await?)
    }

    /// Sends a test, once, and answers the row that tells how that went.
    async fn send_test(&self, user: &UserId, channel: Channel, trace: Option<Trace>) -> Result<Told, Error> {
        let desk = &self.lane.desk;
        let way = desk.channels.get(&channel).ok_or(Error::ChannelUnavailable { channel })?;
        let to = Recipient::of(self.store().preferences(user).await?);
        if to.preferences.unsubscribed.contains(&channel) {
            return Err(Error::Unsubscribed { channel });
        }
        if !way.has_address(&to) {
            return Err(Error::AddressMissing { channel });
        }
        let now = desk.clock.now();
        self.check_rate(user, channel, now).await?;
        let begin_by = Instant::now() + desk.config.begin_time();
        let id = DeliveryId::from_uuid(self.lane.ids.uuid());
        let new = NewDelivery {
            id,
            kind: DeliveryKind::Test,
            subject: format!("test:{id}"),
            channel,
            user_id: user.clone(),
            task_id: None,
            reminder_id: None,
            title: words(to.preferences.locale).test.to_owned(),
            content: json!({}),
            remind_time: now,
            next_attempt: now,
            postponed: false,
            trace,
            create_time: now,
        };
        let delivery = self.store().delivery_begin(&new, now + desk.config.claim_time()).await?;
        let message = desk.test(&delivery, &to).map_err(|error| Error::Internal(Box::new(error)))?;
        let outcome = self.lane.hand_over(&delivery, &to, &message, begin_by).await;
        let mut settled = desk.judge().outcome(&delivery, outcome);
        if !settled.state.is_final() {
            // Others were on their way for too long: somebody waits here, so it is over all the same.
            settled.state = DeliveryState::Failed;
            settled.reason = Some("the channel was busy for too long".to_owned());
        }
        self.lane.write(std::slice::from_ref(&settled)).await?;
        Ok(told(&Delivery { finish_time: Some(settled.time), ..after(delivery, settled) }))
    }

    /// Refuses a test that comes too soon after another one, which the ledger knows of.
    async fn check_rate(
        &self,
        user: &UserId,
        channel: Channel,
        now: docket_domain::Instant,
    ) -> Result<(), Error> {
        let listing = Listing {
            start_time: Some(now - TEST_PAUSE + TimeDelta::microseconds(1)),
            limit: 500,
            ..Listing::default()
        };
        let (rows, _) = self.list(user, &listing).await?;
        let is_other = |row: &&Delivery| row.kind == DeliveryKind::Test && row.channel == channel;
        match rows.iter().find(is_other) {
            Some(last) => {
                let delay = (last.create_time + TEST_PAUSE - now).to_std().unwrap_or_default();
                Err(Error::TooSoon { user: user.clone(), channel, delay })
            }
            None => Ok(()),
        }
    }

    async fn stop(&self, asked: request::Unsubscribe, trace: Option<Trace>) -> Result<Channel, Error> {
        let user = self.store().unsubscribe_owner(&asked.secret).await?.ok_or_else(unknown_token)?;
        let channel = asked.channel;
        let without = |preferences: &Preferences, _| {
            let mut preferences = preferences.clone();
            if !preferences.unsubscribed.contains(&channel) {
                preferences.unsubscribed.push(channel);
            }
            Ok(preferences)
        };
        self.change(&user, trace, without).await?;
        Ok(channel)
    }
}

/// The same answer as for a text that was never a token.
fn unknown_token() -> Error {
    let mut violations = Violations::default();
    violations.add("token", "must be the one of a link in a message");
    match violations.into_result::<()>(None) {
        Err(invalid) => Error::Invalid(invalid),
        Ok(()) => Error::Invalid(InvalidFields(Vec::new())),
    }
}

fn unsubscribe_token(random: &Random) -> [u8; 16] {
    let (token, rest) = (random(), [0; 16]);
    token.first_chunk().copied().unwrap_or(rest)
}

fn after(delivery: Delivery, settled: Settled) -> Delivery {
    Delivery { state: settled.state, reason: settled.reason, next_attempt: None, ..delivery }
}

/// A row as the contract tells of it.
fn told(delivery: &Delivery) -> Told {
    Told {
        id: delivery.id,
        kind: delivery.kind,
        channel: delivery.channel,
        state: delivery.state,
        reminder_id: delivery.reminder_id,
        task_id: delivery.task_id,
        title: delivery.title.clone(),
        remind_time: delivery.remind_time,
        attempts: delivery.attempts,
        next_attempt: delivery.next_attempt,
        postponed: delivery.postponed,
        // What an earlier attempt was told is over.
        reason: delivery.reason.clone().filter(|_| delivery.state != DeliveryState::Sent),
        create_time: delivery.create_time,
        finish_time: delivery.finish_time,
    }
}

fn trace_of<T>(request: &Request<T>) -> Option<Trace> {
    let trace = caller::trace_context(request);
    trace.traceparent.map(|parent| Trace { parent, state: trace.tracestate })
}

#[tonic::async_trait]
impl NotificationService for Service {
    async fn get_preferences(
        &self,
        request: Request<v1::GetPreferencesRequest>,
    ) -> Result<Response<v1::Preferences>, Status> {
        let user = caller::user(&request)?;
        let stored = self.store().preferences(user).await.map_err(Error::from).or_status()?;
        Ok(Response::new(match &stored {
            Some(stored) => preferences(stored, None),
            None => answer::preferences(&Preferences::default(), 0, None, None),
        }))
    }

    async fn update_preferences(
        &self,
        request: Request<v1::UpdatePreferencesRequest>,
    ) -> Result<Response<v1::Preferences>, Status> {
        let user = caller::user(&request)?;
        let asked = request.get_ref();
        // What is wrong whatever there is now costs no transaction.
        request::update_preferences(asked, &Preferences::default(), &self.rules)
            .map_err(Error::from)
            .or_status()?;
        let change = |current: &Preferences, version: i64| {
            let update = request::update_preferences(asked, current, &self.rules)?;
            let etag = answer::preferences_etag(version);
            match update.etag {
                Some(seen) if seen != etag => Err(Error::EtagMismatch { etag }),
                _ => Ok(update.preferences),
            }
        };
        let changed = self.change(user, trace_of(&request), change).await.or_status()?;
        let secret = changed.stored.webhook_secret.filter(|_| changed.is_secret_new);
        Ok(Response::new(preferences(&changed.stored, secret.as_ref())))
    }

    async fn list_deliveries(
        &self,
        request: Request<v1::ListDeliveriesRequest>,
    ) -> Result<Response<v1::ListDeliveriesResponse>, Status> {
        let owner = caller::user(&request)?;
        let asked = request::list_deliveries(request.get_ref()).map_err(Error::from).or_status()?;
        let arguments = v1::ListDeliveriesRequest {
            page_size: 0,
            page_token: String::new(),
            ..request.get_ref().clone()
        };
        let question = Question::new("ListDeliveries", owner, &arguments);
        let listing = Listing {
            task_id: asked.task_id,
            states: asked.states,
            start_time: asked.start,
            end_time: asked.end,
            after: question.cursor(&asked.page_token).or_status()?,
            limit: asked.page_size,
        };
        let (found, mut more) = self.list(owner, &listing).await.or_status()?;
        let mut deliveries = Vec::with_capacity(found.len());
        let mut bytes = 0;
        for delivery in &found {
            let delivery = answer::delivery(&told(delivery));
            bytes += delivery.encoded_len();
            if bytes > PAGE_BYTES && !deliveries.is_empty() {
                more = true;
                break;
            }
            deliveries.push(delivery);
        }
        let last = found.get(..deliveries.len()).and_then(<[Delivery]>::last).filter(|_| more);
        let next = last.map(|last| question.token(&Cursor::of(last))).transpose().or_status()?;
        Ok(Response::new(v1::ListDeliveriesResponse {
            deliveries,
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn send_test_notification(
        &self,
        request: Request<v1::SendTestNotificationRequest>,
    ) -> Result<Response<v1::Delivery>, Status> {
        let user = caller::user(&request)?.clone();
        let channel = request::send_test(request.get_ref()).map_err(Error::from).or_status()?;
        let (service, trace) = (self.clone(), trace_of(&request));
        // On its own: a caller who gives up must not leave a message behind of which nobody knows what became.
        let sending = tokio::spawn(async move { service.send_test(&user, channel, trace).await });
        let sent = sending.await.unwrap_or_else(|error| Err(Error::Internal(Box::new(error))));
        Ok(Response::new(answer::delivery(&sent.or_status()?)))
    }

    async fn unsubscribe(
        &self,
        request: Request<v1::UnsubscribeRequest>,
    ) -> Result<Response<v1::UnsubscribeResponse>, Status> {
        let asked = request::unsubscribe(request.get_ref()).map_err(Error::from).or_status()?;
        let channel = self.stop(asked, trace_of(&request)).await.or_status()?;
        let channel = answer::channel_to_proto(channel).into();
        Ok(Response::new(v1::UnsubscribeResponse { channel }))
    }
}

fn preferences(stored: &StoredPreferences, secret: Option<&[u8; 32]>) -> v1::Preferences {
    answer::preferences(&stored.preferences, stored.version, Some(stored.update_time), secret)
}
