//! Commitment by counting durable copies (Raft §5.3, §5.4.2).

use super::replication::Replication;
use crate::state::NodeState;
use crate::types::LogIndex;

/// The highest index that a quorum holds durably, if it is above the commit index and its entry is
/// of this term: entries of older terms are committed only along with one of this term (Raft
/// §5.4.2, figure 8).
pub(super) fn next_commit_index(state: &NodeState, replication: &Replication) -> Option<LogIndex> {
    let held = state.membership().quorum_index(|voter| {
        if voter == state.id() { state.log().persisted() } else { replication.match_index(voter) }
    });
    let advances = held > state.commit_index();
    (advances && state.log().term_at(held) == Some(state.term())).then_some(held)
}

/// Whether an entry of this leader's own term is committed: before that it does not know which
/// entries are (Raft §8).
pub(super) fn has_committed_in_term(state: &NodeState) -> bool {
    state.log().term_at(state.commit_index()) == Some(state.term())
}
