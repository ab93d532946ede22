//! A snapshot of a node's state, for metrics, operators and tests.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::config::Settings;
use crate::event::RoleKind;
use crate::membership::{Membership, Participation};
use crate::progress::{Progress, ReplicationMode, Stage};
use crate::role::{Leader, Role};
use crate::state::NodeState;
use crate::types::{LogId, LogIndex, NodeId, Term, Timestamp};

/// A node's state at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its id.
    pub node: NodeId,
    /// Its role.
    pub role: RoleKind,
    /// Its term.
    pub term: Term,
    /// The candidate that it voted for in this term.
    pub voted_for: Option<NodeId>,
    /// The leader of this term, if known; this node included.
    pub leader: Option<NodeId>,
    /// At a leader: the target of the transfer of leadership in progress.
    pub transfer_target: Option<NodeId>,
    /// At a leader with a lease: when the lease ends or ended, by the node's own clock. Leased reads
    /// need no messages before that time.
    pub lease_end: Option<Timestamp>,
    /// How old the applied state may be: it contains every write that was acknowledged at least
    /// this long ago. `None` while the node does not know. Only reads make it known, so that it
    /// grows on a node without reads ([`ReadConsistency::Local`](crate::ReadConsistency::Local)).
    pub staleness: Option<Duration>,
    /// The first entry that its log still holds.
    pub first_index: LogIndex,
    /// Its last entry, durable or not.
    pub last_log: LogId,
    /// The last entry that is durable.
    pub persisted_index: LogIndex,
    /// The last entry that is known here to be committed.
    pub commit_index: LogIndex,
    /// The highest commit index that the leader of this term has sent in an append, or
    /// [`Status::commit_index`] if that is higher. Beyond `commit_index` it covers entries that
    /// this node lacks. A new term begins again with `commit_index`, so that a wrong value lasts
    /// no longer than the term of the leader that sent it.
    pub commit_index_seen: LogIndex,
    /// The last entry that its state machine has applied.
    pub applied_index: LogIndex,
    /// The last entry whose effect is durable in the state machine or in a snapshot
    /// ([`Input::DurablyApplied`](crate::Input::DurablyApplied)): the log is compacted up to here at
    /// most.
    pub durably_applied_index: LogIndex,
    /// The entry at which the state machine failed, while it is not applied.
    pub apply_failed_at: Option<LogIndex>,
    /// How long the disk has made no progress although a persist is outstanding; zero while none
    /// is. As of the last step: at a leader not older than a heartbeat interval.
    pub storage_waiting: Duration,
    /// Bytes of entries in memory: those that are not durable yet, and recent ones up to
    /// [`Limits::tail_bytes_max`](crate::Limits::tail_bytes_max).
    pub tail_bytes: u64,
    /// Bytes of all entries that the log holds, in memory or not, in
    /// [`Entry::weight_bytes`](crate::Entry::weight_bytes); those that were recovered at the start
    /// are estimated.
    pub log_bytes: u64,
    /// The configuration in force.
    pub membership: Membership,
    /// Its version: the index of its entry. It is committed once `commit_index` is not less.
    pub membership_version: LogIndex,
    /// The settings in force: the node's own, with those of the configuration in their place.
    pub settings: Settings,
    /// What that configuration makes of this node.
    pub participation: Participation,
    /// Bytes of commands that were proposed here, are not applied here yet, and whose callers
    /// wait: at most [`Limits::unapplied_bytes_max`](crate::Limits::unapplied_bytes_max).
    pub unapplied_bytes: u64,
    /// At a leader: the progress of each other member, and of removed ones that do not know of
    /// their removal yet. Empty at other nodes.
    pub progress: BTreeMap<NodeId, ProgressStatus>,
}

