//! The commands that send requests to a cluster.

mod cluster;
mod cluster_args;
mod connection;
mod explain;
mod keys;
mod members;
mod outcome;
mod progress;
mod snapshot;
mod stdin;
mod txn;
mod verb;

pub(super) use outcome::EXIT_CODES;
pub(super) use snapshot::{SaveArgs, save};
pub(super) use verb::{Verb, exit_code};
