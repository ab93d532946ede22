//! Followers that need compacted entries get a snapshot (Raft §7).

use crate::input::{SendOutcome, SnapshotSent};
use crate::progress::{Progress, ReplicationMode, Stage};
use crate::state::{NodeState, Retention};
use crate::types::{LogIndex, NodeId, Round};

/// Sends a follower a snapshot if it needs one, responds, and none is on its way. Returns whether
/// the follower needs one: then it gets no entries.
pub(super) fn replicate_by_snapshot(
    state: &mut NodeState,
    peer: NodeId,
    progress: &mut Progress,
    round: Round,
) -> bool {
    let needs_compacted = progress.next_index <= state.log().base().index;
    if needs_compacted && !matches!(progress.mode, ReplicationMode::Snapshot(_)) {
        progress.begin_snapshot();
    }
    let has_contact = state.is_recent(progress.last_contact);
    let ReplicationMode::Snapshot(snapshot) = &mut progress.mode else { return false };
    if has_contact
        && snapshot.is_due(state.now())
        && let Some(last) = state.send_snapshot(peer, round)
    {
        snapshot.stage = Stage::Sending { last };
    }
    true
}

/// The follower responds again after an election timeout without a response. The next
/// attempt is made at once: the earlier ones failed because it did not respond.
pub(super) fn on_contact_regained(progress: &mut Progress) {
    if let ReplicationMode::Snapshot(snapshot) = &mut progress.mode {
        snapshot.end_pause();
    }
}

/// There is no snapshot to send: a follower that waits for one retries later.
pub(super) fn on_no_snapshot(state: &NodeState, progress: &mut Progress) {
    if let ReplicationMode::Snapshot(snapshot) = &mut progress.mode
        && snapshot.stage == Stage::Waiting
    {
        snapshot.on_failed(state.now());
    }
}

/// The follower rejects appends after a snapshot was delivered to it. Its log ends at most at
/// `hint`: either the snapshot is lost, or the leader's log was compacted past it.
pub(super) fn on_delivered_in_vain(state: &NodeState, progress: &mut Progress, hint: LogIndex) {
    if let ReplicationMode::Snapshot(snapshot) = &mut progress.mode
        && !snapshot.restart_if_covered(hint)
    {
        snapshot.on_failed(state.now());
    }
}

/// A transfer to this follower has ended. One of an earlier leadership has no effect but that the
/// next one may begin.
pub(super) fn on_sent(
    state: &NodeState,
    progress: &mut Progress,
    sent: SnapshotSent,
    round: Round,
) {
    let ReplicationMode::Snapshot(snapshot) = &mut progress.mode else { return };
    if snapshot.stage != (Stage::Sending { last: sent.last }) {
        return;
    }
    match sent.outcome {
        SendOutcome::Delivered => {
            // Appends of the next round are sent after the delivery.
            snapshot.stage = Stage::Installing { last: sent.last, round: round.next() };
        }
        SendOutcome::Failed => snapshot.on_failed(state.now()),
    }
}

/// The entries that this follower needs.
pub(in crate::role::leader) fn retention_for(
    state: &NodeState,
    progress: &Progress,
) -> Option<Retention> {
    let policy = state.config().compaction;
    let after = match &progress.mode {
        ReplicationMode::Probe { .. } | ReplicationMode::Replicate { .. } => {
            let bytes_max = match progress.behind_snapshot_until {
                Some(_) => policy.snapshot_bytes_max,
                None => policy.follower_bytes_max,
            };
            return Some(Retention { after: progress.match_index, bytes_max });
        }
        ReplicationMode::Snapshot(snapshot) => match snapshot.stage {
            Stage::Sending { last } | Stage::Installing { last, .. } => last.index,
            Stage::Waiting | Stage::Failed { .. } => state.pinned_snapshot_index()?,
        },
    };
    Some(Retention { after, bytes_max: policy.snapshot_bytes_max })
}