/// How far one follower is replicated, according to its responses to the leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgressStatus {
    /// How entries are sent to it.
    pub kind: ProgressKind,
    /// The last entry known to be durable there.
    pub match_index: LogIndex,
    /// The next entry to send.
    pub next_index: LogIndex,
    /// Appends with entries that it has not acknowledged yet.
    pub inflight_appends: usize,
    /// The snapshot that it needs first, while it needs one.
    pub snapshot: Option<SnapshotProgress>,
    /// Whether it keeps up with the log, so that a learner may be promoted (thesis §4.2.1).
    pub is_caught_up: bool,
    /// It is no longer a member. The leader sends to it until it knows.
    pub is_removed: bool,
}

/// How far a follower is with the snapshot that it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotProgress {
    /// The last entry of the snapshot that is sent or installed.
    pub last: Option<LogId>,
    /// The stage.
    pub stage: SnapshotStage,
}

/// The stage of a follower that needs a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotStage {
    /// A snapshot is taken, or an earlier transfer to the follower has not ended.
    Waiting,
    /// The host sends it.
    Sending,
    /// It is delivered; the follower installs it and has not acknowledged it.
    Installing,
    /// The last attempt failed; the next one follows after a pause.
    Failed,
}

/// How entries are sent to a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressKind {
    /// One append at a time, to find where the logs agree.
    Probe,
    /// Pipelined.
    Replicate,
    /// It needs entries that are compacted, and gets a snapshot first.
    Snapshot,
}

impl Status {
    pub(super) fn new(state: &NodeState, role: &Role) -> Self {
        let progress = role.as_leader().map_or_else(BTreeMap::new, |leader| {
            let timeout = state.config().election_timeout_min;
            let status = |progress| ProgressStatus::new(progress, state.now(), timeout);
            leader.progress().iter().map(|(&peer, progress)| (peer, status(progress))).collect()
        });
        Self {
            node: state.id(),
            role: role.kind(),
            term: state.term(),
            voted_for: state.voted_for(),
            leader: state.leader(),
            lease_end: role.as_leader().and_then(|leader| leader.lease_end(state)),
            transfer_target: role.as_leader().and_then(Leader::transfer_target),
            staleness: state.staleness(),
            first_index: state.log().base().index.next(),
            last_log: state.log().last(),
            persisted_index: state.log().persisted(),
            commit_index: state.commit_index(),
            commit_index_seen: state.commit_index_seen(),
            applied_index: state.apply().applied(),
            durably_applied_index: state.apply().durably_applied(),
            apply_failed_at: state.apply().failed(),
            storage_waiting: state.storage_waiting(),
            tail_bytes: state.log().tail_bytes(),
            log_bytes: state.log().bytes_between(LogIndex::ZERO, state.log().last().index),
            membership: state.membership().clone(),
            membership_version: state.membership_version(),
            settings: Settings::clone(state.config()),
            participation: state.participation(),
            unapplied_bytes: state.apply().unapplied_bytes(),
            progress,
        }
    }
}

impl ProgressStatus {
    fn new(progress: &Progress, now: Timestamp, timeout: Duration) -> Self {
        let (kind, inflight_appends, snapshot) = match &progress.mode {
            ReplicationMode::Probe { outstanding } => {
                (ProgressKind::Probe, usize::from(outstanding.is_some()), None)
            }
            ReplicationMode::Replicate { inflights } => {
                (ProgressKind::Replicate, inflights.count(), None)
            }
            ReplicationMode::Snapshot(snapshot) => {
                (ProgressKind::Snapshot, 0, Some(SnapshotProgress::from(snapshot.stage)))
            }
        };
        Self {
            kind,
            match_index: progress.match_index,
            next_index: progress.next_index,
            inflight_appends,
            snapshot,
            is_caught_up: progress.catch_up.is_caught_up(now, timeout),
            is_removed: progress.departure.is_some(),
        }
    }
}

impl From<Stage> for SnapshotProgress {
    fn from(stage: Stage) -> Self {
        let (last, stage) = match stage {
            Stage::Waiting => (None, SnapshotStage::Waiting),
            Stage::Sending { last } => (Some(last), SnapshotStage::Sending),
            Stage::Installing { last, .. } => (Some(last), SnapshotStage::Installing),
            Stage::Failed { .. } => (None, SnapshotStage::Failed),
        };
        Self { last, stage }
    }
}
