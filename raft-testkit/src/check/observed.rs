//! What the checker has observed of each node.

use std::hash::{DefaultHasher, Hash, Hasher};

use raft_core::{
    Entry, HardState, Incarnation, LogIndex, MemberInfo, Membership, NodeId, Payload, RoleKind,
    Term, Timestamp,
};

use super::membership_log::MembershipLog;

/// The identity of an entry at an index: its term and a hash of its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct EntryDigest {
    pub(super) term: Term,
    pub(super) payload: u64,
    /// Whether the payload is a command.
    pub(super) is_command: bool,
}

impl EntryDigest {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            term: entry.term(),
            payload: payload_digest(&entry.payload),
            is_command: matches!(entry.payload, Payload::Command(_)),
        }
    }
}

fn payload_digest(payload: &Payload) -> u64 {
    let mut hasher = DefaultHasher::new();
    match payload {
        Payload::Empty => 0_u8.hash(&mut hasher),
        Payload::Command(command) => (1_u8, command).hash(&mut hasher),
        Payload::Membership(members) => {
            let Membership { voters, outgoing, learners, nodes, settings } = &**members;
            (2_u8, voters, outgoing, learners, settings).hash(&mut hasher);
            for (node, info) in nodes {
                let MemberInfo { incarnation, peer_address, client_address, priority } = info;
                (node, incarnation, peer_address, client_address, priority).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// What the checker has observed of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct ObservedNode {
    /// The log in memory: all entries submitted to the disk, without those that were truncated.
    /// `log[i]` is the entry at index i + 1. Compacted entries stay here, and those that a snapshot
    /// covers are the committed ones.
    pub(super) log: Vec<EntryDigest>,
    /// The durable log.
    pub(super) durable: Vec<EntryDigest>,
    /// The configurations in `log`, and in `durable`.
    pub(super) memberships: MembershipLog,
    pub(super) durable_memberships: MembershipLog,
    /// The incarnation of the node: its disk was wiped that often.
    pub(super) incarnation: Incarnation,
    pub(super) hard_state: HardState,
    pub(super) term: Term,
    pub(super) commit: LogIndex,
    pub(super) applied: LogIndex,
    /// The base of the durable log, as far as it was reset.
    pub(super) durable_base: LogIndex,
    /// The last entry whose effect is durable in a snapshot or in the state machine.
    pub(super) durably_applied: LogIndex,
    pub(super) role: Option<RoleKind>,
    /// The virtual time at which its lease ends or ended.
    pub(super) lease_end: Option<Timestamp>,
}

impl ObservedNode {
    pub(super) fn at(log: &[EntryDigest], index: LogIndex) -> Option<EntryDigest> {
        log.get(offset_of(index)?).copied()
    }
}

/// The position of an index in a list that begins with index 1.
pub(super) fn offset_of(index: LogIndex) -> Option<usize> {
    usize::try_from(index.get().checked_sub(1)?).ok()
}

pub(super) const fn node_id(at: usize) -> NodeId {
    NodeId(at as u64 + 1)
}

/// A vote as reports show it.
pub(super) fn vote_text(voted_for: Option<NodeId>) -> String {
    voted_for.map_or_else(|| "no vote".to_owned(), |candidate| format!("vote {candidate:?}"))
}
