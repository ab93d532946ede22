//! Limits how many lines about one kind of event are logged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits the lines about one kind of event by time alone, so that nothing in their text, which
/// the other side of a connection may choose, brings more of them into the log: at most ten at
/// once, and one more every five seconds.
#[derive(Debug, Default)]
pub struct LogLimit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Lines written since there was room for all of [`BURST`].
    used: u32,
    /// Since when `used` has been counted down.
    since: Option<Instant>,
    /// Lines left out since the last one that was written.
    suppressed: u64,
}

/// How many lines may follow each other.
const BURST: u32 = 10;
/// How long it takes until there is room for one more.
const INTERVAL: Duration = Duration::from_secs(5);

impl LogLimit {
    /// Whether a line may be written now: then how many were left out since the last one, which
    /// the line must say.
    #[must_use]
    pub fn allow(&self) -> Option<u64> {
        self.allow_at(Instant::now())
    }

    fn allow_at(&self, now: Instant) -> Option<u64> {
        // Nothing can panic halfway through a change of the state.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *state.since.get_or_insert(now);
        let intervals = now.saturating_duration_since(since).as_nanos() / INTERVAL.as_nanos();
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        if intervals >= state.used {
            state.used = 0;
            state.since = Some(now);
        } else {
            state.used -= intervals;
            state.since = Some(since + INTERVAL * intervals);
        }
        if state.used >= BURST {
            state.suppressed += 1;
            return None;
        }
        state.used += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_limited_by_time_and_suppressed_lines_are_counted() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(limit.allow_at(start), Some(0));
        }
        assert!((0..1000).all(|_| limit.allow_at(start).is_none()));
        let later = start + INTERVAL;
        assert_eq!(limit.allow_at(later), Some(1000));
        assert_eq!(limit.allow_at(later), None);
        assert_eq!(limit.allow_at(later + INTERVAL / 2), None);
        assert_eq!(limit.allow_at(later + INTERVAL), Some(2));
        let much_later = later + 1000 * INTERVAL;
        let burst = (0..100).filter(|_| limit.allow_at(much_later).is_some());
        assert_eq!(burst.count(), 10);
    }

    #[test]
    fn events_below_the_limit_are_all_logged() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        assert!((0..100).all(|step| limit.allow_at(start + step * INTERVAL) == Some(0)));
    }
}
