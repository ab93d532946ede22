//! Entries that are read back from the store, for followers and for the state machine.

use alloc::vec::Vec;

use super::node_state::NodeState;
use crate::effect::Effect;
use crate::input::EntriesFetched;
use crate::types::{LogIndex, NodeId};

/// Entries that are read back from the store.
impl NodeState {
    /// Requests the next entries for a follower, unless its earlier request is pending.
    pub(crate) fn fetch_for_follower(&mut self, follower: NodeId, from: LogIndex) {
        let limits = &self.config.limits;
        let request = self.fetches.request_for_follower(follower, from, &self.log, limits);
        self.effects.extend(request.map(Effect::FetchEntries));
    }

    /// The store reported the result of a fetch. Returns the followers that waited for it.
    pub(crate) fn on_entries_fetched(&mut self, fetched: &EntriesFetched) -> Vec<NodeId> {
        let ready = self.ready_to_apply();
        self.effects.extend(self.apply.on_entries_fetched(&self.log, ready, fetched));
        self.fetches.complete(fetched.id)
    }

    /// An append or a heartbeat is processed: entries for the state machine that the store did not
    /// return are requested again.
    pub(crate) const fn retry_failed_fetch(&mut self) {
        self.apply.retry_failed_fetch();
    }
}
