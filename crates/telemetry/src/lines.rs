//! Log lines: for a terminal, or JSON for machines. Each has the id of the trace that it belongs to, if there is one.

use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, FilterFn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::{EnvFilter, Registry};

use crate::levels::Levels;
use crate::trace_id::{Remember, TraceId};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people at a terminal.
    #[default]
    Text,
    /// One JSON object a line, for machines: `timestamp`, `level`, `target`, `message`, the fields, `trace_id`, `spans`.
    Json,
}

pub(crate) type BoxLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The lines that a filter lets pass, and what changes the filter.
pub(crate) fn layer<W>(format: Format, filter: EnvFilter, colours: bool, writer: W) -> (BoxLayer, Levels)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, levels) = Levels::new(filter);
    // Whatever is written says where it belongs, even where only errors are.
    let filter =
        filter.or(FilterFn::new(is_own_span as fn(&Metadata<'_>) -> bool).with_max_level_hint(Level::INFO));
    let lines: BoxLayer = match format {
        // The id is among the fields of a span, and they are written before the message.
        Format::Text => {
            let text = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
            text.with_filter(filter).boxed()
        }
        Format::Json => {
            let mut json = json_subscriber::fmt::layer()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true)
                .with_writer(writer);
            json.inner_layer_mut().add_from_span("trace_id", |span| {
                span.scope().find_map(|span| span.extensions().get::<TraceId>().map(|id| id.0.clone()))
            });
            Remember.and_then(json).with_filter(filter).boxed()
        }
    };
    (lines, levels)
}

fn is_own_span(of: &Metadata<'_>) -> bool {
    of.is_span() && *of.level() <= Level::INFO && of.target().starts_with("docket")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of some lines.
    fn written(format: Format, run: impl FnOnce(&Levels)) -> String {
        let written = Written::default();
        let writer = written.clone();
        let (layer, levels) = layer(format, EnvFilter::new("info"), false, move || writer.clone());
        tracing::subscriber::with_default(Registry::default().with(layer), || run(&levels));
        written.text()
    }

    fn lines(_: &Levels) {
        tracing::info!("alone");
        let outer = tracing::info_span!("rpc", trace_id = tracing::field::Empty, method = "Get");
        outer.record("trace_id", "4bf9");
        let inner = outer.in_scope(|| tracing::info_span!("inside"));
        inner.in_scope(|| tracing::info!(task.id = 7, "two deep"));
    }

    #[test]
    fn a_line_for_machines_has_its_trace_and_its_spans() {
        let text = written(Format::Json, lines);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [alone, deep] = &lines[..] else { panic!("{text}") };
        assert_eq!(alone.get("trace_id"), None);
        assert_eq!((&deep["trace_id"], &deep["task.id"]), (&"4bf9".into(), &7.into()));
        assert_eq!((&deep["level"], &deep["message"]), (&"INFO".into(), &"two deep".into()));
        assert_eq!(deep["spans"][0]["method"], "Get");
        assert!(deep["timestamp"].is_string() && deep["target"].is_string());
    }

    #[test]
    fn a_line_for_people_has_it_too() {
        let text = written(Format::Text, lines);
        let deep = text.lines().last().unwrap();
        assert!(deep.contains("4bf9") && deep.contains("two deep"), "{text}");
    }

    #[test]
    fn an_error_says_where_it_belongs_even_where_nothing_else_is_written() {
        for format in [Format::Text, Format::Json] {
            let text = written(format, |levels| {
                levels.set("error").unwrap();
                let call = tracing::info_span!("rpc", trace_id = tracing::field::Empty);
                crate::continue_trace(&call, &crate::TraceContext::default());
                call.in_scope(|| tracing::info!("no line"));
                call.in_scope(|| tracing::error!("one line"));
                let part = tracing::info_span!(target: crate::BACKGROUND, "background", task = "relay");
                part.in_scope(|| tracing::error!("another line"));
            });
            let lines: Vec<&str> = text.lines().collect();
            let [one, other] = lines[..] else { panic!("{text}") };
            assert!(one.contains("trace_id") && one.contains("one line"), "{text}");
            assert!(other.contains("task") && other.contains("relay"), "{text}");
        }
    }

    #[test]
    fn what_is_logged_changes_at_once_and_nonsense_changes_nothing() {
        let text = written(Format::Text, |levels| {
            tracing::debug!("one");
            levels.set("debug").unwrap();
            tracing::debug!("two");
            assert!(levels.set("a=b=c").unwrap_err().to_string().starts_with("not directives"));
            assert_eq!(levels.get(), "debug");
            tracing::debug!("three");
            levels.set("warn,docket_telemetry=error").unwrap();
            tracing::warn!("four");
        });
        let said = ["one", "two", "three", "four"].map(|word| text.contains(word));
        assert_eq!(said, [false, true, true, false], "{text}");
    }
}
