//! What must hold in one node after every step. Kept on in release: the checks are a few
//! comparisons.

use crate::state::NodeState;
use crate::types::LogIndex;

/// Stops the node if its own state contradicts itself.
///
/// # Panics
/// With the sentence that is broken.
pub(crate) fn check(state: &NodeState) {
    let base = state.log.terms().base();
    let last = state.log.last();
    let commit = state.commit_index();
    assert!(last.term <= state.term(), "no entry comes from a term after the node's own");
    assert!(state.log.persisted() <= last.index, "only what is in the log is durable");
    assert!(commit <= last.index, "only what is in the log is committed here");
    assert!(commit >= base.index, "what was compacted is committed");
    assert!(state.apply.dispatched() <= commit, "only what is committed is applied");
    assert!(
        state.apply.applied() <= state.apply.dispatched(),
        "applied trails what was handed out"
    );
}

/// Stops a leader that advanced its commit index past `before` in this step, unless the advance
/// ends at an entry of its own term (Raft §5.4.2). Called after each step that ends as leader.
///
/// # Panics
/// If the entry is of an older term.
pub(crate) fn check_leader_commit(state: &NodeState, before: LogIndex) {
    let commit = state.commit_index();
    assert!(
        commit == before || state.log.term_at(commit) == Some(state.term()),
        "a leader's commit index advances only to an entry of its own term"
    );
}
