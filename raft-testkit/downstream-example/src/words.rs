use std::collections::BTreeSet;

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex};

/// A set of words. A command adds a word; the output is `new` or `known`.
///
/// A captured state is the title, the number of words, and the words in order, each after its
/// length. Numbers have eight bytes, big-endian.
#[derive(Clone, Debug, Default)]
pub struct Words {
    words: BTreeSet<Bytes>,
    applied: LogIndex,
}

impl Words {
    /// All words in order.
    pub fn list(&self) -> Vec<String> {
        self.words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }
}

impl StateMachine for Words {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(self.applied)
    }

    fn apply(&mut self, _id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        let new = self.words.insert(command.clone());
        Ok(Bytes::from_static(if new { b"new" } else { b"known" }))
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        self.applied = applied.index;
        Ok(())
    }

    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError> {
        Ok(Bytes::from_static(if self.words.contains(query) { b"known" } else { b"new" }))
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        // The words are in memory.
        Ok(LogIndex::ZERO)
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        let mut state = TITLE.to_vec();
        state.extend_from_slice(&(self.words.len() as u64).to_be_bytes());
        for word in &self.words {
            state.extend_from_slice(&(word.len() as u64).to_be_bytes());
            state.extend_from_slice(word);
        }
        Ok(Box::new(Bytes::from(state)))
    }

    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        let state = source.read_to_end(CAPTURED_BYTES_MAX)?;
        let Some(words) = decode(&state) else {
            return Err(StorageFailure { reason: "not a captured set of words".to_owned() });
        };
        *self = Self { words, applied: applied.index };
        Ok(())
    }
}

/// Begins a captured state; ends with the version of its format.
const TITLE: &[u8] = b"words 1\n";
const CAPTURED_BYTES_MAX: usize = 64 << 20;

/// The words of a captured state; `None` if it is damaged or of another kind.
fn decode(state: &[u8]) -> Option<BTreeSet<Bytes>> {
    let (count, mut rest) = split_number(state.strip_prefix(TITLE)?)?;
    let mut words = BTreeSet::new();
    for _ in 0..count {
        let (length, tail) = split_number(rest)?;
        let (word, tail) = tail.split_at_checked(usize::try_from(length).ok()?)?;
        words.insert(Bytes::copy_from_slice(word));
        rest = tail;
    }
    rest.is_empty().then_some(words)
}

fn split_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}
