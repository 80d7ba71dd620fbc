//! The binary `docket`: arguments, configuration, and the roles that one process plays.
#![doc = include_str!("../README.md")]

pub mod admin;
pub mod app;
pub mod args;
pub mod client;
pub mod commands;
pub mod config;
mod databases;
pub mod dlq;
pub mod health;
mod identity;
mod lag;
pub mod remind;
pub mod retention;
pub mod source;
pub mod spans;
pub mod target;
pub mod telling;
mod terminal;
pub mod topics;
pub mod verify;
