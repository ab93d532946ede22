//! The clock of one node, which may be faster or slower than the virtual time.

use raft_core::Timestamp;

/// A clock that advances by `rate` thousandths of the virtual time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeClock {
    rate: u64,
    /// The virtual time of the last change of the rate, and what the clock showed then.
    since: Timestamp,
    shown: Timestamp,
}

impl Default for NodeClock {
    fn default() -> Self {
        Self { rate: 1_000, since: Timestamp(0), shown: Timestamp(0) }
    }
}

impl NodeClock {
    /// Changes the rate at this virtual time.
    pub(crate) fn set_rate(&mut self, now: Timestamp, rate: u64) {
        *self = Self { rate, since: now, shown: self.at(now) };
    }

    /// What the clock shows at this virtual time.
    pub(crate) fn at(&self, now: Timestamp) -> Timestamp {
        let passed = u128::from(now.0.saturating_sub(self.since.0));
        let advance = passed * u128::from(self.rate) / 1_000;
        Timestamp(self.shown.0.saturating_add(u64::try_from(advance).unwrap_or(u64::MAX)))
    }

    /// The first virtual time at which the clock shows this time or a later one.
    pub(crate) fn when(&self, shown: Timestamp) -> Timestamp {
        let advance = u128::from(shown.0.saturating_sub(self.shown.0));
        if advance == 0 {
            return self.since;
        }
        let passed = (advance * 1_000).checked_div(u128::from(self.rate)).unwrap_or(u128::MAX);
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let earliest = Timestamp(self.since.0.saturating_add(passed));
        // The division rounds down.
        if self.at(earliest) < shown { Timestamp(earliest.0.saturating_add(1)) } else { earliest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virtual_time_of_a_deadline_is_the_first_one_that_shows_it() {
        for rate in [1, 333, 980, 1_000, 1_017, 2_500] {
            let mut clock = NodeClock::default();
            clock.set_rate(Timestamp(1_234_567), rate);
            for shown in [1_234_568, 1_300_000, 9_999_999] {
                let due = clock.when(Timestamp(shown));
                assert!(clock.at(due) >= Timestamp(shown), "rate {rate}");
                assert!(clock.at(Timestamp(due.0 - 1)) < Timestamp(shown), "rate {rate}");
            }
        }
    }

    #[test]
    fn a_clock_that_stands_still_reaches_no_later_time() {
        let mut clock = NodeClock::default();
        clock.set_rate(Timestamp(500), 0);
        assert_eq!(clock.at(Timestamp(9_000)), Timestamp(500));
        assert_eq!(clock.when(Timestamp(501)), Timestamp(u64::MAX));
        assert_eq!(clock.when(Timestamp(400)), Timestamp(500));
    }
}
