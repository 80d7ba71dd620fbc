//! `TaskService`: reads the request, asks the store, answers.

use std::sync::Arc;

use docket_domain::{Instant, RequestId, Series, SeriesId, Task, TaskId, TimeDelta, UserId, recurrence};
use docket_proto::v1;
use docket_proto::v1::check_tasks_response::OpenTask;
use docket_proto::v1::preview_occurrences_response::Occurrence;
use docket_proto::v1::task_service_server::TaskService;
use docket_rpc::page::Question;
use docket_rpc::{OrStatus as _, caller, to_status};
use docket_store::idempotency::digest;
use docket_store::outbox::Trace;
use docket_store::tasks::{Cursor, Listing};
use docket_wire::answer::{next_to_proto, occurrence_to_proto, task_to_proto};
use docket_wire::request::{self, PreviewSource, Transition};
use docket_wire::timestamp;
use prost::Message as _;
use tonic::{Request, Response, Status};
use tracing::Span;

use crate::mutation::{Asked, Decision, Effect, Link, Writer};
use crate::occurrence::{self, Predecessor};
use crate::quota::Quota;
use crate::{Config, Deps, Error};

/// Where a page ends early, in bytes: gRPC clients take answers of 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

type Answer<T> = Result<Response<T>, Status>;

/// What happens to a task as a whole.
#[derive(Clone, Copy)]
enum Step {
    Delete,
    Complete,
    Reopen,
}

/// The target's service.
#[derive(Clone)]
pub struct Service {
    writer: Writer,
    quota: Arc<Quota>,
    /// How long a completed task may wait for its successor before that counts as a gap.
    gap_age: TimeDelta,
}

impl Service {
    pub(crate) fn new(config: Config, deps: Deps) -> Self {
        let quota = Arc::new(Quota::new(config.max_per_user));
        let gap_age = TimeDelta::seconds(config.gap_seconds.into());
        Self { writer: Writer::new(config.topic, deps), quota, gap_age }
    }

    async fn get(&self, owner: &UserId, id: TaskId) -> Result<Task, Error> {
        self.writer.store().task_get(owner, id).await?.ok_or(Error::NotFound { id })
    }

    fn new_series(&self) -> SeriesId {
        SeriesId::from_uuid(self.writer.uuid())
    }

    async fn create(&self, asked: Asked, create: request::Create) -> Result<v1::Task, Error> {
        let chosen = create.task_id;
        let id = chosen.unwrap_or_else(|| TaskId::from_uuid(self.writer.uuid()));
        let content = create.content.with_default_reminder();
        let change = Task::create(id, asked.user.clone(), content, self.new_series(), self.writer.now());
        let answer = task_to_proto(&change.after);
        let asked = Asked { validate_only: create.validate_only, ..asked };
        let admitted = self.quota.admits(self.writer.store(), &asked.user, self.writer.now()).await?;
        // An id that the client chose may be taken, and only a transaction of its own can say so.
        let plain = chosen.is_none() && !asked.validate_only && admitted.is_some();
        if plain && self.writer.create(&asked, &change, &answer).await? {
            return Ok(answer);
        }
        let asked = Asked { foreseen: Some(answer), ..asked };
        let (change, owner, refused) = (&change, &asked.user, admitted.is_none());
        self.writer
            .mutate(&asked, &move |_, _| -> Decision<'_> {
                Box::pin(async move {
                    // Not before here: a call that is repeated is told what became of the first, quota or not.
                    if refused {
                        return Err(self.quota.refusal(owner));
                    }
                    let claim = Link::claim(&change.after, None);
                    Ok(Effect { links: claim.into_iter().collect(), ..Effect::of(change.clone()) })
                })
            })
            .await
    }

    async fn create_occurrence(
        &self,
        asked: Asked,
        create: request::Create,
        of: Predecessor,
    ) -> Result<v1::Task, Error> {
        let id = create.task_id.unwrap_or_else(|| TaskId::from_uuid(self.writer.uuid()));
        let asked = Asked { validate_only: create.validate_only, ..asked };
        let (owner, content) = (&asked.user, &create.content);
        self.writer
            .mutate(&asked, &move |tx, now| -> Decision<'_> {
                Box::pin(occurrence::appear(tx, owner, of, id, content.clone(), now))
            })
            .await
    }

    async fn update(&self, asked: Asked, update: request::Update) -> Result<v1::Task, Error> {
        let series = self.new_series();
        let asked = Asked { validate_only: update.validate_only, ..asked };
        let (owner, update) = (&asked.user, &update);
        self.writer
            .mutate(&asked, &move |tx, now| -> Decision<'_> {
                Box::pin(async move {
                    let id = update.task_id;
                    let task = tx.task_lock(owner, id).await?.ok_or(Error::NotFound { id })?;
                    changed(task, update, series, now)
                })
            })
            .await
    }

    async fn transition(&self, asked: Asked, transition: Transition, step: Step) -> Result<v1::Task, Error> {
        let (owner, transition) = (&asked.user, &transition);
        self.writer
            .mutate(&asked, &move |tx, now| -> Decision<'_> {
                Box::pin(async move {
                    let id = transition.task_id;
                    let task = tx.task_lock(owner, id).await?.ok_or(Error::NotFound { id })?;
                    check_etag(&task, transition.etag.as_deref())?;
                    let change = match step {
                        Step::Delete => task.delete(now),
                        Step::Complete => task.complete(now),
                        // Looks at the next occurrence, too.
                        Step::Reopen => return occurrence::reopen(tx, task, now).await,
                    };
                    Ok(Effect::of(change.map_err(|refused| Error::refused(&task, refused))?))
                })
            })
            .await
    }

    async fn preview(&self, owner: &UserId, preview: request::Preview) -> Result<Vec<Occurrence>, Error> {
        let (content, series, first) = match preview.source {
            PreviewSource::Task(id) => {
                let task = self.get(owner, id).await?;
                (task.content, task.series, None)
            }
            PreviewSource::Content(content) => {
                let due = content.due.filter(|_| content.recurrence.is_some());
                let series = due.map(|due| Series::first(self.new_series(), due, content.time_zone));
                let first = due.zip(series).map(|(due, series)| recurrence::Next { due, series });
                (*content, series, first)
            }
        };
        let mut occurrences: Vec<recurrence::Next> = first.into_iter().collect();
        if let (Some(rule), Some(due), Some(series)) = (&content.recurrence, content.due, &series) {
            let rest = preview.limit.saturating_sub(occurrences.len());
            occurrences.extend(recurrence::preview(rule, series, due, content.time_zone, rest));
        }
        occurrences.truncate(preview.limit);
        Ok(occurrences.iter().map(|next| occurrence_to_proto(next, content.time_zone)).collect())
    }
}

