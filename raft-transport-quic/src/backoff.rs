//! Pauses between dials.

use std::time::Duration;

/// Counts the dials since the last stable connection and computes the pauses between them. A
/// connection that ends soon after it came into use does not reset the pauses: its peer may restart
/// repeatedly, or close every connection for a lasting reason.
#[derive(Default)]
pub(crate) struct Backoff {
    dials: u32,
}

impl Backoff {
    pub(crate) const fn dials(&self) -> u32 {
        self.dials
    }

    pub(crate) const fn record_dial(&mut self) {
        self.dials = self.dials.saturating_add(1);
    }

    pub(crate) const fn reset(&mut self) {
        self.dials = 0;
    }

    /// The pause before the next dial: none before the first one. The pause doubles with each dial,
    /// up to `max`, and is shortened by a random part of up to a half, so that nodes that lost each
    /// other at the same time do not dial at the same time.
    pub(crate) fn pause(&self, min: Duration, max: Duration) -> Option<Duration> {
        let doublings = self.dials.checked_sub(1)?.min(16);
        let full = min.saturating_mul(1 << doublings).min(max);
        Some(full.mul_f64(1.0 - fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_differ() {
        let (min, max) = (Duration::from_millis(20), Duration::from_secs(1));
        let pause = |dials| Backoff { dials }.pause(min, max);
        assert_eq!(pause(0), None);
        for (dials, full_ms) in [(1, 20), (2, 40), (3, 80), (6, 640), (7, 1000), (90, 1000)] {
            let full = Duration::from_millis(full_ms);
            for _ in 0..100 {
                let pause = pause(dials).unwrap();
                assert!(full / 2 <= pause && pause <= full, "{dials}: {pause:?}");
            }
        }
        assert!((0..100).any(|_| pause(7) != pause(7)));
    }

    #[test]
    fn only_a_reset_shortens_the_pauses() {
        let mut backoff = Backoff::default();
        let pause =
            |backoff: &Backoff| backoff.pause(Duration::from_millis(20), Duration::from_secs(1));
        for _ in 0..10 {
            backoff.record_dial();
        }
        assert!(pause(&backoff).unwrap() >= Duration::from_millis(500));
        backoff.reset();
        assert_eq!(pause(&backoff), None);
    }
}
