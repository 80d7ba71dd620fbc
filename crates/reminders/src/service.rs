//! `ReminderService`: answers the caller's reminders, puts them off, and says which firings stand.

use std::collections::HashMap;
use std::sync::Arc;

use docket_domain::reminder::{NotAllowed, due_moment};
use docket_domain::source::Clock;
use docket_domain::{ClockTime, Due, Instant, ReminderNumber, RequestId, TaskId, TaskReminder, UserId};
use docket_proto::v1::reminder_service_server::ReminderService;
use docket_proto::v1::{self, check_reminders_response};
use docket_rpc::page::Question;
use docket_rpc::{OrStatus as _, caller};
use docket_store::idempotency::{Call, digest};
use docket_store::reminders::{Cursor, Listing, Standing, TaskSnapshot};
use docket_store::{Store, Tx};
use docket_wire::{InvalidFields, answer, request};
use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::Error;

/// Where a page ends early, in bytes: gRPC clients take answers of 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

type Answer<T> = Result<Response<T>, Status>;

/// The target's service.
#[derive(Clone)]
pub struct Service {
    store: Store,
    clock: Arc<dyn Clock>,
}

/// What a reminder becomes.
type Turn<'a> = &'a (dyn Fn(TaskReminder, &TaskSnapshot) -> Result<TaskReminder, NotAllowed> + Send + Sync);

/// Which reminder is to be turned, and what makes that repeatable.
struct Asked<'a> {
    owner: &'a UserId,
    task: TaskId,
    number: ReminderNumber,
    call: Option<Call<'a>>,
    /// Why it can not be, unless it was before.
    late: Option<InvalidFields>,
}

impl Service {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Turns one reminder, in one transaction.
    async fn turn(&self, asked: Asked<'_>, now: Instant, turn: Turn<'_>) -> Result<v1::TaskReminder, Error> {
        let asked = &asked;
        let turned: Result<(v1::TaskReminder, bool), Error> = self
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    let mut changed = false;
                    let first = async {
                        let (answer, is_new) = turn_in(tx, asked, turn).await?;
                        changed = is_new;
                        Ok::<_, Error>(answer)
                    };
                    let answer = tx.call_once(asked.call.as_ref(), now, first).await?;
                    Ok((answer, changed))
                })
            })
            .await;
        let (answer, changed) = turned?;
        if changed {
            self.store.reminders_changed();
        }
        Ok(answer)
    }

    /// From when the reminders of the user's all-day tasks are counted; asked for only where that matters.
    async fn day_time(&self, owner: &UserId, matters: bool) -> Result<ClockTime, Error> {
        let said = if matters { self.store.reminder_day_time(owner).await? } else { None };
        Ok(said.unwrap_or(ClockTime::NINE))
    }

    async fn page(
        &self,
        owner: &UserId,
        listing: &Listing,
        question: &Question,
    ) -> Result<v1::ListRemindersResponse, Status> {
        let listed = self.store.reminders_list(owner, listing).await.map_err(Error::from);
        let (found, mut more) = listed.or_status()?;
        let all_day = found.iter().any(|(_, task)| is_all_day(task));
        let day_time = self.day_time(owner, all_day).await.or_status()?;
        let mut reminders = Vec::with_capacity(found.len());
        let mut bytes = 0;
        for (row, task) in &found {
            let reminder = proto(row, task, day_time);
            bytes += reminder.encoded_len();
            if bytes > PAGE_BYTES && !reminders.is_empty() {
                more = true;
                break;
            }
            reminders.push(reminder);
        }
        let last = found.get(..reminders.len()).and_then(<[_]>::last).filter(|_| more);
        let cursor = last.map(|(row, _)| Cursor::of(row)).transpose().map_err(Error::from).or_status()?;
        let next = cursor.map(|cursor| question.token(&cursor)).transpose().or_status()?;
        Ok(v1::ListRemindersResponse { reminders, next_page_token: next.unwrap_or_default() })
    }
}

#[tonic::async_trait]
impl ReminderService for Service {
    async fn list_reminders(
        &self,
        request: Request<v1::ListRemindersRequest>,
    ) -> Answer<v1::ListRemindersResponse> {
        let owner = caller::user(&request)?;
        let asked = request::reminder::list(request.get_ref()).map_err(Error::from).or_status()?;
        let arguments =
            v1::ListRemindersRequest { page_size: 0, page_token: String::new(), ..request.get_ref().clone() };
        let question = Question::new("ListReminders", owner, &arguments);
        let listing = Listing {
            task_id: asked.task_id,
            states: asked.states,
            start_time: asked.start,
            end_time: asked.end,
            after: question.cursor(&asked.page_token).or_status()?,
            limit: asked.page_size,
        };
        self.page(owner, &listing, &question).await.map(Response::new)
    }

