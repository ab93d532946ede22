//! Whether a follower keeps up with the leader's log (thesis §4.2.1).

use core::time::Duration;

use crate::types::{LogIndex, Timestamp};

/// The rounds in which a follower's log is replicated. A round ends when the follower holds every
/// entry that the leader's log held when the round began.
///
/// Not to be confused with [`Round`](crate::Round), which numbers the heartbeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchUp {
    /// The leader's last entry when the round in progress began.
    target: LogIndex,
    began: Timestamp,
    /// The number of rounds that ended, and the time that the last one took.
    completed: u64,
    last_took: Option<Duration>,
}

impl CatchUp {
    /// The first round begins: the leader's log ends at `last`.
    pub(crate) const fn new(last: LogIndex, now: Timestamp) -> Self {
        Self { target: last, began: now, completed: 0, last_took: None }
    }

    /// The follower holds every entry up to `match_index`; the leader's log ends at `last`.
    pub(crate) fn on_matched(&mut self, match_index: LogIndex, last: LogIndex, now: Timestamp) {
        if match_index >= self.target {
            self.last_took = Some(now.since(self.began));
            self.completed += 1;
            (self.target, self.began) = (last, now);
        }
    }

    /// The number of rounds that ended.
    pub(crate) const fn completed(&self) -> u64 {
        self.completed
    }

    /// How long the last round took that ended.
    pub(crate) const fn last_took(&self) -> Option<Duration> {
        self.last_took
    }

    /// Whether the last round took less than `timeout`, and the one in progress has not taken
    /// longer: as a voter the follower would hold new entries within that time.
    pub(crate) fn is_caught_up(&self, now: Timestamp, timeout: Duration) -> bool {
        self.last_took.is_some_and(|took| took < timeout) && now.since(self.began) < timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(300);

    fn at(millis: u64) -> Timestamp {
        Timestamp(millis * 1_000_000)
    }

    #[test]
    fn a_follower_has_caught_up_once_a_round_is_short() {
        let mut rounds = CatchUp::new(LogIndex(100), at(0));
        assert!(!rounds.is_caught_up(at(0), TIMEOUT), "nothing is known");
        rounds.on_matched(LogIndex(99), LogIndex(200), at(200));
        assert_eq!(rounds.completed(), 0);
        rounds.on_matched(LogIndex(100), LogIndex(200), at(400));
        assert!(!rounds.is_caught_up(at(400), TIMEOUT), "the first round took 400 ms");
        rounds.on_matched(LogIndex(200), LogIndex(210), at(600));
        assert_eq!(rounds.completed(), 2);
        assert!(rounds.is_caught_up(at(600), TIMEOUT));
        assert!(!rounds.is_caught_up(at(900), TIMEOUT), "the third round does not end");
    }
}
