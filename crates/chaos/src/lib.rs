//! Breaks everything around Docket while clients work, and judges what is left.
#![doc = include_str!("../README.md")]

mod client;
mod converge;
mod evidence;
mod nemesis;
mod options;
mod plan;
mod poison;
mod probe;
mod report;
mod run;
mod wish;
mod world;

pub use converge::Convergence;
pub use nemesis::Struck;
pub use options::Options;
pub use plan::{Kind, Network, Plan, Scope, Step, Strike};
pub use report::{Found, Report};
pub use run::run;
