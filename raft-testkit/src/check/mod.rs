//! The rules of Raft, checked over the whole cluster after every event.
//!
//! Everything is incremental: what an event changes is compared with what is known from before,
//! and no event costs a walk along a log. The checker sees what a node hands to its disk, what
//! became durable, what it sends, commits and applies - never the inside of a node.

mod commit;
mod durability;
mod election;
mod log;
mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use raft_core::{
    Entry, HardState, LogIndex, Membership, NodeId, Payload, Persist, RoleKind, Status, Term,
};

use self::commit::CommittedEntries;
use self::election::Leaders;
use self::log::EntryRegistry;
use self::read::ReadConfirmations;

/// A rule that broke.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule's name and what it says.
    pub rule: Rule,
    /// What was known before.
    pub earlier: Observation,
    /// What contradicts it.
    pub later: Observation,
}

/// One side of a contradiction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// What was seen.
    pub text: String,
    /// The record of the trace that it was seen at.
    pub record: u64,
}

/// The rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// At most one leader a term (Raft figure 3).
    ElectionSafety,
    /// A leader never overwrites or deletes entries of its own log (Raft figure 3).
    LeaderAppendOnly,
    /// Two logs with an entry of the same index and term are the same up to there (Raft figure 3).
    LogMatching,
    /// What is committed is in the log of every later leader (Raft figure 3).
    LeaderCompleteness,
    /// No two nodes commit or apply different entries at one index (Raft figure 3).
    StateMachineSafety,
    /// The same commands in the same order give the same outputs.
    SameOutputs,
    /// Entries are applied once a life, in order, committed and durable.
    AppliedInOrder,
    /// A node's term never falls, not even through a crash.
    TermMonotonic,
    /// A node's commit index never falls while it lives.
    CommitMonotonic,
    /// At most one vote a term is durable, and no other is given.
    OneVote,
    /// Nothing is promised before it is durable.
    PersistBeforeSend,
    /// What is committed is durable on a majority.
    CommitOnQuorum,
    /// A leader's commit index advances only to an entry of its own term, and no other node
    /// commits an entry before a leader does (Raft §5.4.2, figure 8).
    CommitInOwnTerm,
    /// A committed entry is never removed from a log that holds it.
    CommittedKept,
    /// What was durable is there after a restart.
    DurableKept,
    /// What a client was told is applied is what was committed there.
    AcknowledgedKept,
    /// A read sees every write and every read that ended before it began (thesis §6.4).
    ReadsAreCurrent,
    /// A leader answers a read only after a quorum has acknowledged, in the leader's term, a round
    /// of appends that began after the read arrived (thesis §6.4).
    ReadsAreConfirmed,
}

impl Rule {
    /// The rule's name, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ElectionSafety => "election safety",
            Self::LeaderAppendOnly => "leader append-only",
            Self::LogMatching => "log matching",
            Self::LeaderCompleteness => "leader completeness",
            Self::StateMachineSafety => "state machine safety",
            Self::SameOutputs => "same outputs",
            Self::AppliedInOrder => "applied in order",
            Self::TermMonotonic => "monotonic term",
            Self::CommitMonotonic => "monotonic commit",
            Self::OneVote => "one vote a term",
            Self::PersistBeforeSend => "no promise before its persist",
            Self::CommitOnQuorum => "committed means durable on a majority",
            Self::CommitInOwnTerm => "leaders commit entries of their own term",
            Self::CommittedKept => "committed entries are kept",
            Self::DurableKept => "what was durable survives a restart",
            Self::AcknowledgedKept => "acknowledged writes are kept",
            Self::ReadsAreCurrent => "reads are current",
            Self::ReadsAreConfirmed => "reads are confirmed by a quorum",
        }
    }
}

/// What an entry is, for comparing: its term and a digest of what it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryDigest {
    pub(crate) term: Term,
    pub(crate) payload: u64,
}

impl EntryDigest {
    fn of(entry: &Entry) -> Self {
        Self { term: entry.term(), payload: payload_digest(&entry.payload) }
    }
}

