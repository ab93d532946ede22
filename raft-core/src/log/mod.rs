//! The log as the core sees it: the term of every index, and the recent entries themselves.

mod term_runs;

pub use term_runs::TermRuns;
