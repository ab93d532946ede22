//! The commands that send requests to a cluster.

mod cluster;
mod cluster_args;
mod connection;
mod explain;
mod keys;
mod outcome;
mod stdin;
mod txn;
mod verb;

pub(super) use verb::Verb;
