//! From claimed rows to messages: looks at what the rows are about, and what their users want now.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use docket_domain::source::Clock;
use docket_domain::{DeliveryKind, DeliveryState, Instant, ReminderId, UserId};
use docket_store::Store;
use docket_store::notification::{Claimed, Delivery, Settled};
use docket_store::outbox::Trace;
use docket_wire::reminder_event;
use futures::stream::{self, StreamExt as _};
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use crate::channel::{Channels, Outcome, Recipient};
use crate::config::{Config, Unknown};
use crate::digest::day_of;
use crate::events::CALLED_OFF;
use crate::handler::UNSUBSCRIBED;
use crate::hold::Hold;
use crate::metrics::{self, Metrics};
use crate::owner::{Agenda, Agendas, Away, MOST_FIRINGS, Owner, Standing};
use crate::render::{About, Firing, Letter, Message, Renderer};
use crate::trace;
use crate::verdict::Judge;

/// How many users' tasks are asked for at a time.
const AGENDAS_IN_FLIGHT: usize = 8;

/// How long it may take to find out what one user has to do.
const AGENDA_TIME: Duration = Duration::from_secs(10);

/// Prepares what is to be sent.
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jitter: docket_sidecar::Jitter,
    pub(crate) owner: Arc<dyn Owner>,
    pub(crate) agendas: Arc<dyn Agendas>,
    pub(crate) channels: Channels,
    pub(crate) renderer: Renderer,
    pub(crate) hold: Hold,
    pub(crate) metrics: Metrics,
}

/// What became of setting about a row.
pub(crate) struct Done {
    pub(crate) settled: Settled,
    /// What is told of it goes on with that; none when it is not recorded.
    pub(crate) trace: Option<Trace>,
}

/// A message that is ready to be sent.
pub(crate) struct Ready {
    /// Of setting about it.
    pub(crate) span: Span,
    pub(crate) delivery: Delivery,
    pub(crate) to: Recipient,
    pub(crate) message: Message,
}

/// What was found out for a batch of rows.
struct Facts {
    /// Without those whose preferences can not be read.
    users: Result<HashMap<UserId, Recipient>, String>,
    standing: Result<HashMap<ReminderId, Standing>, String>,
    agendas: HashMap<(UserId, NaiveDate), Result<Agenda, String>>,
    now: Instant,
}

