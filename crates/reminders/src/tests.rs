//! The target as a whole, on SQLite in memory, with a clock and a scheduler that do as they are told.

mod alarms;
mod following;
mod service;
mod traces;
mod triggers;
mod world;
