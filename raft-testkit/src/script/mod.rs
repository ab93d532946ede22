//! Scenario files: the actions of a [`Cluster`](crate::Cluster) as text, one scenario in each file.
//!
//! ```
//! let scenario = raft_testkit::script::Scenario::parse(
//!     "# title: a leader with a stale log steps down
//! cluster 3 voters, timers off
//! --- elect
//! campaign 1
//! deliver until leader 1
//! expect 1: leader term 1
//! --- isolate the leader
//! partition {1} | {2 3}
//! propose 1: add 1 as w
//! elect 2
//! --- heal
//! heal ; heartbeat 2 ; deliver all ; heartbeat 2 ; deliver all
//! expect w unknown ; expect converged
//! ",
//! )?;
//! scenario.run("stale_leader")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/scenarios.md` has the grammar. `expect` states what must hold. A golden table, which
//! states what exactly happens, may follow the line `trace`: [`run_file`] compares it with the run,
//! or replaces it if `UPDATE=1` is set.

mod error;
mod expectations;
mod file;
mod membership;
mod parse;
mod run;
mod scenario;
mod statement;
mod tokens;

pub use self::error::{Failure, ParseError, RunError};
pub use self::file::run_file;
pub use self::parse::{keywords, statements};
pub use self::scenario::Scenario;
