//! What only a server with roles and many clients can break.

mod alarms;
mod ledger;
mod ledger_plans;
mod once;
mod order;
mod plans;
mod reminder_plans;
mod roles;
mod trouble;
