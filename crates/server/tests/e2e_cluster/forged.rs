//! An event that nobody published: a task that nobody created. Who takes it for true writes it into the audit log of its owner.

use docket_testkit::callback::TopicEvent;
use docket_testkit::{PATIENCE, User, wait_for};

use crate::site::{Site, somebody, token};

/// Somebody with an empty audit log.
pub(crate) struct Victim {
    name: String,
    pub(crate) token: String,
    user: User,
}

impl Victim {
    pub(crate) async fn new(site: &Site) -> Self {
        let name = somebody("victim");
        let token = token(&name).await;
        Self { user: site.user_with(&token), token, name }
    }

    /// A new forged event, as a sidecar brings what was published.
    pub(crate) fn event(&self) -> TopicEvent {
        TopicEvent::forged(&self.name)
    }

    /// Waits until so many forged events were believed, and checks that there are no more.
    pub(crate) async fn expect_believed(&self, count: usize) {
        let entries = wait_for(&format!("{count} entries in the audit log"), PATIENCE, async || {
            let entries = self.user.audit_log().await.len();
            if entries >= count { Ok(entries) } else { Err(format!("{entries}")) }
        })
        .await;
        assert_eq!(entries, count, "entries in the audit log of {}", self.name);
    }
}