    async fn snooze_reminder(&self, request: Request<v1::SnoozeReminderRequest>) -> Answer<v1::TaskReminder> {
        let owner = caller::user(&request)?;
        let now = self.clock.now();
        let asked = request::reminder::snooze(request.get_ref(), now).map_err(Error::from).or_status()?;
        let snooze = |row: TaskReminder, task: &TaskSnapshot| match task.open {
            true => row.snooze(asked.until, now),
            // One that was given stays SENT when its task is completed, and is not to be given once more.
            false => Err(NotAllowed { state: row.state }),
        };
        let call = call(owner, "SnoozeReminder", asked.request_id, request.get_ref());
        let (task, number, late) = (asked.task_id, asked.number, asked.late);
        let snoozed = self.turn(Asked { owner, task, number, call, late }, now, &snooze).await;
        snoozed.map(Response::new).or_status()
    }

    async fn dismiss_reminder(
        &self,
        request: Request<v1::DismissReminderRequest>,
    ) -> Answer<v1::TaskReminder> {
        let owner = caller::user(&request)?;
        let now: Instant = self.clock.now();
        let asked = request::reminder::dismiss(request.get_ref()).map_err(Error::from).or_status()?;
        let dismiss = |row: TaskReminder, _: &TaskSnapshot| row.dismiss(now);
        let call = call(owner, "DismissReminder", asked.request_id, request.get_ref());
        let (task, number) = (asked.task_id, asked.number);
        let dismissed = self.turn(Asked { owner, task, number, call, late: None }, now, &dismiss).await;
        dismissed.map(Response::new).or_status()
    }

    async fn check_reminders(
        &self,
        request: Request<v1::CheckRemindersRequest>,
    ) -> Answer<v1::CheckRemindersResponse> {
        caller::service(&request)?;
        let asked = request::reminder::check(request.get_ref()).map_err(Error::from).or_status()?;
        let standing = self.store.reminders_standing(&asked).await.map_err(Error::from).or_status()?;
        let standing_reminder_ids = standing.iter().map(|one| one.firing.to_string()).collect();
        let standing = standing.into_iter().map(stands).collect();
        Ok(Response::new(v1::CheckRemindersResponse { standing_reminder_ids, standing }))
    }
}

fn stands(one: Standing) -> check_reminders_response::Standing {
    check_reminders_response::Standing {
        reminder_id: one.firing.to_string(),
        task_id: one.task_id.to_string(),
        task_version: one.task_version,
    }
}

fn call<'a>(
    user: &'a UserId,
    method: &'static str,
    request_id: Option<RequestId>,
    request: &impl prost::Message,
) -> Option<Call<'a>> {
    request_id.map(|request_id| Call { user, request_id, method, body_hash: digest(request) })
}

fn is_all_day(task: &TaskSnapshot) -> bool {
    matches!(task.due, Some(Due::On(_)))
}

fn proto(row: &TaskReminder, task: &TaskSnapshot, day_time: ClockTime) -> v1::TaskReminder {
    let due_time = task.due.map(|due| due_moment(due, task.time_zone, day_time));
    answer::task_reminder(row, task.title.as_str(), due_time)
}

/// The reminder as it is answered then, and whether it has changed.
async fn turn_in(tx: &Tx<'_>, asked: &Asked<'_>, turn: Turn<'_>) -> Result<(v1::TaskReminder, bool), Error> {
    if let Some(late) = &asked.late {
        return Err(Error::Invalid(late.clone()));
    }
    let Asked { owner, task, number, .. } = *asked;
    let found = tx.reminder_lock(owner, task, number).await?;
    let (before, snapshot) = found.ok_or(Error::NotFound { task, number })?;
    let refused = |NotAllowed { state }| Error::State { task, number, state, over: !snapshot.open };
    let after = turn(before.clone(), &snapshot).map_err(refused)?;
    let changed = after != before;
    if changed {
        tx.reminders_put(&HashMap::new(), &[], std::slice::from_ref(&after)).await?;
    }
    // Asked for only where that matters.
    let said = if is_all_day(&snapshot) { tx.reminder_day_time(owner).await? } else { None };
    Ok((proto(&after, &snapshot, said.unwrap_or(ClockTime::NINE)), changed))
}
