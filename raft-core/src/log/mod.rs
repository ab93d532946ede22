//! The log of one node.

mod sizes;
mod state;
mod tail;
mod term_runs;

pub(crate) use state::{Log, LogChange};
pub use term_runs::TermRuns;
