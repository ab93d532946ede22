//! Requests to the log store for entries that are no longer in memory.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::Limits;
use crate::effect::FetchEntries;
use crate::log::Log;
use crate::types::{FetchId, LogIndex, NodeId};

/// The pending fetches for followers, and the numbers of all fetches.
///
/// Belongs to the node, not to a leadership: a fetch for a follower stays pending until the store
/// reports its result, whatever happens to the role or to the follower's progress meanwhile. That
/// bounds the queue of the store to one fetch for each follower.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetches {
    last: FetchId,
    /// The pending fetch of each follower and its first index. Followers that need entries from
    /// the same index on share one.
    followers: BTreeMap<NodeId, (FetchId, LogIndex)>,
}

impl Fetches {
    /// A new request for the entries from `from` to `last`.
    pub(crate) fn request(
        &mut self,
        from: LogIndex,
        last: LogIndex,
        bytes_max: u64,
    ) -> FetchEntries {
        self.last = FetchId(self.last.get() + 1);
        FetchEntries { id: self.last, from, last, bytes_max }
    }

    /// The request for the next entries of a follower. `None` if its earlier request is pending, or
    /// if another follower's pending request is for the same entries.
    pub(crate) fn request_for_follower(
        &mut self,
        follower: NodeId,
        from: LogIndex,
        log: &Log,
        limits: &Limits,
    ) -> Option<FetchEntries> {
        if self.followers.contains_key(&follower) {
            return None;
        }
        let shared = self.followers.values().find(|&&(_, first)| first == from);
        if let Some(&shared) = shared {
            self.followers.insert(follower, shared);
            return None;
        }
        let entries_max = u64::try_from(limits.append_entries_max).unwrap_or(u64::MAX);
        let last = log.tail_first().previous().min((from + entries_max).previous());
        let request = self.request(from, last, limits.append_bytes_max);
        self.followers.insert(follower, (request.id, from));
        Some(request)
    }

    /// Whether a fetch for this follower is pending.
    pub(crate) fn is_pending_for(&self, follower: NodeId) -> bool {
        self.followers.contains_key(&follower)
    }

    /// The store reported the result of this fetch. Returns the followers that waited for it.
    pub(crate) fn complete(&mut self, id: FetchId) -> Vec<NodeId> {
        let waiting: Vec<NodeId> = self
            .followers
            .iter()
            .filter(|&(_, &(fetch, _))| fetch == id)
            .map(|(&follower, _)| follower)
            .collect();
        for follower in &waiting {
            self.followers.remove(follower);
        }
        waiting
    }
}
