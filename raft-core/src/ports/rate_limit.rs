//! A limit of the rate at which data is sent.

use core::num::NonZeroU64;
use core::time::Duration;

use crate::types::Timestamp;

/// A limit in bytes per second: a token bucket that holds the tokens of one send. It reads no
/// clock.
#[derive(Clone, Debug)]
pub struct RateLimit {
    bytes_per_second: NonZeroU64,
    /// When the tokens of all earlier sends are replaced.
    free_at: Timestamp,
}

impl RateLimit {
    /// A limit under which the first send need not wait.
    #[must_use]
    pub const fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, free_at: Timestamp(0) }
    }

    /// Takes the tokens of a send. Returns how long the caller must wait before it sends.
    pub fn reserve(&mut self, now: Timestamp, bytes: u64) -> Duration {
        const NANOS_PER_SECOND: u128 = 1_000_000_000;
        let start = self.free_at.max(now);
        let nanos = u128::from(bytes) * NANOS_PER_SECOND / u128::from(self.bytes_per_second.get());
        let duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = start.after(duration);
        start.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limit(bytes_per_second: u64) -> RateLimit {
        RateLimit::new(NonZeroU64::new(bytes_per_second).unwrap())
    }

    #[test]
    fn each_send_waits_until_the_tokens_of_the_earlier_ones_are_replaced() {
        let mut limit = limit(1000);
        let start = Timestamp(5 * SECOND);
        assert_eq!(limit.reserve(start, 500), Duration::ZERO);
        assert_eq!(limit.reserve(start, 250), Duration::from_millis(500));
        assert_eq!(limit.reserve(start, 1), Duration::from_millis(750));
        let later = Timestamp(5 * SECOND + SECOND / 2);
        assert_eq!(limit.reserve(later, 1), Duration::from_millis(251));
    }

    /// Otherwise a transfer that waited for the receiver would exceed the limit afterwards.
    #[test]
    fn time_without_sends_saves_no_tokens() {
        let mut limit = limit(1000);
        assert_eq!(limit.reserve(Timestamp(0), 1000), Duration::ZERO);
        let later = Timestamp(100 * SECOND);
        assert_eq!(limit.reserve(later, 1000), Duration::ZERO);
        assert_eq!(limit.reserve(later, 1000), Duration::from_secs(1));
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let mut limit = limit(1);
        assert_eq!(limit.reserve(Timestamp(u64::MAX), u64::MAX), Duration::ZERO);
        assert_eq!(limit.reserve(Timestamp(0), u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
