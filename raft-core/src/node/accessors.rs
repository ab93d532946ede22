//! Reading a node's state.

use alloc::vec::Vec;

use super::{Node, Status};
use crate::event::RoleKind;
use crate::explain::{Explanation, LeaderFinding};
use crate::membership::Membership;
use crate::types::{LogId, LogIndex, NodeId, Term, Timestamp};

impl Node {
    /// A snapshot of the node's state. Costs a few allocations: not for every step.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::new(&self.state, &self.role)
    }

    /// What the node waits for, and why: a missing leader, entries that are not committed or not
    /// applied, reads, followers, changes of the membership, compaction. Costs allocations: not for
    /// every step.
    #[must_use]
    pub fn explain(&self, now: Timestamp) -> Explanation {
        let now = now.max(self.state.now());
        let mut findings = Vec::new();
        if self.halted {
            findings.push(LeaderFinding::Halted.into());
        }
        self.role.explain(&self.state, now, &mut findings);
        self.state.explain(now, &mut findings);
        let (term, leader) = (self.state.term(), self.state.leader());
        Explanation::new(self.state.id(), self.role.kind(), term, leader, findings)
    }

    /// Its role; cheap.
    #[must_use]
    pub const fn role(&self) -> RoleKind {
        self.role.kind()
    }

    /// Its term; cheap.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.state.term()
    }

    /// The leader of this term, if known, this node included; cheap.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        self.state.leader()
    }

    /// The candidate that it voted for in this term; cheap.
    #[must_use]
    pub const fn voted_for(&self) -> Option<NodeId> {
        self.state.voted_for()
    }

    /// Its commit index; cheap.
    #[must_use]
    pub const fn commit_index(&self) -> LogIndex {
        self.state.commit_index()
    }

    /// The last entry that its state machine has applied; cheap.
    #[must_use]
    pub const fn applied_index(&self) -> LogIndex {
        self.state.apply().applied()
    }

    /// The last entry that is durable; cheap.
    #[must_use]
    pub const fn persisted_index(&self) -> LogIndex {
        self.state.log().persisted()
    }

    /// Its last entry, durable or not; cheap.
    #[must_use]
    pub fn last_log(&self) -> LogId {
        self.state.log().last()
    }

    /// The term of an entry that is in its log, or of the one before the first; cheap.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.state.log().term_at(index)
    }
    /// The configuration in force at an entry of the log or at its base, with its own index: what a
    /// snapshot up to there carries (Raft §7). `None` if it is not known any more; cheap.
    #[must_use]
    pub fn membership_at(&self, index: LogIndex) -> Option<(LogIndex, &Membership)> {
        self.state.membership_at(index)
    }
}
