//! Applied entries whose effect only the log and the memory hold.

use raft_core::{CompactionPolicy, LogIndex};

/// The lowest limits: more frequent snapshots cost more than the entries.
const ENTRIES_MIN: u64 = 1_000;
const BYTES_MIN: u64 = 1 << 20;

/// Counts what was applied since the state machine reported its state as durable or a snapshot was
/// requested. When that exceeds what the log keeps anyway, a snapshot is due: the log is compacted
/// up to durable entries only.
#[derive(Debug)]
pub(in crate::node) struct Unsecured {
    /// The index that was reported last.
    durable: LogIndex,
    entries: u64,
    bytes: u64,
    entries_max: u64,
    bytes_max: u64,
}

impl Unsecured {
    pub(in crate::node) fn new(durable: LogIndex, policy: &CompactionPolicy) -> Self {
        Self {
            durable,
            entries: 0,
            bytes: 0,
            entries_max: policy.kept_entries_max.max(ENTRIES_MIN),
            bytes_max: policy.kept_bytes_max.max(BYTES_MIN),
        }
    }

    /// An entry of this weight is applied.
    pub(in crate::node) const fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }

    /// The state machine reports this index as durable. Returns whether it rose.
    pub(in crate::node) fn on_durable(&mut self, durable: LogIndex) -> bool {
        let rose = durable > self.durable;
        if rose {
            self.durable = durable;
            self.restart();
        }
        rose
    }

    /// Whether a snapshot is due. Then the count begins again.
    pub(in crate::node) const fn take_due(&mut self) -> bool {
        let due = self.entries > self.entries_max || self.bytes > self.bytes_max;
        if due {
            self.restart();
        }
        due
    }

    /// Whether the state machine has reported this entry as durable.
    pub(in crate::node) fn is_durable(&self, index: LogIndex) -> bool {
        index <= self.durable
    }

    const fn restart(&mut self) {
        self.entries = 0;
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this a state machine in memory would keep its whole log.
    #[test]
    fn a_snapshot_is_due_when_the_log_would_exceed_what_it_keeps() {
        let mut policy = CompactionPolicy::default();
        policy.kept_bytes_max = 2 << 20;
        policy.kept_entries_max = 5_000;
        let mut unsecured = Unsecured::new(LogIndex(7), &policy);
        assert!(!unsecured.on_durable(LogIndex(7)), "it was reported before");
        unsecured.add(2 << 20);
        assert!(!unsecured.take_due());
        unsecured.add(1);
        assert!(unsecured.take_due());
        assert!(!unsecured.take_due(), "the count has begun again");
        (0..5_001).for_each(|_| unsecured.add(1));
        assert!(unsecured.on_durable(LogIndex(5_000)));
        assert!(!unsecured.take_due(), "the state machine has made its state durable itself");
    }
}
