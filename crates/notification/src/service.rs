//! `NotificationService`: keeps preferences, tells of the ledger, has tests sent.

use std::sync::Arc;

use docket_domain::address::WebhookRules;
use docket_domain::notice::Delivery as Told;
use docket_domain::{Channel, DeliveryState, Preferences, UserId};
use docket_proto::v1;
use docket_proto::v1::notification_service_server::NotificationService;
use docket_rpc::page::Question;
use docket_rpc::{OrStatus as _, caller};
use docket_store::idempotency::{Call, digest};
use docket_store::notification::{Cursor, Delivery, Listing, StoredPreferences};
use docket_store::outbox::Trace;
use docket_store::{Store, Tx};
use docket_wire::request::notification as request;
use docket_wire::{InvalidFields, Violations, answer};
use prost::Message as _;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::digest::first_after;
use crate::events::Events;
use crate::lane::Lane;
use crate::probe::{self, Asked, Probe};
use crate::{Error, Random};

/// Where a page ends early, in bytes: gRPC clients take answers of 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

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
    /// Whether they are others than before.
    is_new: bool,
}

/// Who changes preferences, and what makes that repeatable.
struct By<'a> {
    user: &'a UserId,
    call: Option<Call<'a>>,
    trace: Option<Trace>,
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
    async fn change<F>(&self, by: By<'_>, change: F) -> Result<v1::Preferences, Error>
    where
        F: Fn(&Preferences, i64) -> Result<Preferences, Error> + Send + Sync,
    {
        let now = self.lane.desk.clock.now();
        let (secret, token) = ((self.random)(), unsubscribe_token(&self.random));
        let (change, by) = (&change, &by);
        let outcome: Result<(v1::Preferences, bool), Error> = self
            .store()
            .transaction(|tx| {
                Box::pin(async move {
                    let mut is_new = false;
                    let first = async {
                        let changed = self.change_in(tx, by, change, secret, token).await?;
                        is_new = changed.is_new;
                        let secret = changed.stored.webhook_secret.filter(|_| changed.is_secret_new);
                        Ok::<_, Error>(preferences(&changed.stored, secret.as_ref()))
                    };
                    let answer = tx.call_once(by.call.as_ref(), now, first).await?;
                    Ok((answer, is_new))
                })
            })
            .await;
        let (answer, is_new) = outcome?;
        if is_new {
            self.store().outbox_appended();
        }
        Ok(answer)
    }

    async fn change_in<F>(
        &self,
        tx: &Tx<'_>,
        by: &By<'_>,
        change: &F,
        secret: [u8; 32],
        token: [u8; 16],
    ) -> Result<Changed, Error>
    where
        F: Fn(&Preferences, i64) -> Result<Preferences, Error> + Send + Sync,
    {
        let before = tx.preferences_lock(by.user).await?;
        let version = before.as_ref().map_or(0, |before| before.version);
        let none = Preferences::default();
        let current = before.as_ref().map_or(&none, |before| &before.preferences);
        let preferences = change(current, version)?;
        if let Some(before) = before.as_ref().filter(|before| before.preferences == preferences) {
            return Ok(Changed { stored: before.clone(), is_secret_new: false, is_new: false });
        }
        let changed = self.changed(before.as_ref(), preferences, secret, token);
        self.put(tx, by.user, &changed.stored, version, by.trace.clone()).await?;
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
        Changed { stored, is_secret_new: has_webhook && !same_webhook, is_new: true }
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
        self.change(By { user: &user, call: None, trace }, without).await?;
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

/// A row as the contract tells of it.
pub(crate) fn told(delivery: &Delivery) -> Told {
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
        let checked = request::update_preferences(asked, &Preferences::default(), &self.rules);
        let request_id = checked.map_err(Error::from).or_status()?.request_id;
        let (method, body_hash) = ("UpdatePreferences", digest(asked));
        let call = request_id.map(|request_id| Call { user, request_id, method, body_hash });
        let change = |current: &Preferences, version: i64| {
            let update = request::update_preferences(asked, current, &self.rules)?;
            let etag = answer::preferences_etag(version);
            match update.etag {
                Some(seen) if seen != etag => Err(Error::EtagMismatch { etag }),
                _ => Ok(update.preferences),
            }
        };
        let by = By { user, call, trace: trace_of(&request) };
        self.change(by, change).await.or_status().map(Response::new)
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
        let user = caller::user(&request)?;
        let asked = request::send_test(request.get_ref()).map_err(Error::from).or_status()?;
        let (body, trace) = (request.get_ref(), trace_of(&request));
        let probe = Probe::new(user.clone(), asked.channel, asked.request_id, body, trace);
        let lane = self.lane.clone();
        // On its own: a caller who gives up must not leave a message behind of which nobody knows what became.
        let sending = tokio::spawn(async move { probe.send(&lane).await }.in_current_span());
        let sent = sending.await.unwrap_or_else(|error| Err(Error::Internal(Box::new(error))));
        let delivery = match sent.or_status()? {
            Asked::Over(delivery) => delivery,
            Asked::UnderWay(first) => probe::end_of(&self.lane, user, first).await.or_status()?,
        };
        Ok(Response::new(delivery))
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
