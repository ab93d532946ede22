//! A rate limit for log lines about one kind of event.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// A rate limit for log lines about events that a peer or a failing state machine can cause at any
/// rate: one line per second, with the number of events before it that had none.
///
/// One thread uses it, with the time that it has already read. The `LogLimit` of
/// `raft-transport-quic` is shared between threads and permits bursts; that crate is not available
/// here without the feature `server`.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    /// Returns the number of events suppressed since the last line if this event may be logged;
    /// otherwise counts it as suppressed.
    pub(super) fn permit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_second_contains_the_number_of_suppressed_events() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut limit = LogLimit::default();
        let permitted: Vec<_> = (0..=2_500).map(|millis| limit.permit(at(millis))).collect();
        let lines: Vec<_> = (0_u64..).zip(permitted).filter_map(|(at, n)| Some((at, n?))).collect();
        assert_eq!(lines, [(0, 0), (1_000, 999), (2_000, 999)]);
    }
}
