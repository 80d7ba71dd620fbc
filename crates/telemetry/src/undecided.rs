//! Spans of work that may come to nothing.

use tracing::Span;

use crate::span::fail;

/// Spans of what happens together or not at all, as in a transaction: they last as long as this does. Unless somebody says
/// that it has happened, they tell that it has failed.
#[derive(Debug, Default)]
pub struct Undecided(Vec<Span>);

impl Undecided {
    /// It has happened.
    pub fn done(mut self) {
        self.0.clear();
    }
}

impl Extend<Span> for Undecided {
    /// Keeps spans until it is decided.
    fn extend<T: IntoIterator<Item = Span>>(&mut self, spans: T) {
        self.0.extend(spans);
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        for span in &self.0 {
            fail(span, "rolled_back");
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;
    use tracing::info_span;

    use super::*;
    use crate::testing::Recorder;

    #[test]
    fn what_nobody_says_has_happened_has_failed() {
        let (recorder, _guard) = Recorder::start();
        let (mut happened, mut dropped) = (Undecided::default(), Undecided::default());
        happened.extend([info_span!("a")]);
        dropped.extend([info_span!("b")]);
        assert_eq!(recorder.spans().len(), 0, "they last");
        happened.done();
        drop(dropped);
        let spans = recorder.spans();
        let told: Vec<_> = spans.iter().map(|span| (span.name.as_ref(), span.status.clone())).collect();
        assert_eq!(told, [("a", Status::Unset), ("b", Status::error("rolled_back"))]);
    }
}
