//! What must hold once everybody is done.

use std::collections::{BTreeMap, BTreeSet};

use docket_proto::v1;
use docket_proto::v1::task::State;
use docket_testkit::User;
use pbjson_types::value::Kind;

use crate::model::broker::OF_TASKS;
use crate::model::story::Story;

impl Story {
    /// Asks for what the server alone knows of tasks that changed unseen.
    pub(crate) async fn learn_all(&mut self) {
        let unknown = self.model.tasks.values().filter(|entry| entry.task.update_time.is_none());
        let ids: Vec<String> = unknown.map(|entry| entry.task.task_id.clone()).collect();
        for task_id in ids {
            let asked = |user: User| {
                let asked = v1::GetTaskRequest { task_id: task_id.clone() };
                async move { user.tasks().get_task(asked).await }
            };
            let task = self.ask(asked).await;
            let mut model = std::mem::take(&mut self.model);
            let outcome = model.learn(&task);
            self.model = model;
            self.expect(outcome, &BTreeSet::from([task_id]));
        }
    }

    /// A listing is as expected.
    pub(crate) fn same(&self, request: &v1::ListTasksRequest, expect: &[v1::Task], told: &[v1::Task]) {
        if expect == told {
            return;
        }
        let differs = expect.iter().zip(told).find(|(expect, told)| expect != told);
        let ids = |tasks: &[v1::Task]| tasks.iter().map(|task| task.task_id.clone()).collect::<BTreeSet<_>>();
        let odd = ids(expect).symmetric_difference(&ids(told)).cloned().collect::<BTreeSet<_>>();
        let why = format!(
            "{request:?}: {} tasks instead of {}; the first difference {differs:#?}; not in both {odd:?}",
            told.len(),
            expect.len()
        );
        let about =
            odd.iter().filter_map(|id| self.model.tasks.get(id)).map(|entry| entry.marker().to_owned());
        self.fail(&why, &about.chain(odd.clone()).collect());
    }

    /// Lets every event arrive, also those that this leads to.
    pub(crate) async fn drain(&mut self) {
        loop {
            let pending = self.pending();
            if pending.is_empty() {
                return;
            }
            for heads in pending.chunks(20) {
                self.deliver(heads.to_vec()).await;
            }
        }
    }

    /// Every task is as the model has it, each completion is followed once, and the audit log knows every event.
    pub(crate) async fn check(&mut self) {
        self.learn_all().await;
        let request = v1::ListTasksRequest { show_deleted: true, page_size: 500, ..Default::default() };
        let mut told = self.list(request.clone()).await;
        told.sort_by(|one, other| one.task_id.cmp(&other.task_id));
        let expect: Vec<v1::Task> = self.model.tasks.values().map(|entry| entry.task.clone()).collect();
        self.same(&request, &expect, &told);
        for entry in self.model.tasks.values().filter(|entry| entry.task.state() == State::Completed) {
            let follows = entry.events.iter().rfind(|event| event.kind == "completed").unwrap();
            assert_eq!(entry.successor.is_some(), follows.follows.is_some(), "of the model: {entry:?}");
        }
        self.check_audit().await;
    }

    async fn check_audit(&mut self) {
        let mut stories: BTreeMap<String, Vec<v1::AuditEntry>> = BTreeMap::new();
        let mut request = v1::ListAuditEntriesRequest { page_size: 500, ..Default::default() };
        loop {
            let asked = |user: User| {
                let asked = request.clone();
                async move { user.audit().list_audit_entries(asked).await }
            };
            let page = self.ask(asked).await;
            // What became of reminders is no change of a task.
            for entry in page.entries.into_iter().filter(|entry| entry.event_type.starts_with(OF_TASKS)) {
                stories.entry(entry.task_id.clone()).or_default().push(entry);
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        for (id, entry) in &self.model.tasks {
            let told: Vec<_> = stories.remove(id).unwrap_or_default();
            let told: Vec<_> = told.iter().map(|one| (one.task_version, kind(one), title(one))).collect();
            let version = |(index, event): (usize, &crate::model::model::Event)| {
                (index as i64 + 1, event.kind.to_owned(), event.task.title.clone())
            };
            let expect: Vec<_> = entry.events.iter().enumerate().map(version).collect();
            if told != expect {
                let why = format!("the audit log of {id} has {told:#?} instead of {expect:#?}");
                self.fail(&why, &BTreeSet::from([entry.marker().to_owned()]));
            }
        }
        if !stories.is_empty() {
            self.fail(
                &format!("the audit log knows of tasks that are not there: {stories:?}"),
                &BTreeSet::new(),
            );
        }
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> i64 {
        self.model.tasks.values().map(|entry| entry.events.len() as i64).sum()
    }
}

fn kind(entry: &v1::AuditEntry) -> String {
    entry.event_type.trim_start_matches(OF_TASKS).to_owned()
}

fn title(entry: &v1::AuditEntry) -> String {
    let title = entry.after.as_ref().and_then(|after| after.fields.get("title"));
    match title.and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(title)) => title.clone(),
        other => panic!("{other:?} is no title"),
    }
}
