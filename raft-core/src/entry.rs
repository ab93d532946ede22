//! What the log holds.

use bytes::Bytes;

use crate::membership::Membership;
use crate::types::{LogId, LogIndex, Term};

/// One position of the replicated log (Raft §5.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where it stands and the term that created it.
    pub id: LogId,
    /// What it carries.
    pub payload: Payload,
}

/// What an entry carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// Nothing: the entry with which a leader begins its term (Raft §8).
    Empty,
    /// A command for the state machine. Opaque here, shared by reference count.
    Command(Bytes),
    /// A configuration of the cluster, in force from the moment it is appended (thesis §4.1).
    Membership(Membership),
}

impl Entry {
    /// An entry at the start of a leader's term.
    #[must_use]
    pub const fn empty(id: LogId) -> Self {
        Self { id, payload: Payload::Empty }
    }

    /// An entry with a command.
    #[must_use]
    pub const fn command(id: LogId, command: Bytes) -> Self {
        Self { id, payload: Payload::Command(command) }
    }

    /// The entry's position.
    #[must_use]
    pub const fn index(&self) -> LogIndex {
        self.id.index
    }

    /// The term that created the entry.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.id.term
    }

    /// What the entry weighs in budgets: its payload plus a fixed allowance for the rest, in bytes.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        const OVERHEAD_BYTES: u64 = 32;
        let payload_bytes = match &self.payload {
            Payload::Empty => 0,
            Payload::Command(command) => command.len() as u64,
            Payload::Membership(membership) => 8 * membership.size() as u64,
        };
        payload_bytes + OVERHEAD_BYTES
    }
}
