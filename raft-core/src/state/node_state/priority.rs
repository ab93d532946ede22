//! What the priorities of the voters mean for this node.

use alloc::collections::BTreeSet;

use super::NodeState;
use crate::membership::Priority;

/// A node waits for at most this many higher priorities, so that an election takes a bounded time.
const HIGHER_PRIORITIES_MAX: usize = 3;

impl NodeState {
    /// Whether this node campaigns without a request: it may, and its priority permits it.
    pub(crate) fn campaigns(&self) -> bool {
        self.may_campaign() && !self.waits_for_request()
    }

    /// Whether this node campaigns on request only.
    pub(crate) fn waits_for_request(&self) -> bool {
        self.membership().priority(self.id()) == Priority::NEVER
    }

    /// How many different priorities above that of this node the voters have, three at most.
    pub(super) fn higher_priorities(&self) -> u32 {
        let membership = self.membership();
        if membership.nodes.is_empty() {
            return 0;
        }
        let own = membership.priority(self.id());
        let others = membership.voters.iter().map(|&voter| membership.priority(voter));
        let higher: BTreeSet<Priority> = others.filter(|&other| other > own).collect();
        u32::try_from(higher.len().min(HIGHER_PRIORITIES_MAX)).unwrap_or_default()
    }
}
