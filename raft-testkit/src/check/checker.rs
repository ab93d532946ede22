//! The checker, and the notifications about disks and nodes.

use std::collections::{BTreeMap, HashMap, HashSet};

use raft_core::{
    HardState, Incarnation, LogIndex, Membership, NodeId, Persist, RoleKind, Status, Term,
    Timestamp,
};

use super::committed::CommittedEntries;
use super::confirmations::ReadConfirmations;
use super::known_entries::EntryRegistry;
use super::membership_log::MembershipLog;
use super::observed::{EntryDigest, ObservedNode, node_id, offset_of, vote_text};
use super::rule::Rule;
use super::violation::{Observation, Violation};

/// Checks the rules over a cluster. The cluster notifies it of every event.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    pub(super) nodes: Vec<ObservedNode>,
    /// The configuration with which the cluster is bootstrapped.
    pub(super) membership: Membership,
    pub(super) registry: EntryRegistry,
    /// The leader of each term, and the record at which it was observed first.
    pub(super) leaders: HashMap<Term, (NodeId, u64)>,
    pub(super) committed: CommittedEntries,
    /// The candidate that each node has granted its vote of a term, and the record of the vote.
    /// By voter, incarnation of the voter, and term.
    pub(super) votes: HashMap<(NodeId, Incarnation, Term), (NodeId, u64)>,
    /// The candidates that received forged votes, with the terms.
    pub(super) forged_votes: HashSet<(NodeId, Term)>,
    /// The highest index whose effect a client has seen, and the record at which it did.
    pub(super) client_seen: (LogIndex, u64),
    /// The values of `client_seen`, each with the virtual time since when it holds.
    pub(super) seen_at: Vec<(Timestamp, LogIndex, u64)>,
    pub(super) confirmations: ReadConfirmations,
    /// The virtual time of the last event.
    pub(super) now: Timestamp,
    /// The reads that a lease has permitted.
    pub(crate) leased_reads: u64,
    /// The durable logs that earlier incarnations of nodes had when their disks were wiped: what
    /// they acknowledged before counts for them.
    pub(super) wiped_logs: HashMap<(NodeId, Incarnation), Vec<EntryDigest>>,
    /// The campaigns that a leader has requested: the node, and the term of its campaign.
    pub(super) campaigns_requested: HashSet<(NodeId, Term)>,
    /// Every configuration that any node has appended.
    pub(super) memberships: BTreeMap<(LogIndex, Term), Membership>,
    pub(super) violation: Option<Violation>,
}

impl Checker {
    /// A checker of `size` nodes, of which the members of this configuration are bootstrapped.
    pub(crate) fn new(size: usize, membership: &Membership) -> Self {
        let observed = |at| {
            let memberships = if membership.contains(node_id(at)) {
                MembershipLog::bootstrapped(membership.clone())
            } else {
                MembershipLog::default()
            };
            let durable_memberships = memberships.clone();
            let incarnation = Incarnation(1);
            ObservedNode {
                memberships,
                durable_memberships,
                incarnation,
                ..ObservedNode::default()
            }
        };
        Self {
            nodes: (0..size).map(observed).collect(),
            membership: membership.clone(),
            forged_votes: HashSet::new(),
            registry: EntryRegistry::default(),
            leaders: HashMap::new(),
            committed: CommittedEntries::default(),
            votes: HashMap::new(),
            client_seen: (LogIndex::ZERO, 0),
            seen_at: Vec::new(),
            confirmations: ReadConfirmations::new(size),
            now: Timestamp(0),
            leased_reads: 0,
            wiped_logs: HashMap::new(),
            campaigns_requested: HashSet::new(),
            memberships: BTreeMap::new(),
            violation: None,
        }
    }

    pub(crate) const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Records the first violation. Later ones are consequences of it.
    pub(super) fn record_violation(
        &mut self,
        rule: Rule,
        earlier: (String, u64),
        later: (String, u64),
    ) {
        if self.violation.is_none() {
            let observation = |(text, record)| Observation { text, record };
            self.violation =
                Some(Violation { rule, earlier: observation(earlier), later: observation(later) });
        }
    }

