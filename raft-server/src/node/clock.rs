//! The time of a core, and the driver's timer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use raft_core::Timestamp;
use tokio::time::{Instant, Sleep};

/// Measures the core's time, which begins when the node starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Timestamp {
        Timestamp(nanos(self.0.elapsed()))
    }

    /// The instant of `timestamp`, at most a day from now: a core without a deadline returns the
    /// largest timestamp, which exceeds what the runtime's timer accepts.
    pub(super) fn instant(self, timestamp: Timestamp) -> Instant {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        self.0 + timestamp.since(Timestamp(0)).min(self.0.elapsed() + DAY)
    }
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
