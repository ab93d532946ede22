//! Random schedules: from one seed a cluster, a workload and faults, with every rule checked
//! after every event; then a calm phase in which everything must converge.

mod action;
mod injection;
mod known_bug;
mod network_actions;
mod node_actions;
mod plan;
mod run;
mod runner;
mod statistics;

pub use self::known_bug::KnownBug;
pub use self::runner::{Failure, Swarm};
pub use self::statistics::Statistics;
