//! A rate limit for log lines about one kind of event.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rate limit for log lines about events that the other side of a connection can cause at any
/// rate: at most ten lines at once, and one more every five seconds. May be shared between threads.
///
/// The limit does not depend on the text of the lines, which the other side may determine.
#[derive(Debug, Default)]
pub struct LogLimit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The lines that count against [`BURST`].
    used: u32,
    /// The time up to which `used` has been reduced.
    since: Option<Instant>,
    /// The events since the last logged line that had no line.
    suppressed: u64,
}

/// The most lines at once.
const BURST: u32 = 10;
/// The time after which one more line is permitted.
const INTERVAL: Duration = Duration::from_secs(5);

impl LogLimit {
    /// Returns the number of events without a line since the last line if a line may be logged now;
    /// the line should state that number. Otherwise counts the event and returns `None`.
    #[must_use]
    pub fn allow(&self) -> Option<u64> {
        self.allow_at(Instant::now())
    }

    fn allow_at(&self, now: Instant) -> Option<u64> {
        // No change of the state can panic before it is complete.
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
