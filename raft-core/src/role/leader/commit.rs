//! Committing by counting durable copies (Raft §5.3, §5.4.2).

use super::Leader;
use crate::config::CommitNotification;
use crate::core::Core;
use crate::types::LogIndex;

impl Leader {
    /// Moves the commit index to what a quorum holds durably, if that ends in an entry of this
    /// term: entries of older terms are committed only along with one (Raft §5.4.2, figure 8).
    pub(crate) fn advance_commit(&mut self, core: &mut Core) {
        let me = core.id();
        let persisted_here = core.log.persisted();
        let held = core.membership().quorum_index(|voter| {
            if voter == me {
                persisted_here
            } else {
                self.progress.get(&voter).map_or(LogIndex::ZERO, |progress| progress.match_index)
            }
        });
        if held <= core.commit_index() || core.log.term_at(held) != Some(core.term()) {
            return;
        }
        core.commit_to(held);
        match core.config.commit_notification {
            CommitNotification::NextMessage => {}
            CommitNotification::Immediate => self.send_heartbeats(core),
        }
    }

    /// Whether an entry of this leader's own term is committed: only then does it know what is
    /// committed at all (Raft §8).
    pub(super) fn has_committed_in_term(core: &Core) -> bool {
        core.log.term_at(core.commit_index()) == Some(core.term())
    }
}
