//! What several benchmarks share.

pub mod cluster;
pub mod proxy;

use std::time::Duration;

/// The CPU time of this process, all threads included, in user and system mode.
#[must_use]
pub fn process_cpu() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    clock.try_into().unwrap_or(Duration::ZERO)
}