    /// A node submitted a change to its disk; `commit` is its commit index after the step.
    pub(crate) fn on_persist(
        &mut self,
        at: usize,
        change: &Persist,
        commit: LogIndex,
        record: u64,
    ) {
        if let Some(reset) = &change.reset {
            self.check_reset(at, reset, change.hard_state, record);
        }
        self.check_truncation(at, change, record);
        for entry in &change.entries {
            self.check_membership_appended(at, entry, commit, record);
            self.check_append(at, entry, record);
        }
    }

    /// A change became durable.
    pub(crate) fn on_durable(&mut self, at: usize, change: &Persist, record: u64) {
        if let Some(hard_state) = change.hard_state {
            self.check_durable_vote(at, hard_state, record);
        }
        if let Some(reset) = &change.reset {
            self.on_durable_reset(at, reset);
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        if let Some(from) = change.truncate_from {
            node.durable.truncate(offset_of(from).unwrap_or(0));
            node.durable_memberships.truncate_from(from);
        }
        node.durable.extend(change.entries.iter().map(EntryDigest::of));
        for entry in &change.entries {
            node.durable_memberships.append(entry);
        }
    }

    /// The status of a node after an event.
    pub(crate) fn observe(&mut self, at: usize, status: &Status, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        if status.term != node.term {
            if status.term < node.term {
                let earlier = (format!("{:?} was in term {}", status.node, node.term), record);
                let later = (format!("{:?} is in term {}", status.node, status.term), record);
                self.record_violation(Rule::TermMonotonic, earlier, later);
                return;
            }
            node.term = status.term;
            node.role = None;
        }
        // A leader that commits its own removal steps down in the same step.
        let leads = status.role == RoleKind::Leader || node.role == Some(RoleKind::Leader);
        if node.role != Some(status.role) {
            node.role = Some(status.role);
            if status.role == RoleKind::Leader {
                self.on_leader(at, status, record);
            }
        }
        self.check_leases(at, record);
        let Some(node) = self.nodes.get(at) else { return };
        if status.commit_index != node.commit {
            self.on_commit_moved(at, status, leads, record);
        }
    }

    /// A node crashed: its log is the durable one.
    pub(crate) fn on_crash(&mut self, at: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.log.clone_from(&node.durable);
            node.memberships.clone_from(&node.durable_memberships);
            node.term = node.hard_state.term;
            node.role = None;
            node.commit = LogIndex::ZERO;
            node.applied = LogIndex::ZERO;
            node.lease_end = None;
        }
        self.confirmations.remove_reads_of(node_id(at));
    }

    /// The disk of a node that is down was wiped: it starts as a new incarnation that knows nothing.
    pub(crate) fn on_wiped(&mut self, at: usize, incarnation: Incarnation) {
        if let Some(node) = self.nodes.get_mut(at) {
            let new = ObservedNode { incarnation, ..ObservedNode::default() };
            let wiped = std::mem::replace(node, new);
            self.wiped_logs.insert((node_id(at), wiped.incarnation), wiped.durable);
        }
    }

    /// A node restarted with this status and applied index.
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
                "{:?} had {kept} durable entries, term {} and {}",
                status.node,
                hard_state.term,
                vote_text(hard_state.voted_for)
            );
            let has = format!(
                "{:?} restarted with last entry {}, term {} and {}",
                status.node,
                status.last_log,
                status.term,
                vote_text(status.voted_for)
            );
            self.record_violation(Rule::DurableKept, (had, record), (has, record));
            return;
        }
        self.observe(at, status, record);
    }

    /// A test replaced the term and the vote in the store of a node. Earlier observations of them
    /// no longer count.
    pub(crate) fn on_staged(&mut self, at: usize, id: NodeId, hard_state: HardState) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.hard_state = hard_state;
            node.term = hard_state.term;
            self.votes.retain(|&(voter, _, term), _| voter != id || term < hard_state.term);
        }
    }
}
