//! Committing by counting durable copies (Raft §5.3, §5.4.2).

use super::Leader;
use crate::config::CommitNotification;
use crate::state::NodeState;
use crate::types::LogIndex;

impl Leader {
    /// Moves the commit index to what a quorum holds durably, if that ends in an entry of this
    /// term: entries of older terms are committed only along with one (Raft §5.4.2, figure 8).
    pub(crate) fn advance_commit(&mut self, state: &mut NodeState) {
        let me = state.id();
        let persisted_here = state.log.persisted();
        let held = state.membership().quorum_index(|voter| {
            if voter == me {
                persisted_here
            } else {
                self.progress.get(&voter).map_or(LogIndex::ZERO, |progress| progress.match_index)
            }
        });
        if held <= state.commit_index() || state.log.term_at(held) != Some(state.term()) {
            return;
        }
        state.commit_to(held);
        match state.config.commit_notification {
            CommitNotification::NextMessage => {}
            CommitNotification::Immediate => self.send_heartbeats(state),
        }
    }

    /// Whether an entry of this leader's own term is committed: only then does it know what is
    /// committed at all (Raft §8).
    pub(super) fn has_committed_in_term(state: &NodeState) -> bool {
        state.log.term_at(state.commit_index()) == Some(state.term())
    }
}
