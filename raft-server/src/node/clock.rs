//! The time of a core, and the driver's timer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use raft_core::Timestamp;
use tokio::time::{Instant, Sleep};

/// Measures the core's time, which begins when the node starts. It counts the time in which the
/// machine is suspended if [`Clock::COUNTS_SUSPENSION`]: a lease that did not end meanwhile would
/// outlast what the other nodes guarantee.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Duration,
}

impl Clock {
    /// Whether the time advances while the machine is suspended.
    pub(super) const COUNTS_SUSPENSION: bool = cfg!(target_os = "linux");

    pub(super) fn start() -> Self {
        Self { start: reading() }
    }

    pub(super) fn now(self) -> Timestamp {
        Timestamp(nanos(reading().saturating_sub(self.start)))
    }

    /// The instant of `timestamp`, at most a day from now: a core without a deadline returns the
    /// largest timestamp, which exceeds what the runtime's timer accepts.
    pub(super) fn instant(self, timestamp: Timestamp) -> Instant {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Instant::now() + timestamp.since(self.now()).min(DAY)
    }
}

/// The time since the machine was booted, suspension included.
#[cfg(target_os = "linux")]
fn reading() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    let since_boot = clock_gettime(ClockId::Boottime);
    // Neither part is negative: the clock begins at zero when the machine is booted.
    let seconds = u64::try_from(since_boot.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(since_boot.tv_nsec).unwrap_or(0))
}

/// The time since the first reading in this process.
#[cfg(not(target_os = "linux"))]
fn reading() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

/// Wakes the driver at a deadline.
#[derive(Debug)]
pub(super) struct Timer(Pin<Box<Sleep>>);

impl Timer {
    pub(super) fn new() -> Self {
        Self(Box::pin(tokio::time::sleep(Duration::ZERO)))
    }

    /// Sets the timer to `deadline` or leaves it at an earlier instant: one early wake-up costs
    /// less than a reset in every cycle.
    pub(super) fn set(&mut self, deadline: Instant) {
        if self.0.is_elapsed() || deadline < self.0.deadline() {
            self.0.as_mut().reset(deadline);
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

/// A duration in nanoseconds, at most `u64::MAX` (584 years).
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock is the one that a suspension of the machine advances: it is at least as far as the
    /// one that stands still meanwhile.
    #[cfg(target_os = "linux")]
    #[test]
    fn time_includes_the_suspension_of_the_machine() {
        let monotonic = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let boot = reading();
        assert!(boot.as_secs() >= u64::try_from(monotonic.tv_sec).unwrap());
        assert!(boot <= reading());
    }

    #[tokio::test]
    async fn deadline_in_the_past_and_one_without_an_end_have_instants() {
        let clock = Clock::start();
        let before = Instant::now();
        assert!(clock.instant(Timestamp(0)) <= Instant::now());
        let far = clock.instant(Timestamp(u64::MAX));
        assert!(far >= before + Duration::from_secs(24 * 3600));
    }
}
