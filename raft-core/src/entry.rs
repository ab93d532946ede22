//! Log entries.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::config::COMMAND_OVERHEAD_BYTES;
use crate::membership::Membership;
use crate::types::{LogId, LogIndex, Term};

const _: () = assert!(COMMAND_OVERHEAD_BYTES >= size_of::<Entry>() as u64 + 32);

/// One position of the replicated log (Raft §5.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its index, and the term of the leader that created it.
    pub id: LogId,
    /// Its payload.
    pub payload: Payload,
}

/// The payload of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// None. A leader begins its term with such an entry (Raft §8).
    Empty,
    /// A command for the state machine, opaque to the core. Clones share its bytes.
    Command(Bytes),
    /// A configuration of the cluster, in force from the moment it is appended (thesis §4.1). Boxed:
    /// it is rare, and every entry would otherwise take its space.
    Membership(Box<Membership>),
}

impl Entry {
    /// The weight of a command besides its own bytes: the entry itself, and the allocation for the
    /// reference count of `Bytes` (a pointer, a capacity, a count and the allocator's overhead).
    pub const COMMAND_OVERHEAD_BYTES: u64 = COMMAND_OVERHEAD_BYTES;

    /// An entry without a payload.
    #[must_use]
    pub const fn empty(id: LogId) -> Self {
        Self { id, payload: Payload::Empty }
    }

    /// An entry with a command.
    #[must_use]
    pub const fn command(id: LogId, command: Bytes) -> Self {
        Self { id, payload: Payload::Command(command) }
    }

    /// An entry with a configuration.
    #[must_use]
    pub fn membership(id: LogId, membership: Membership) -> Self {
        Self { id, payload: Payload::Membership(Box::new(membership)) }
    }

    /// The index of the entry.
    #[must_use]
    #[inline]
    pub const fn index(&self) -> LogIndex {
        self.id.index
    }

    /// The term of the leader that created the entry.
    #[must_use]
    #[inline]
    pub const fn term(&self) -> Term {
        self.id.term
    }

    /// The weight of the entry in limits: approximately the bytes of memory that it takes, and more
    /// than its encoded form has. It includes the entry itself, its payload, and for a command the
    /// allocation for the reference count of `Bytes`. It excludes spare capacity of the queue that
    /// holds the entry.
    #[must_use]
    #[inline]
    pub fn weight_bytes(&self) -> u64 {
        let fixed_bytes = size_of::<Self>() as u64;
        match &self.payload {
            Payload::Empty => fixed_bytes,
            Payload::Command(command) => command.len() as u64 + Self::COMMAND_OVERHEAD_BYTES,
            Payload::Membership(membership) => fixed_bytes + membership.weight_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::time::Duration;

    use super::*;
    use crate::config::{ClusterSettings, CommitNotification, LeasePolicy, LeaseSettings};
    use crate::membership::{ADDRESS_BYTES_MAX, MemberInfo, Priority};
    use crate::types::{Incarnation, NodeId};
    use crate::wire::encode_payload;

    /// A limit on entries bounds memory: the weight of a small command is mostly overhead.
    #[test]
    fn the_weight_of_an_entry_covers_its_size_in_memory() {
        let weight = |command: Bytes| Entry::command(LogId::ORIGIN, command).weight_bytes();
        let fixed = size_of::<Entry>() as u64;
        assert!((48..=64).contains(&fixed), "an entry takes {fixed} bytes by itself");
        assert!(weight(Bytes::new()) >= fixed + 3 * size_of::<usize>() as u64);
        assert_eq!(weight(Bytes::from(vec![0; 1000])), weight(Bytes::new()) + 1000);
        assert_eq!(Entry::empty(LogId::ORIGIN).weight_bytes(), fixed);
    }

    /// The values with the longest encoded form.
    fn highest_settings() -> ClusterSettings {
        let duration = Some(Duration::MAX);
        let number = Some(u64::MAX);
        ClusterSettings {
            election_timeout_min: duration,
            heartbeat_interval: duration,
            pre_vote: Some(true),
            check_quorum: Some(true),
            lease: Some(LeasePolicy::On(LeaseSettings { clock_drift_max: Duration::MAX })),
            commit_notification: Some(CommitNotification::Immediate),
            kept_entries_max: number,
            kept_bytes_max: number,
            follower_bytes_max: number,
            snapshot_bytes_max: number,
            append_entries_max: Some(u32::MAX),
            append_bytes_max: number,
            command_bytes_max: number,
        }
    }

    /// Limits on messages and records count weights, so no encoded entry may exceed its weight.
    #[test]
    fn an_encoded_entry_is_never_longer_than_its_weight() {
        /// Two numbers of 64 bits, 7 bits a byte.
        const LOG_ID_BYTES_MAX: u64 = 20;
        let id = LogId::new(Term(u64::MAX), LogIndex(u64::MAX));
        let most = Membership::of_voters((0..64).map(|at| NodeId(u64::MAX - at)));
        let info = MemberInfo {
            incarnation: Some(Incarnation(u64::MAX)),
            peer_address: "x".repeat(ADDRESS_BYTES_MAX),
            client_address: "y".repeat(ADDRESS_BYTES_MAX),
            priority: Priority(u8::MAX),
        };
        let nodes = most.voters.iter().map(|&node| (node, info.clone())).collect();
        let described = Membership { nodes, settings: highest_settings().into(), ..most.clone() };
        let payloads = [
            Payload::Empty,
            Payload::Command(Bytes::new()),
            Payload::Command(Bytes::from(vec![7; 3_000_000])),
            Payload::Membership(Box::new(most)),
            Payload::Membership(Box::new(described)),
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