fn payload_digest(payload: &Payload) -> u64 {
    let mut hasher = DefaultHasher::new();
    match payload {
        Payload::Empty => 0_u8.hash(&mut hasher),
        Payload::Command(command) => (1_u8, command).hash(&mut hasher),
        Payload::Membership(members) => {
            (2_u8, &members.voters, &members.outgoing, &members.learners).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// What the checker knows of one node.
#[derive(Clone, Debug, Default)]
struct ObservedNode {
    /// Its log as it stands in memory: everything that it ever handed to its disk, less what it
    /// took back. `log[i]` is the entry at index i + 1.
    log: Vec<EntryDigest>,
    /// Its log as it is durable.
    durable: Vec<EntryDigest>,
    hard_state: HardState,
    term: Term,
    commit: LogIndex,
    applied: LogIndex,
    role: Option<RoleKind>,
}

impl ObservedNode {
    fn at(log: &[EntryDigest], index: LogIndex) -> Option<EntryDigest> {
        log.get(offset_of(index)?).copied()
    }
}

/// Where an index lies in a list that begins with index 1.
fn offset_of(index: LogIndex) -> Option<usize> {
    usize::try_from(index.get().checked_sub(1)?).ok()
}

/// Watches a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    nodes: Vec<ObservedNode>,
    membership: Membership,
    registry: EntryRegistry,
    leaders: Leaders,
    committed: CommittedEntries,
    /// The candidate that each node has given its vote to, a term.
    votes: HashMap<(NodeId, Term), (NodeId, u64)>,
    /// The highest index that a client has seen the effect of, and when.
    client_seen: (LogIndex, u64),
    confirmations: ReadConfirmations,
    violation: Option<Violation>,
}

impl Checker {
    pub(crate) fn new(size: usize, membership: Membership) -> Self {
        Self {
            nodes: vec![ObservedNode::default(); size],
            membership,
            registry: EntryRegistry::default(),
            leaders: Leaders::default(),
            committed: CommittedEntries::default(),
            votes: HashMap::new(),
            client_seen: (LogIndex::ZERO, 0),
            confirmations: ReadConfirmations::new(size),
            violation: None,
        }
    }

    pub(crate) const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Keeps the first violation: what follows from it is noise.
    fn violate(&mut self, rule: Rule, earlier: (String, u64), later: (String, u64)) {
        if self.violation.is_none() {
            let witness = |(text, record)| Observation { text, record };
            self.violation =
                Some(Violation { rule, earlier: witness(earlier), later: witness(later) });
        }
    }

    /// The node handed a change to its disk.
    pub(crate) fn on_persist(&mut self, at: usize, change: &Persist, record: u64) {
        self.check_truncation(at, change, record);
        for entry in &change.entries {
            self.check_append(at, entry, record);
        }
    }

    /// The change is durable.
    pub(crate) fn on_durable(&mut self, at: usize, change: &Persist, record: u64) {
        if let Some(hard_state) = change.hard_state {
            self.check_durable_vote(at, hard_state, record);
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        if let Some(from) = change.truncate_from {
            node.durable.truncate(offset_of(from).unwrap_or(0));
        }
        node.durable.extend(change.entries.iter().map(EntryDigest::of));
    }

    /// The node is as this says after an event.
    pub(crate) fn observe(&mut self, at: usize, status: &Status, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        if status.term != node.term {
            if status.term < node.term {
                let earlier = (format!("{:?} was in term {}", status.node, node.term), record);
                let later = (format!("{:?} is in term {}", status.node, status.term), record);
                self.violate(Rule::TermMonotonic, earlier, later);
                return;
            }
            node.term = status.term;
            node.role = None;
        }
        if node.role != Some(status.role) {
            node.role = Some(status.role);
            if status.role == RoleKind::Leader {
                self.on_leader(at, status, record);
            }
        }
        let Some(node) = self.nodes.get(at) else { return };
        if status.commit_index != node.commit {
            self.on_commit_moved(at, status, record);
        }
    }

    /// The node's process is gone: what was not durable is forgotten.
    pub(crate) fn on_crash(&mut self, at: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.log.clone_from(&node.durable);
            node.term = node.hard_state.term;
            node.role = None;
            node.commit = LogIndex::ZERO;
            node.applied = LogIndex::ZERO;
        }
        self.confirmations.forget_reads_of(log::node_id(at));
    }

    /// The node came back and says what it holds.
    pub(crate) fn on_restart(
        &mut self,
        at: usize,
        status: &Status,
        applied: LogIndex,
        record: u64,
    ) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        node.applied = applied;
        let kept = node.durable.len() as u64;
        let hard_state = node.hard_state;
        let same = status.last_log.index.get() == kept
            && status.last_log.term == node.durable.last().map_or(Term(0), |digest| digest.term)
            && status.term == hard_state.term
            && status.voted_for == hard_state.voted_for;
        if !same {
            let had = format!(
                "{:?} had {kept} durable entries, term {} and vote {:?}",
                status.node, hard_state.term, hard_state.voted_for
            );
            let has = format!(
                "{:?} came back with last entry {}, term {} and vote {:?}",
                status.node, status.last_log, status.term, status.voted_for
            );
            self.violate(Rule::DurableKept, (had, record), (has, record));
            return;
        }
        self.observe(at, status, record);
    }

    /// A test set the node's term and vote by hand: what was known of them no longer binds.
    pub(crate) fn on_staged(&mut self, at: usize, id: NodeId, hard_state: HardState) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.hard_state = hard_state;
            node.term = hard_state.term;
            self.votes.retain(|&(voter, term), _| voter != id || term < hard_state.term);
        }
    }
}
