//! Events on their way to the handlers, and what a user knows to come of them.

use std::collections::BTreeSet;
use std::time::Duration;

use docket_testkit::callback::{Answer, TopicEvent};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use tokio::time::timeout;
use tonic::Status;

use crate::model::broker::{PUBSUB, Published, TOPIC};
use crate::model::call::Call;
use crate::model::host::Running;
use crate::model::model::Effect;
use crate::model::story::Story;

/// An event that has not come after so long never will.
const LATE: Duration = Duration::from_secs(60);

impl Story {
    /// The tasks that have an event which was not delivered, with its version.
    pub(crate) fn pending(&self) -> Vec<(String, i64)> {
        let next = |id: &String, events: usize| {
            let delivered = self.delivered.get(id).copied().unwrap_or_default();
            (delivered < events).then(|| (id.clone(), delivered as i64 + 1))
        };
        self.model.tasks.iter().filter_map(|(id, entry)| next(id, entry.events.len())).collect()
    }

    /// An event that was delivered before.
    pub(crate) fn delivered(&mut self) -> Option<(String, i64)> {
        let tasks: Vec<(&String, &usize)> = self.delivered.iter().collect();
        let (task, versions) = tasks.choose(&mut self.rng)?;
        Some(((*task).clone(), self.rng.random_range(1..=**versions) as i64))
    }

    /// Delivers events, each of another task, and notes what comes of it.
    pub(crate) async fn deliver(&mut self, events: Vec<(String, i64)>) {
        for (task, version) in &events {
            let known = self.delivered.get(task).is_some_and(|versions| *versions as i64 >= *version);
            match known {
                true => self.world.step("redelivery"),
                false => self.world.count("delivery"),
            }
        }
        self.bring(&events).await;
        for (task_id, version) in events {
            let call = Call::Arrive { task_id: task_id.clone(), version };
            let about = self.about(&call);
            self.note(format!("{about:?} {call:?}"));
            if let Ok(Effect::Changed { .. }) = self.model.effect(&call) {
                self.world.count("successor");
                let seen = self.series(about.first().unwrap()).await;
                let mut model = std::mem::take(&mut self.model);
                let outcome = model
                    .play(&call, None, &seen)
                    .and_then(|()| seen.iter().try_for_each(|task| model.learn(task)));
                self.model = model;
                self.expect(outcome, &about);
                self.remember(&call, &seen);
            }
            self.took(&task_id, version);
        }
    }

    /// Notes that an event was delivered.
    pub(crate) fn took(&mut self, task: &str, version: i64) {
        let delivered = self.delivered.entry(task.to_owned()).or_default();
        *delivered = (*delivered).max(usize::try_from(version).unwrap());
    }

    /// Delivers events until the handlers are done with them.
    pub(crate) async fn bring(&mut self, events: &[(String, i64)]) {
        let mut published = Vec::new();
        for (task, version) in events {
            published.push(self.event(task, *version).await);
        }
        while !published.is_empty() {
            let running = self.world.host.running().await;
            let answers = if self.rng.random_ratio(1, 8) {
                self.world.count("delivery twice at once");
                let (one, other) = tokio::join!(arrive(&running, &published), arrive(&running, &published));
                one.and(other)
            } else {
                arrive(&running, &published).await
            };
            match answers {
                Ok(answers) => {
                    let mut answers = answers.into_iter();
                    published.retain(|_| answers.next() != Some(Answer::Success));
                    if !published.is_empty() {
                        self.world.count("delivery failed");
                    }
                }
                Err(status) => {
                    self.world.count("delivery cut");
                    self.cut(
                        &running,
                        &format!("{status:?}"),
                        &events.iter().map(|event| event.0.clone()).collect(),
                    );
                }
            }
        }
    }

    /// An event, once it is published, checked.
    pub(crate) async fn event(&self, task: &str, version: i64) -> Published {
        let entry = &self.model.tasks[task];
        let about = BTreeSet::from([entry.marker().to_owned()]);
        let late = |_| self.fail(&format!("the event {version} of {task} is not published"), &about);
        let event = timeout(LATE, self.world.host.broker.event(task, version)).await.unwrap_or_else(late);
        let expect = &entry.events[usize::try_from(version).unwrap() - 1];
        let (data, payload) = (&event.json["data"], &event.json["data"]["payload"]);
        let status = expect.task.state().as_str_name().replace("STATE_", "TASK_STATUS_");
        let is =
            serde_json::json!([event.json["type"], data["user_id"], payload["title"], payload["status"]]);
        let should = serde_json::json!([
            format!("com.todo.task.{}", expect.kind),
            self.name,
            expect.task.title,
            status
        ]);
        if is != should {
            self.fail(&format!("the event {version} of {task} tells of {is} instead of {should}"), &about);
        }
        event
    }
}

/// Brings events, alone or in one batch.
pub(crate) async fn arrive(running: &Running, events: &[Published]) -> Result<Vec<Answer>, Status> {
    let sidecar = running.sidecar();
    match events {
        [event] => {
            let event = TopicEvent::raw(PUBSUB, TOPIC, event.bytes.clone());
            Ok(vec![sidecar.topic_event(event).await?])
        }
        _ => {
            let events = events.iter().map(|event| event.bytes.clone()).collect();
            sidecar.topic_events(PUBSUB, TOPIC, events).await
        }
    }
}
