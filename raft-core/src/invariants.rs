//! What must hold in one node after every step. Kept on in release: the checks are a few
//! comparisons.

use crate::core::Core;

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
