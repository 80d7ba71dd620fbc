//! What health knows: the services and the targets of the process.

use std::sync::Arc;

use clap::ValueEnum as _;
use docket_rpc::{Ask, Health};

use crate::config::Config;
use crate::databases::Databases;
use crate::target::Target;

/// Health with all names that this process has. Nothing is serving yet.
pub(super) async fn health(config: &Config, databases: &Arc<Databases>) -> Health {
    let runs = || Target::value_variants().iter().copied().filter(|target| config.runs(*target));
    let parts = runs().map(|target| (format!("docket.{}", target.name()), ready(target, databases)));
    Health::new(runs().filter_map(service)).await.with_parts(parts)
}

/// The service of a target that has one.
const fn service(target: Target) -> Option<&'static str> {
    match target {
        Target::Audit => Some("docket.v1.AuditService"),
        Target::DeadLetters => Some("docket.v1.DeadLetterService"),
        Target::Notification => Some("docket.v1.NotificationService"),
        Target::Recurrence => None,
        Target::Reminders => Some("docket.v1.ReminderService"),
        Target::Tasks => Some("docket.v1.TaskService"),
    }
}

/// A target is ready when its database is. What a service says stays as it is then: calls are answered UNAVAILABLE, and clients
/// that watch it need not look for another one that has the same database.
fn ready(target: Target, databases: &Arc<Databases>) -> Ask {
    let databases = databases.clone();
    Arc::new(move || {
        let databases = databases.clone();
        Box::pin(async move { databases.is_ready(target.schema()).await })
    })
}
