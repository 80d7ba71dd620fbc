//! What traces tell of reminders that are fired.
//!
//! The alarm that rings has no trace: the row keeps the one in which the task became so, perhaps long ago. Firing begins one of
//! its own, which is linked to that.

use docket_domain::{Instant, ReminderId, TaskReminder};
use docket_store::outbox::Trace;
use docket_store::reminders::TaskSnapshot;
use docket_telemetry::{TraceContext, begin_trace, context_of};
use tracing::Span;

/// How it came that a reminder is fired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// Its alarm rang.
    Job,
    /// It was due already when its alarm was to be set.
    Asked,
    /// The loop found that its moment had passed.
    Sweep,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Asked => "asked",
            Self::Sweep => "sweep",
        }
    }
}

/// A span, where there is one, and what the event that is written in it goes on with.
type Begun = (Option<Span>, Option<Trace>);

/// Begins the span of firing a row.
pub(crate) fn fire(row: &TaskReminder, task: &TaskSnapshot, id: ReminderId, way: Way, now: Instant) -> Begun {
    begin(task, || {
        tracing::info_span!(
            parent: None,
            "fire reminder",
            otel.kind = "consumer",
            docket.task.id = %row.task_id,
            docket.reminder.id = %id,
            docket.reminder.number = row.number.get(),
            docket.way = way.name(),
            docket.lateness_ms = (now - row.remind_at).num_milliseconds(),
        )
    })
}

/// Begins the span of telling once more of a firing whose end nobody has told.
pub(crate) fn tell_again(row: &TaskReminder, task: &TaskSnapshot) -> Begun {
    begin(task, || {
        tracing::info_span!(
            parent: None,
            "tell reminder again",
            otel.kind = "producer",
            docket.task.id = %row.task_id,
            docket.reminder.id = row.firing.map(|firing| tracing::field::display(firing.id)),
            docket.reminder.number = row.number.get(),
        )
    })
}

/// Begins a trace that is linked to the one which the row keeps. Where nobody records that, there is no span, and the event
/// goes on with what the row keeps.
fn begin(task: &TaskSnapshot, span: impl FnOnce() -> Span) -> Begun {
    let kept = task.trace.clone();
    let is_recorded = |trace: &&Trace| TraceContext::says_sampled(&trace.parent);
    let Some(because) = kept.as_ref().filter(is_recorded).map(Trace::context) else {
        return (None, kept);
    };
    let span = span();
    begin_trace(&span, [&because]);
    let own = context_of(&span);
    let trace = if own.is_sampled() { Trace::of(own) } else { kept };
    (Some(span), trace)
}
