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
    /// What a command weighs beside its own bytes: the entry itself, and the allocation in which
    /// `Bytes` counts references, which is a pointer, a capacity, a count and what an allocator
    /// adds to them.
    pub const COMMAND_OVERHEAD_BYTES: u64 = size_of::<Self>() as u64 + 32;

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

    /// What the entry weighs in budgets: about the bytes of memory that it takes, which is more
    /// than its encoded form has. That is the entry itself, its payload, and for a command the
    /// allocation in which `Bytes` counts references. Spare capacity of the queue that holds the
    /// entry is not included.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        /// What an id takes in the nodes of a set, which are at least half full.
        const MEMBER_BYTES: u64 = 24;
        let fixed_bytes = size_of::<Self>() as u64;
        match &self.payload {
            Payload::Empty => fixed_bytes,
            Payload::Command(command) => command.len() as u64 + Self::COMMAND_OVERHEAD_BYTES,
            Payload::Membership(membership) => {
                fixed_bytes + MEMBER_BYTES * membership.size() as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::types::NodeId;
    use crate::wire::encode_payload;

    /// A budget of entries is a budget of memory: small commands weigh mostly their overhead.
    #[test]
    fn the_weight_of_an_entry_covers_its_size_in_memory() {
        let weight = |command: Bytes| Entry::command(LogId::ORIGIN, command).weight_bytes();
        let fixed = size_of::<Entry>() as u64;
        assert!((80..=112).contains(&fixed), "an entry takes {fixed} bytes by itself");
        assert!(weight(Bytes::new()) >= fixed + 3 * size_of::<usize>() as u64);
        assert_eq!(weight(Bytes::from(vec![0; 1000])), weight(Bytes::new()) + 1000);
        assert_eq!(Entry::empty(LogId::ORIGIN).weight_bytes(), fixed);
    }

    /// Limits on messages and records count weights, so no encoded entry may exceed its weight.
    #[test]
    fn an_encoded_entry_is_never_longer_than_its_weight() {
        /// Two numbers of 64 bits, 7 bits a byte.
        const LOG_ID_BYTES_MAX: u64 = 20;
        let id = LogId::new(Term(u64::MAX), LogIndex(u64::MAX));
        let most = Membership::of_voters((0..64).map(|at| NodeId(u64::MAX - at)));
        let payloads = [
            Payload::Empty,
            Payload::Command(Bytes::new()),
            Payload::Command(Bytes::from(vec![7; 3_000_000])),
            Payload::Membership(most),
        ];
        for payload in payloads {
            let mut encoded = Vec::new();
            encode_payload(&payload, &mut encoded);
            let entry = Entry { id, payload };
            let bytes = encoded.len() as u64 + LOG_ID_BYTES_MAX;
            assert!(bytes <= entry.weight_bytes(), "{bytes} bytes");
        }
    }
}
