//! What the tests run on, and what is always expected of a trace.

use std::path::Path;

use docket_testkit::collector::{Span, Trace};
use docket_testkit::{Collector, Fleet, Kafka, Mail, Postgres, Stack, StackBuilder, User, components};
use uuid::Uuid;

use crate::DOCKET;
use crate::client::Client;

/// Docket in one process or in many, and the collector of its spans.
pub(crate) struct Site {
    pub(crate) collector: Collector,
    pub(crate) docket: Docket,
    pub(crate) mail: &'static Mail,
    /// The collector of the spans that sidecars make, if they do.
    pub(crate) of_sidecars: Option<Collector>,
}

/// How it is deployed.
pub(crate) enum Docket {
    /// One process on a file, with the sidecar's own broker.
    One(Box<Stack>),
    /// A deployment for each target, on PostgreSQL and Kafka.
    Many(Box<Fleet>, &'static Kafka),
}

/// Somebody with a mailbox.
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) email: String,
}

impl Site {
    /// One process. Its sidecar makes no spans.
    pub(crate) async fn one() -> Self {
        let (collector, mail) = tokio::join!(Collector::start(), Mail::shared());
        let stack = Stack::builder(Path::new(DOCKET)).mail(mail).observe(&collector).start().await;
        Self { collector, docket: Docket::One(Box::new(stack)), mail, of_sidecars: None }
    }

    /// One process, whose sidecar makes spans of all that goes through it, for another collector.
    pub(crate) async fn one_with_a_sidecar_that_makes_spans() -> Self {
        let (collector, other, mail) = tokio::join!(Collector::start(), Collector::start(), Mail::shared());
        let stack = Stack::builder(Path::new(DOCKET)).mail(mail).observe(&collector);
        let stack = with_sidecar_spans(stack, &other).start().await;
        Self { collector, docket: Docket::One(Box::new(stack)), mail, of_sidecars: Some(other) }
    }

    /// A process for each target, on PostgreSQL and Kafka.
    pub(crate) async fn many() -> Self {
        let (collector, mail, kafka, postgres) =
            tokio::join!(Collector::start(), Mail::shared(), Kafka::shared(), Postgres::shared());
        let database = postgres.database().await;
        let fleet = Fleet::builder(Path::new(DOCKET), &database, kafka).reminders().mail(mail);
        let fleet = fleet.observe(&collector).start().await;
        Self { collector, docket: Docket::Many(Box::new(fleet), kafka), mail, of_sidecars: None }
    }

    /// The `service.name` of the process that plays a part.
    pub(crate) fn service(&self, part: &str) -> String {
        match &self.docket {
            Docket::One(_) => "docket".to_owned(),
            Docket::Many(..) => format!("docket-{part}"),
        }
    }

    pub(crate) fn user(&self, name: &str) -> User {
        match &self.docket {
            Docket::One(stack) => stack.user(name),
            Docket::Many(fleet, _) => fleet.user(name).remove(0),
        }
    }

