//! The state machine of a cluster that is built without one.

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex};

/// A state machine that keeps a total in memory. The commands are `add N` and `sub N`; the output
/// is the new total. Any other command does not change it. A query returns the total. A captured
/// state is text: `counter 1` and the total, one line each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counter {
    total: i64,
    applied: LogIndex,
}

impl Counter {
    /// The total.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.total
    }
}

impl StateMachine for Counter {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(self.applied)
    }

    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        self.total = self.total.wrapping_add(change(command));
        self.applied = id.index;
        Ok(Bytes::from(self.total.to_string()))
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        self.applied = applied.index;
        Ok(())
    }

    fn query(&mut self, _query: &Bytes) -> Result<Bytes, QueryError> {
        Ok(Bytes::from(self.total.to_string()))
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(LogIndex::ZERO)
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        Ok(Box::new(Bytes::from(format!("{TITLE}\n{}\n", self.total))))
    }

    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        let state = source.read_to_end(CAPTURED_BYTES_MAX)?;
        let Some(total) = captured_total(&state) else {
            return Err(StorageFailure { reason: "not the state of a counter".to_owned() });
        };
        *self = Self { total, applied: applied.index };
        Ok(())
    }
}

/// The first line of a captured state: its kind and the version of its format.
const TITLE: &str = "counter 1";
const CAPTURED_BYTES_MAX: usize = 64;

/// The total in a captured state; `None` if it is damaged or of another kind.
fn captured_total(state: &[u8]) -> Option<i64> {
    let lines = std::str::from_utf8(state).ok()?.strip_suffix('\n')?;
    let (title, total) = lines.split_once('\n')?;
    if title == TITLE { total.parse().ok() } else { None }
}

/// What a command adds to the total; zero for an unknown command.
fn change(command: &[u8]) -> i64 {
    let amount = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<i64>().ok();
    match command.split_at_checked(4) {
        Some((b"add ", digits)) => amount(digits).unwrap_or(0),
        Some((b"sub ", digits)) => amount(digits).map_or(0, i64::wrapping_neg),
        Some(_) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_commands_change_the_total_and_others_do_not() {
        let mut counter = Counter::default();
        let mut index = LogIndex::ZERO;
        for (command, total) in [("add 5", "5"), ("sub 7", "-2"), ("mul 2", "-2"), ("add x", "-2")]
        {
            index = index.next();
            let id = LogId::new(raft_core::Term(1), index);
            assert_eq!(counter.apply(id, &Bytes::from(command)).unwrap(), total);
        }
        assert_eq!(counter.total(), -2);
        assert_eq!(counter.applied().unwrap(), LogIndex(4));
    }
}