#[tonic::async_trait]
impl TaskService for Service {
    async fn create_task(&self, request: Request<v1::CreateTaskRequest>) -> Answer<v1::Task> {
        let create = request::create(request.get_ref()).map_err(Error::from).or_status()?;
        if let Some((id, version)) = create.occurrence_of {
            caller::service(&request)?;
            let asked = asked(&request, "CreateTask", create.request_id)?;
            return answer(self.create_occurrence(asked, create, Predecessor { id, version }).await);
        }
        answer(self.create(asked(&request, "CreateTask", create.request_id)?, create).await)
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Answer<v1::Task> {
        let owner = caller::user(&request)?;
        let id = request::get(request.get_ref()).map_err(Error::from).or_status()?;
        answer(self.get(owner, id).await.map(|task| task_to_proto(&task)))
    }

    async fn list_tasks(&self, request: Request<v1::ListTasksRequest>) -> Answer<v1::ListTasksResponse> {
        let owner = caller::user(&request)?;
        let list = request::list(request.get_ref(), self.writer.now()).map_err(Error::from).or_status()?;
        let arguments =
            v1::ListTasksRequest { page_size: 0, page_token: String::new(), ..request.get_ref().clone() };
        let question = Question::new("ListTasks", owner, &arguments);
        let listing = Listing {
            filter: &list.filter,
            order: list.order,
            show_deleted: list.show_deleted,
            after: question.cursor(&list.page_token).or_status()?,
            limit: list.page_size,
        };
        let listed = self.writer.store().task_list(owner, &listing).await;
        let (tasks, more) = listed.map_err(Error::from).or_status()?;
        let (kept, more) = within_bytes(&tasks, more, PAGE_BYTES);
        let last = tasks.get(..kept.len()).and_then(<[Task]>::last).filter(|_| more);
        let next = last.map(|last| question.token(&Cursor::of(last, list.order.field)));
        let next_page_token = next.transpose().or_status()?.unwrap_or_default();
        Ok(Response::new(v1::ListTasksResponse { tasks: kept, next_page_token }))
    }

    async fn update_task(&self, request: Request<v1::UpdateTaskRequest>) -> Answer<v1::Task> {
        let update = request::update(request.get_ref()).map_err(Error::from).or_status()?;
        answer(self.update(asked(&request, "UpdateTask", update.request_id)?, update).await)
    }

    async fn delete_task(&self, request: Request<v1::DeleteTaskRequest>) -> Answer<v1::Task> {
        let transition = request::delete(request.get_ref()).map_err(Error::from).or_status()?;
        let asked = asked(&request, "DeleteTask", transition.request_id)?;
        let owner = asked.user.clone();
        let deleted = self.transition(asked, transition, Step::Delete).await;
        self.quota.recount(&owner).await;
        answer(deleted)
    }

    async fn complete_task(&self, request: Request<v1::CompleteTaskRequest>) -> Answer<v1::Task> {
        let transition = request::complete(request.get_ref()).map_err(Error::from).or_status()?;
        let asked = asked(&request, "CompleteTask", transition.request_id)?;
        answer(self.transition(asked, transition, Step::Complete).await)
    }

    async fn reopen_task(&self, request: Request<v1::ReopenTaskRequest>) -> Answer<v1::Task> {
        let transition = request::reopen(request.get_ref()).map_err(Error::from).or_status()?;
        let asked = asked(&request, "ReopenTask", transition.request_id)?;
        answer(self.transition(asked, transition, Step::Reopen).await)
    }

    async fn preview_occurrences(
        &self,
        request: Request<v1::PreviewOccurrencesRequest>,
    ) -> Answer<v1::PreviewOccurrencesResponse> {
        let owner = caller::user(&request)?;
        let preview = request::preview(request.get_ref()).map_err(Error::from).or_status()?;
        let occurrences = self.preview(owner, preview).await.or_status()?;
        Ok(Response::new(v1::PreviewOccurrencesResponse { occurrences }))
    }

    async fn list_series_gaps(
        &self,
        request: Request<v1::ListSeriesGapsRequest>,
    ) -> Answer<v1::ListSeriesGapsResponse> {
        let service = caller::service(&request)?;
        let gaps = request::gaps(request.get_ref()).map_err(Error::from).or_status()?;
        let question =
            Question::new("ListSeriesGaps", &service.subject, &v1::ListSeriesGapsRequest::default());
        let after: Option<Cursor> = question.cursor(&gaps.page_token).or_status()?;
        let before = self.writer.now() - self.gap_age;
        let listed = self.writer.store().series_gap_list(before, after.as_ref(), gaps.page_size).await;
        let (tasks, more) = listed.map_err(Error::from).or_status()?;
        // What follows a task is no longer than the task.
        let (kept, more) = within_bytes(&tasks, more, PAGE_BYTES / 2);
        let there = tasks.get(..kept.len()).unwrap_or_default();
        let next = there.last().filter(|_| more).map(|last| question.token(&Cursor::of_gap(last)));
        let next_page_token = next.transpose().or_status()?.unwrap_or_default();
        let repair = |(task, kept)| Some((kept, next_to_proto(task)?));
        let (tasks, repairs) = there.iter().zip(kept).filter_map(repair).unzip();
        Ok(Response::new(v1::ListSeriesGapsResponse { tasks, next_page_token, repairs }))
    }

    async fn check_tasks(&self, request: Request<v1::CheckTasksRequest>) -> Answer<v1::CheckTasksResponse> {
        caller::service(&request)?;
        let asked = request::check(request.get_ref()).map_err(Error::from).or_status()?;
        let open = self.writer.store().tasks_open(&asked).await.map_err(Error::from).or_status()?;
        let open_task = |open: docket_store::OpenTask| OpenTask {
            task_id: open.id.to_string(),
            version: open.version,
            update_time: Some(timestamp(open.update_time)),
        };
        let open_tasks = open.into_iter().map(open_task).collect();
        Ok(Response::new(v1::CheckTasksResponse { open_tasks }))
    }
}

/// The answer; the span of the call says which task it is about.
fn answer(outcome: Result<v1::Task, Error>) -> Answer<v1::Task> {
    if let Ok(task) = &outcome {
        Span::current().record("docket.task.id", task.task_id.as_str());
    }
    outcome.map(Response::new).map_err(|error| to_status(&error))
}

fn asked<T: prost::Message>(
    request: &Request<T>,
    method: &'static str,
    request_id: Option<RequestId>,
) -> Result<Asked, Status> {
    let trace = caller::trace_context(request);
    let trace = trace.traceparent.map(|parent| Trace { parent, state: trace.tracestate });
    Ok(Asked {
        user: caller::user(request)?.clone(),
        trace,
        method,
        repeatable: request_id.map(|id| (id, digest(request.get_ref()))),
        foreseen: None,
        validate_only: false,
    })
}

fn check_etag(task: &Task, etag: Option<&str>) -> Result<(), Error> {
    let current = docket_wire::answer::etag(task);
    match etag {
        Some(given) if given != current => Err(Error::EtagMismatch { id: task.id, etag: current }),
        _ => Ok(()),
    }
}

/// The task with the update applied.
fn changed(task: Task, update: &request::Update, series: SeriesId, now: Instant) -> Result<Effect, Error> {
    check_etag(&task, update.etag.as_deref())?;
    let content = update.patch.apply(&task.content)?;
    let change = task.update(content, series, now).map_err(|refused| Error::refused(&task, refused))?;
    let Some(change) = change else { return Ok(Effect::none(task)) };
    let claim = if task.series.is_none() { Link::claim(&change.after, None) } else { None };
    Ok(Effect { links: claim.into_iter().collect(), ..Effect::of(change) })
}

/// As many of the tasks as `most` bytes can hold, at least one, and whether there are more.
fn within_bytes(tasks: &[Task], more: bool, most: usize) -> (Vec<v1::Task>, bool) {
    let mut kept = Vec::with_capacity(tasks.len());
    let mut bytes = 0;
    for task in tasks {
        let task = task_to_proto(task);
        bytes += task.encoded_len();
        if bytes > most && !kept.is_empty() {
            return (kept, true);
        }
        kept.push(task);
    }
    (kept, more)
}
