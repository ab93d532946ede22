//! What must hold in one node after every step. Kept on in release: the checks are a few
//! comparisons.

use crate::core::Core;
use crate::types::LogIndex;

/// Stops the node if its own state contradicts itself.
///
/// # Panics
/// With the sentence that is broken.
pub(crate) fn check(core: &Core) {
    let base = core.log.terms().base();
    let last = core.log.last();
    let commit = core.commit_index();
    assert!(last.term <= core.term(), "no entry comes from a term after the node's own");
    assert!(core.log.persisted() <= last.index, "only what is in the log is durable");
    assert!(commit <= last.index, "only what is in the log is committed here");
    assert!(commit >= base.index, "what was compacted is committed");
    assert!(core.apply.handed() <= commit, "only what is committed is applied");
    assert!(core.apply.applied() <= core.apply.handed(), "applied trails what was handed out");
}

/// Stops a leader that advanced its commit index past `before` in this step, unless the advance
/// ends at an entry of its own term (Raft §5.4.2). Called after each step that ends as leader.
///
/// # Panics
/// If the entry is of an older term.
pub(crate) fn check_leader_commit(core: &Core, before: LogIndex) {
    let commit = core.commit_index();
    assert!(
        commit == before || core.log.term_at(commit) == Some(core.term()),
        "a leader's commit index advances only to an entry of its own term"
    );
}
