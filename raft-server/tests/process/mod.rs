//! Real processes: the built binary, three nodes, signals.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests, and what they print")]

pub(crate) mod cluster;
mod crash_loop;
mod dev;
mod full_disk;
mod history;
mod http;
mod shutdown;
mod start;
