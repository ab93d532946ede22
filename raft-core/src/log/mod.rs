//! The log of one node.

mod state;
mod tail;
mod term_runs;

pub(crate) use state::Log;
pub use term_runs::TermRuns;
