//! Random schedules. A seed determines the cluster, the workload and the faults; all rules are
//! checked after every event. Then the faults end, and the nodes must converge.
//!
//! ```
//! use raft_testkit::swarm::Swarm;
//!
//! let statistics = Swarm::of_seeds(0..20).run();
//! assert_eq!(statistics.runs, 20);
//! ```

mod action;
mod injection;
mod known_bug;
mod membership_actions;
mod network_actions;
mod node_actions;
mod plan;
mod run;
mod runner;
mod snapshot_actions;
mod statistics;

pub use self::known_bug::KnownBug;
pub use self::runner::{Failure, Swarm};
pub use self::statistics::Statistics;
