//! Processes of the built binary: clusters, signals, disks.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests, and what they print")]

pub(crate) mod cluster;
mod crash_loop;
mod dev;
mod full_disk;
mod history;
mod http;
mod membership;
mod operations;
pub(crate) mod poll;
mod recover;
mod shutdown;
mod snapshots;
mod start;