    /// Somebody whose mail comes to the mail server.
    pub(crate) async fn person(&self, name: &str) -> Person {
        let user = self.user(name);
        let email = format!("{name}-{}@docket.test", Uuid::new_v4().simple());
        let preferences = docket_proto::v1::Preferences { email: email.clone(), ..Default::default() };
        user.prefer(preferences, &["email"]).await;
        Person { user, email }
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn settled(&self) {
        match &self.docket {
            Docket::One(stack) => stack.settled().await,
            Docket::Many(fleet, kafka) => fleet.settled(kafka).await,
        }
    }

    /// The tree below a span, in Docket's own words for topics and processes.
    fn tree(&self, trace: &Trace, below: Option<&str>) -> String {
        let tree = trace.tree(below, |span| !is_database(span));
        match &self.docket {
            Docket::One(_) => tree,
            Docket::Many(fleet, _) => {
                tree.replace(&fleet.reminders_topic(), "reminders").replace(fleet.topic(), "task-events")
            }
        }
    }

    /// What is expected, with the names of the processes for the parts in braces.
    fn named(&self, tree: &str) -> String {
        let parts = ["tasks", "audit", "recurrence", "reminders", "notification"];
        parts
            .iter()
            .fold(tree.to_owned(), |tree, part| tree.replace(&format!("{{{part}}}"), &self.service(part)))
    }

    /// Waits until the trace of a client is this tree, but for the database; it stays so, and nothing in it is without its
    /// parent.
    pub(crate) async fn expect_trace(&self, client: &Client, tree: &str) -> Trace {
        let expect = self.named(tree);
        let is = |trace: &Trace| match self.tree(trace, Some(&client.span)) {
            tree if tree == expect => Ok(()),
            tree => Err(format!("not\n{expect}\nbut\n{tree}\nof all\n{trace}")),
        };
        self.collector.wait_for_trace(&client.trace, is).await;
        self.settled().await;
        let trace = self.collector.trace(&client.trace).await;
        is(&trace).unwrap();
        expect_whole(&trace, &[&client.span]);
        assert_eq!(trace.roots().count(), 0, "all of it is the client's:\n{trace}");
        trace
    }

    /// Waits until a trace that a span of this name begins because of the client's is this tree, but for the database.
    pub(crate) async fn expect_linked(&self, client: &Client, part: &str, root: &str, tree: &str) -> Trace {
        let service = self.service(part);
        let begun = self.collector.wait_for_linked(&service, root, &client.trace).await;
        let id = begun.spans()[0].trace_id.clone();
        assert_ne!(id, client.trace);
        let asked = self.collector.trace(&client.trace).await;
        let because: Vec<&str> =
            begun.roots().flat_map(|root| &root.links).map(|link| link.span_id.as_str()).collect();
        let known = |id: &&str| asked.spans().iter().any(|span| span.id == **id);
        assert!(because.iter().all(known), "{because:?} are not all of\n{asked}");
        let expect = self.named(tree);
        let is = |trace: &Trace| match self.tree(trace, None) {
            tree if tree == expect => Ok(()),
            tree => Err(format!("not\n{expect}\nbut\n{tree}\nof all\n{trace}")),
        };
        self.collector.wait_for_trace(&id, is).await;
        self.settled().await;
        let trace = self.collector.trace(&id).await;
        is(&trace).unwrap();
        expect_whole(&trace, &[]);
        trace
    }
}

/// Lets the sidecar make spans of every call, as its own configuration can say.
pub(crate) fn with_sidecar_spans(stack: StackBuilder, collector: &Collector) -> StackBuilder {
    let configuration = std::fs::read_to_string(components("local").join("config.yaml")).unwrap();
    let own = format!(
        "samplingRate: \"1\"\n    otel:\n      endpointAddress: {}\n      isSecure: false\n      protocol: grpc",
        collector.otlp()
    );
    let with = configuration.replace("samplingRate: \"0\"", &own);
    assert_ne!(with, configuration);
    stack.resource("config", &with)
}

/// Nothing is without its parent, and what the database did is part of what needed it.
fn expect_whole(trace: &Trace, outside: &[&str]) {
    assert_eq!(trace.orphans(outside).len(), 0, "without parents:\n{trace}");
    let failed: Vec<String> =
        trace.spans().iter().filter(|span| span.failed).map(ToString::to_string).collect();
    assert_eq!(failed, [""; 0], "{trace}");
    let with_database = |of: &Span| {
        trace.spans().iter().any(|span| is_database(span) && span.parent.as_ref() == Some(&of.id))
    };
    for span in trace.spans() {
        if span.name.starts_with("process ") || span.name.contains("CompleteTask") {
            assert!(with_database(span), "{span} has not asked the database:\n{trace}");
        }
    }
}

fn is_database(span: &Span) -> bool {
    span.attributes.contains_key("db.system.name")
}
