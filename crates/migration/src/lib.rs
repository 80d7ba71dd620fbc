//! The database schema, step by step, for SQLite and PostgreSQL alike.
#![doc = include_str!("../README.md")]

mod m20261121_000001_tasks;
mod m20261121_000002_events;
mod m20261121_000003_audit;

pub use sea_orm_migration::{MigrationStatus, MigratorTrait};

/// Every step, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_tasks::Migration),
            Box::new(m20261121_000002_events::Migration),
            Box::new(m20261121_000003_audit::Migration),
        ]
    }
}
