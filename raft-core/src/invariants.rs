//! What must hold in one node after every step. The checks are a few comparisons and stay on in
//! release builds.

use crate::state::NodeState;
use crate::types::LogIndex;

/// Checks that the state of a node does not contradict itself.
///
/// # Panics
/// With the rule that is broken.
pub(crate) fn check(state: &NodeState) {
    let log = state.log();
    let base = log.base();
    let last = log.last();
    let commit = state.commit_index();
    let apply = state.apply();
    assert!(last.term <= state.term(), "no entry is of a later term than the node's own");
    assert!(log.persisted() <= last.index, "only entries in the log are durable");
    assert!(commit <= last.index, "only entries in the log are committed here");
    assert!(commit >= base.index, "compacted entries are committed");
    assert!(apply.dispatched() <= commit, "only committed entries are dispatched");
    assert!(apply.applied() <= apply.dispatched(), "only dispatched entries are applied");
    assert!(base.index <= apply.durably_applied(), "only durably applied entries are compacted");
    assert!(
        apply.restoring().is_none_or(|restoring| restoring <= log.persisted()),
        "a snapshot is restored once its reset of the log is durable"
    );
}

/// Checks that a leader which advanced its commit index past `before` in this step advanced it to
/// an entry of its own term (Raft §5.4.2). Called after each step that ends as leader.
///
/// # Panics
/// If the entry is of an older term.
pub(crate) fn check_leader_commit(state: &NodeState, before: LogIndex) {
    let commit = state.commit_index();
    assert!(
        commit == before || state.log().term_at(commit) == Some(state.term()),
        "a leader's commit index advances only to an entry of its own term"
    );
}
