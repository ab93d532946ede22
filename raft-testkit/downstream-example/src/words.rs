use std::collections::BTreeSet;

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex};

/// A set of words. A command adds a word; the output is `new` or `known`.
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
}
