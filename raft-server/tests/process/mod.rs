//! Real processes: the built binary, three nodes, signals.

pub(crate) mod cluster;
mod crash_loop;
mod dev;
mod history;
mod shutdown;
