//! Requests to the log store for older entries, from emission to answer.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::effect::{Effect, FetchEntries};
use crate::state::NodeState;
use crate::types::{FetchId, LogIndex, NodeId};

/// Unanswered fetches on behalf of followers, and the numbers of all fetches.
///
/// Belongs to the node, not to a leadership: a fetch stays here until the store answers it,
/// whatever happens to the role or to the follower's progress meanwhile. That bounds the store's
/// queue to one fetch for each follower.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetches {
    last: FetchId,
    /// The unanswered fetch of each follower and its first index. Followers that need entries
    /// from the same index on share one.
    followers: BTreeMap<NodeId, (FetchId, LogIndex)>,
}

impl Fetches {
    /// Takes the followers that wait for this fetch: it was answered.
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

impl NodeState {
    /// Requests entries from the store; returns the number of the request.
    pub(crate) fn fetch(&mut self, from: LogIndex, last: LogIndex, bytes_max: u64) -> FetchId {
        let id = FetchId(self.fetches.last.get() + 1);
        self.fetches.last = id;
        self.effects.push(Effect::FetchEntries(FetchEntries { id, from, last, bytes_max }));
        id
    }

    /// Requests the next entries for a follower, unless its earlier request is unanswered.
    pub(crate) fn fetch_for_follower(&mut self, follower: NodeId, from: LogIndex) {
        if self.fetches.followers.contains_key(&follower) {
            return;
        }
        let shared = self.fetches.followers.values().find(|&&(_, first)| first == from);
        let id = match shared {
            Some(&(id, _)) => id,
            None => {
                let limits = self.config.limits;
                let entries_max = u64::try_from(limits.append_entries_max).unwrap_or(u64::MAX);
                let last = self.log.tail_first().previous().min((from + entries_max).previous());
                self.fetch(from, last, limits.append_bytes_max)
            }
        };
        self.fetches.followers.insert(follower, (id, from));
    }
}
