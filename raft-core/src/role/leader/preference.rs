//! The voter that is to lead instead of this node: one of a higher priority.

use super::commit;
use super::replication::Replication;
use crate::state::NodeState;
use crate::types::{NodeId, Timestamp};

/// A voter must be preferred for this many election timeouts before it is to lead, so that one that
/// comes and goes does not disturb the cluster.
const STABLE_TIMEOUTS: u32 = 10;

/// The preferred voter, if there is one. Part of a leadership: the next one begins without.
#[derive(Clone, Debug, Default)]
pub(super) struct Preference {
    /// The voter, and since when it has been preferred.
    voter: Option<(NodeId, Timestamp)>,
}

impl Preference {
    /// A heartbeat is due, and no transfer is in progress. Returns the voter that is to lead now. A
    /// transfer that fails is not repeated before the same time has passed again.
    pub(super) fn due(&mut self, state: &NodeState, replication: &Replication) -> Option<NodeId> {
        let Some(preferred) = preferred(state, replication) else {
            self.voter = None;
            return None;
        };
        let since = match self.voter {
            Some((voter, since)) if voter == preferred => since,
            Some(_) | None => state.now(),
        };
        let stable = state.config().election_timeout_min.saturating_mul(STABLE_TIMEOUTS);
        let is_due = state.now() >= since.after(stable);
        self.voter = Some((preferred, if is_due { state.now() } else { since }));
        is_due.then_some(preferred)
    }
}

/// The voter of the highest priority above that of this node that keeps up with the log; of several
/// the one with the lowest id.
fn preferred(state: &NodeState, replication: &Replication) -> Option<NodeId> {
    let membership = state.membership();
    if membership.nodes.is_empty() || !commit::has_committed_in_term(state) {
        return None;
    }
    let is_final = state.membership_is_committed() && !membership.is_joint();
    let own = membership.priority(state.id());
    let voters = membership.voters.iter().copied().filter(|&voter| {
        membership.priority(voter) > own
            && replication.is_caught_up(state, voter)
            && replication.has_recent_contact_with(state, voter)
    });
    // Of several maxima `max_by_key` returns the last.
    let best = voters.rev().max_by_key(|&voter| membership.priority(voter));
    best.filter(|_| is_final)
}
