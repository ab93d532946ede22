//! The command line of `raft-testkit`.

mod arguments;
mod commands;
mod error;
mod output;

pub(crate) use commands::run;
