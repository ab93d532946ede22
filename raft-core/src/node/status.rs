//! What a node says of itself, for metrics, operators and tests.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::Node;
use crate::event::RoleKind;
use crate::membership::Membership;
use crate::progress::{Progress, ReplicationMode};
use crate::role::Role;
use crate::types::{LogId, LogIndex, NodeId, Term};

/// A node's state at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its name.
    pub node: NodeId,
    /// Its role.
    pub role: RoleKind,
    /// Its term.
    pub term: Term,
    /// Whom it voted for in this term.
    pub voted_for: Option<NodeId>,
    /// Who leads this term, if known; itself included.
    pub leader: Option<NodeId>,
    /// The first entry that its log still holds.
    pub first_index: LogIndex,
    /// Its last entry, durable or not.
    pub last_log: LogId,
    /// The last entry that is durable.
    pub persisted_index: LogIndex,
    /// How far it knows the log to be committed.
    pub commit_index: LogIndex,
    /// The highest commit index that the leader of this term has named in an append, or
    /// [`Status::commit_index`] if that is higher. Beyond `commit_index` it covers entries that
    /// this node lacks. A new term begins again with `commit_index`, so that a wrong value lasts
    /// no longer than the term of the leader that sent it.
    pub commit_index_seen: LogIndex,
    /// How far its state machine has applied.
    pub applied_index: LogIndex,
    /// The entry at which the state machine failed, while it is not applied.
    pub apply_failed_at: Option<LogIndex>,
    /// How long the disk has made no progress although a persist is outstanding; zero while none
    /// is. As of the last step: at a leader not older than a heartbeat interval.
    pub storage_waiting: Duration,
    /// Bytes of entries in memory: those that are not durable yet, and recent ones up to
    /// [`Limits::tail_bytes_max`](crate::Limits::tail_bytes_max).
    pub tail_bytes: u64,
    /// The configuration in force.
    pub membership: Membership,
    /// Bytes of commands that were proposed here, are not applied here yet, and whose callers
    /// wait: at most [`Limits::unapplied_bytes_max`](crate::Limits::unapplied_bytes_max).
    pub unapplied_bytes: u64,
    /// At a leader: how far each of the others has come.
    pub progress: BTreeMap<NodeId, ProgressStatus>,
}

/// How far one follower has come, as its leader knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgressStatus {
    /// How it is fed.
    pub kind: ProgressKind,
    /// The last entry known to be durable there.
    pub match_index: LogIndex,
    /// The next entry to send.
    pub next_index: LogIndex,
    /// Appends with entries that it has not answered yet.
    pub inflight_appends: usize,
}

/// How a follower is fed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressKind {
    /// One append at a time, to find where the logs agree.
    Probe,
    /// Pipelined.
    Replicate,
}

impl Node {
    /// The node's state now. Costs a few allocations: not for every step.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.state();
        let progress = match &self.role {
            Role::Leader(leader) => {
                leader.progress().iter().map(|(&peer, p)| (peer, p.into())).collect()
            }
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => BTreeMap::new(),
        };
        Status {
            node: state.id(),
            role: self.role.kind(),
            term: state.term(),
            voted_for: state.voted_for(),
            leader: state.leader,
            first_index: state.log.terms().base().index.next(),
            last_log: state.log.last(),
            persisted_index: state.log.persisted(),
            commit_index: state.commit_index(),
            commit_index_seen: state.commit_index().max(state.leader_commit),
            applied_index: state.apply.applied(),
            apply_failed_at: state.apply.failed(),
            storage_waiting: state.storage_waiting(),
            tail_bytes: state.log.tail_bytes(),
            membership: state.membership().clone(),
            unapplied_bytes: state.apply.unapplied_bytes(),
            progress,
        }
    }

    /// Its role; cheap.
    #[must_use]
    pub const fn role(&self) -> RoleKind {
        self.role.kind()
    }

    /// Its term; cheap.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.state().term()
    }

    /// Who leads this term, if known, itself included; cheap.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        self.state().leader
    }

    /// How far it knows the log to be committed; cheap.
    #[must_use]
    pub const fn commit_index(&self) -> LogIndex {
        self.state().commit_index()
    }

    /// How far its state machine has applied; cheap.
    #[must_use]
    pub const fn applied_index(&self) -> LogIndex {
        self.state().apply.applied()
    }

    /// Its last entry, durable or not; cheap.
    #[must_use]
    pub fn last_log(&self) -> LogId {
        self.state().log.last()
    }

    /// The last entry that is durable; cheap.
    #[must_use]
    pub const fn persisted_index(&self) -> LogIndex {
        self.state().log.persisted()
    }

    /// Whom it voted for in this term; cheap.
    #[must_use]
    pub const fn voted_for(&self) -> Option<NodeId> {
        self.state().voted_for()
    }

    /// The term of an entry that is in its log, or of the one before the first.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.state().log.term_at(index)
    }
}

impl From<&Progress> for ProgressStatus {
    fn from(progress: &Progress) -> Self {
        let (kind, inflight_appends) = match &progress.mode {
            ReplicationMode::Probe { outstanding } => {
                (ProgressKind::Probe, usize::from(outstanding.is_some()))
            }
            ReplicationMode::Replicate { inflights } => {
                (ProgressKind::Replicate, inflights.count())
            }
        };
        Self {
            kind,
            match_index: progress.match_index,
            next_index: progress.next_index,
            inflight_appends,
        }
    }
}
