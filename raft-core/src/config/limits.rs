//! Limits in entries and bytes.

use crate::entry::Entry;
use crate::wire::ENVELOPE_BYTES_MAX;

/// Limits, in entries and in bytes of [`Entry::weight_bytes`]. All are at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Entries in one append message. Default: 4096.
    pub append_entries_max: usize,
    /// Bytes of entries in one append message; a larger entry is sent alone. Default: 1 MiB.
    pub append_bytes_max: u64,
    /// Append messages with entries to one follower that await a response. Default: 256.
    pub inflight_appends_max: usize,
    /// Bytes of entries to one follower that await a response. Default: 32 MiB.
    pub inflight_bytes_max: u64,
    /// Bytes of one command. Default: 2 MiB.
    pub command_bytes_max: u64,
    /// Bytes of commands that were proposed at this node and are not yet committed, durable and
    /// applied here. A leader refuses further ones with [`Refusal::Busy`](crate::Refusal::Busy),
    /// whether its followers, its own disk or its own state machine is slow. Default: 64 MiB.
    pub unapplied_bytes_max: u64,
    /// Bytes of recent durable entries that the core keeps in memory. Older entries are fetched
    /// from the log store when a follower or the state machine needs them. Entries that are not
    /// durable yet are kept in addition. Default: 64 MiB.
    pub tail_bytes_max: u64,
    /// Bytes of entries that are dispatched to the state machine and not yet applied; a larger
    /// entry is dispatched alone. Default: 16 MiB.
    pub apply_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            append_entries_max: 4096,
            append_bytes_max: MIB,
            inflight_appends_max: 256,
            inflight_bytes_max: 32 * MIB,
            command_bytes_max: 2 * MIB,
            unapplied_bytes_max: 64 * MIB,
            tail_bytes_max: 64 * MIB,
            apply_bytes_max: 16 * MIB,
        }
    }
}

impl Limits {
    /// The weight of an entry with the largest command ([`Entry::weight_bytes`]).
    #[must_use]
    pub const fn command_weight_max(&self) -> u64 {
        self.command_bytes_max.saturating_add(Entry::COMMAND_OVERHEAD_BYTES)
    }

    /// The most bytes of an encoded append message: one with `append_bytes_max` of entries, or one
    /// with a single larger command.
    #[must_use]
    pub const fn message_bytes_max(&self) -> u64 {
        // The encoded form of an entry is shorter than its weight.
        let entry = self.command_weight_max();
        let entries = if entry > self.append_bytes_max { entry } else { self.append_bytes_max };
        entries.saturating_add(ENVELOPE_BYTES_MAX)
    }

    /// The name and value of each limit.
    pub(super) const fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("append_entries_max", self.append_entries_max as u64),
            ("append_bytes_max", self.append_bytes_max),
            ("inflight_appends_max", self.inflight_appends_max as u64),
            ("inflight_bytes_max", self.inflight_bytes_max),
            ("command_bytes_max", self.command_bytes_max),
            ("unapplied_bytes_max", self.unapplied_bytes_max),
            ("tail_bytes_max", self.tail_bytes_max),
            ("apply_bytes_max", self.apply_bytes_max),
        ]
    }
}
