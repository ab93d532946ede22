//! Defaults and limits of settings that belong to this program. All others have theirs in the crate
//! that they configure.

use std::num::NonZero;
use std::time::Duration;

/// The default time limit of an orderly shutdown.
pub(super) const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// The default limit on the bytes of a snapshot that are sent in one second: half of what a network
/// of 1 Gbit/s carries, so that messages are not delayed.
pub(super) const SNAPSHOT_BYTES_PER_SECOND: u64 = 64 << 20;
/// The most threads of the asynchronous runtime.
pub(super) const RUNTIME_THREADS_MAX: usize = 256;
/// The most threads of the asynchronous runtime by default.
pub(super) const RUNTIME_THREADS_DEFAULT_MAX: usize = 4;

/// The default number of threads of the asynchronous runtime. The log, the state machine and the
/// readers have threads of their own. The rest is short work, which one thread often completes
/// without a wake-up of another.
pub(super) fn runtime_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (cores / 2).clamp(1, RUNTIME_THREADS_DEFAULT_MAX)
}