impl Desk {
    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge { config: &self.config, now: self.clock.now(), jitter: (self.jitter)() }
    }

    /// Prepares what these rows say, and settles those that say nothing any more.
    pub(crate) async fn prepare(&self, claimed: Vec<Claimed>) -> (Vec<Ready>, Vec<Done>) {
        let spans: Vec<Span> = claimed.iter().map(|claimed| trace::send(&claimed.delivery)).collect();
        let facts = self.facts(&claimed).instrument(trace::asking(&spans)).await;
        let (mut ready, mut done) = (Vec::new(), Vec::new());
        for (claimed, span) in claimed.into_iter().zip(spans) {
            match self.decide(&claimed, &facts) {
                Ok((to, message)) => ready.push(Ready { span, delivery: claimed.delivery, to, message }),
                Err(over) => done.push(self.done(&claimed.delivery, &span, over, Outcome::NotBegun.name())),
            }
        }
        (ready, done)
    }

    /// Tells what became of setting about a row. `tried` is the name of what the channel said.
    pub(crate) fn done(&self, row: &Delivery, span: &Span, settled: Settled, tried: &'static str) -> Done {
        let word = metrics::word(&settled, tried);
        self.metrics.ended(row, &settled, word);
        trace::tell(span, word);
        Done { settled, trace: trace::of(span) }
    }

    async fn facts(&self, claimed: &[Claimed]) -> Facts {
        let mut users: Vec<UserId> = claimed.iter().map(|claimed| claimed.delivery.user_id.clone()).collect();
        users.sort();
        users.dedup();
        let stored = self.store.preferences_of(&users).await.map_err(|error| told("preferences", &error));
        let users = stored.map(|mut stored| {
            let recipient = |user: UserId| match stored.remove(&user) {
                Some(None) => None,
                Some(Some(stored)) => Some((user, Recipient::of(Some(stored)))),
                None => Some((user, Recipient::default())),
            };
            users.into_iter().filter_map(recipient).collect::<HashMap<_, _>>()
        });
        let firings: Vec<ReminderId> =
            claimed.iter().filter_map(|claimed| claimed.delivery.reminder_id).collect();
        let standing = self.standing(&firings).await.map_err(|away| told("reminders", &away));
        if !firings.is_empty() {
            self.hold.note(standing.is_ok(), self.clock.now(), (self.jitter)());
        }
        let agendas = match &users {
            Ok(users) => self.agendas(claimed, users).await,
            Err(_) => HashMap::new(),
        };
        Facts { users, standing, agendas, now: self.clock.now() }
    }

    async fn standing(&self, firings: &[ReminderId]) -> Result<HashMap<ReminderId, Standing>, Away> {
        let mut standing = HashMap::new();
        for firings in firings.chunks(MOST_FIRINGS) {
            standing.extend(self.owner.standing(firings).await?);
        }
        Ok(standing)
    }

    /// Asks for the tasks of those who get a summary, once for all of their channels.
    async fn agendas(
        &self,
        claimed: &[Claimed],
        users: &HashMap<UserId, Recipient>,
    ) -> HashMap<(UserId, NaiveDate), Result<Agenda, String>> {
        let digests = claimed.iter().filter(|claimed| claimed.delivery.kind == DeliveryKind::Digest);
        let wanted: HashSet<(UserId, NaiveDate)> = digests
            .filter_map(|claimed| Some((claimed.delivery.user_id.clone(), day_of(&claimed.delivery)?)))
            .collect();
        let asks = wanted.into_iter().map(|(user, day)| async move {
            let zone = users.get(&user).map(|to| to.preferences.time_zone).unwrap_or_default();
            let asked = timeout(AGENDA_TIME, self.agendas.agenda(&user, day, zone)).await;
            let agenda = match asked {
                Ok(agenda) => agenda.map_err(|away| told("tasks", &away)),
                Err(late) => Err(told("tasks", &late)),
            };
            ((user, day), agenda)
        });
        let asks: Vec<_> = asks.collect();
        stream::iter(asks).buffer_unordered(AGENDAS_IN_FLIGHT).collect().await
    }

    /// Makes the message of a row, or says how it stands with it instead.
    fn decide(&self, claimed: &Claimed, facts: &Facts) -> Result<(Recipient, Message), Settled> {
        let (delivery, judge) = (&claimed.delivery, self.judge());
        let ended = |state, reason: &str| judge.ended(delivery, state, Some(reason.to_owned()));
        if claimed.was_sending {
            let once = delivery.kind == DeliveryKind::Test || self.config.unknown == Unknown::GiveUp;
            if once {
                return Err(ended(DeliveryState::Unknown, INTERRUPTED));
            }
        }
        let users = facts.users.as_ref().map_err(|why| judge.held(delivery, why))?;
        let mut standing = Standing::Stands;
        if let Some(firing) = delivery.reminder_id {
            let known = facts.standing.as_ref().map_err(|why| judge.held(delivery, why))?;
            // What may have gone out before is not said to be cancelled.
            standing = known.get(&firing).copied().ok_or_else(|| match claimed.was_sending {
                true => ended(DeliveryState::Unknown, INTERRUPTED),
                false => ended(DeliveryState::Cancelled, CALLED_OFF),
            })?;
        }
        let unreadable = || judge.held(delivery, "the preferences can not be read");
        let to = users.get(&delivery.user_id).cloned().ok_or_else(unreadable)?;
        let preferences = &to.preferences;
        let Some(channel) = self.channels.get(&delivery.channel) else {
            return Err(ended(DeliveryState::Failed, "the server does not offer the channel"));
        };
        if delivery.kind != DeliveryKind::Test {
            if preferences.unsubscribed.contains(&delivery.channel) {
                return Err(ended(DeliveryState::Cancelled, UNSUBSCRIBED));
            }
            let quiet =
                preferences.quiet_hours.and_then(|hours| hours.until(facts.now, preferences.time_zone));
            if let Some(end) = quiet {
                return Err(judge.postponed(delivery, end));
            }
        }
        if !channel.has_address(&to) {
            return Err(ended(DeliveryState::Failed, "the user has said no address for the channel"));
        }
        // What may have gone out before is not kept waiting: it would be pending then, and nobody would know that of it.
        if !claimed.was_sending {
            judge.behind(delivery, preferences, standing)?;
        }
        let message = self.message(delivery, &to, facts, &judge)?;
        Ok((to, message))
    }

    fn message(
        &self,
        delivery: &Delivery,
        to: &Recipient,
        facts: &Facts,
        judge: &Judge<'_>,
    ) -> Result<Message, Settled> {
        let letter = self.letter(delivery, to, facts.now);
        let ended = |state, reason: String| judge.ended(delivery, state, Some(reason));
        let broken = || ended(DeliveryState::Failed, "the row of the ledger can not be read".to_owned());
        let made = match delivery.kind {
            DeliveryKind::Test => self.renderer.test(&letter),
            DeliveryKind::Reminder => {
                let content = delivery.content.to_string();
                let notice = reminder_event::decode(content.as_bytes()).map_err(|_| broken())?;
                let about = About {
                    task: notice.task_id,
                    title: notice.title,
                    priority: notice.priority,
                    due: notice.due,
                    zone: notice.time_zone,
                };
                let firing = Firing { id: notice.reminder_id, number: notice.number.get() };
                self.renderer.reminder(&letter, &about, firing)
            }
            DeliveryKind::Digest => {
                let day = day_of(delivery).ok_or_else(broken)?;
                let agenda = facts.agendas.get(&(delivery.user_id.clone(), day)).ok_or_else(broken)?;
                let agenda = agenda.as_ref().map_err(|why| judge.held(delivery, why))?;
                if agenda.overdue.total + agenda.today.total == 0 {
                    return Err(ended(DeliveryState::Cancelled, "nothing is due".to_owned()));
                }
                self.renderer.digest(&letter, day, &agenda.overdue, &agenda.today)
            }
        };
        made.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, delivery.id = %delivery.id, "a message can not be made");
            ended(DeliveryState::Failed, "the message could not be made".to_owned())
        })
    }

    /// Makes the message of a test.
    pub(crate) fn test(&self, delivery: &Delivery, to: &Recipient) -> Result<Message, crate::render::Error> {
        self.renderer.test(&self.letter(delivery, to, self.clock.now()))
    }

    fn letter<'a>(&self, delivery: &'a Delivery, to: &'a Recipient, now: Instant) -> Letter<'a> {
        let is_private = self.channels.get(&delivery.channel).is_none_or(|channel| channel.is_private());
        Letter {
            delivery: delivery.id,
            user: &delivery.user_id,
            channel: delivery.channel,
            locale: to.preferences.locale,
            zone: to.unsubscribe.is_some().then_some(to.preferences.time_zone),
            unsubscribe: to.unsubscribe.as_ref().filter(|_| is_private),
            time: delivery.remind_time,
            now,
        }
    }
}

/// Why nobody knows what became of a row.
const INTERRUPTED: &str =
    "the process that sent it was interrupted: nobody knows whether the channel took it";

/// What the owner of a row is told of an error that may pass; its causes are for the log.
fn told(what: &'static str, error: &(dyn std::error::Error + 'static)) -> String {
    tracing::warn!(error, "messages wait, because the {what} can not be asked");
    format!("the {what} could not be asked: {error}")
}

/// Those that can be written without asking for the user's tasks, and those that can not.
pub(crate) fn by_need(claimed: Vec<Claimed>) -> [Vec<Claimed>; 2] {
    let (digests, others) =
        claimed.into_iter().partition(|claimed| claimed.delivery.kind == DeliveryKind::Digest);
    [others, digests]
}

/// Rows by the lane that sends them.
pub(crate) fn by_channel(claimed: Vec<Claimed>) -> BTreeMap<docket_domain::Channel, Vec<Claimed>> {
    let mut lanes: BTreeMap<_, Vec<Claimed>> = BTreeMap::new();
    for one in claimed {
        lanes.entry(one.delivery.channel).or_default().push(one);
    }
    lanes
}
