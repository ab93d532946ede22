//! Appends in flight to one follower.

use alloc::collections::VecDeque;

use crate::types::LogIndex;

/// The window of appends without a response: (last index, bytes) of each, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inflights {
    appends: VecDeque<(LogIndex, u64)>,
    bytes: u64,
}

impl Inflights {
    /// An append is sent.
    pub(crate) fn push(&mut self, last: LogIndex, bytes: u64) {
        self.appends.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// Every append up to this index is acknowledged.
    pub(crate) fn free_to(&mut self, match_index: LogIndex) {
        while let Some(&(last, bytes)) = self.appends.front()
            && last <= match_index
        {
            self.bytes -= bytes;
            self.appends.pop_front();
        }
    }

    /// Whether another append fits. One append fits into an empty window whatever its size.
    pub(crate) fn has_room(&self, appends_max: usize, bytes_max: u64) -> bool {
        self.appends.len() < appends_max && (self.bytes < bytes_max || self.appends.is_empty())
    }

    pub(crate) fn count(&self) -> usize {
        self.appends.len()
    }
}
