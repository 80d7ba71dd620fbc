//! Breaks everything around Docket while clients work, and judges what is left.
#![doc = include_str!("../README.md")]
// For the types of futures of clients inside those of faults.
#![recursion_limit = "256"]

mod client;
pub mod cluster;
mod converge;
mod crew;
mod evidence;
mod ground;
mod manner;
mod nemesis;
mod options;
mod plan;
mod poison;
mod probe;
mod report;
mod run;
mod shift;
mod tally;
mod wish;
mod world;

pub use converge::Convergence;
pub use nemesis::Struck;
pub use options::Options;
pub use plan::{Kind, Network, Plan, Scope, Step, Strike};
pub use report::{Found, Report};
pub use run::run;
pub use shift::{Judgement, Shift};
pub use tally::Act;
