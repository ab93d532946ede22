//! Limits in entries and bytes.

use super::limit_name::LimitName;
use crate::wire::ENVELOPE_BYTES_MAX;

/// The weight of a command besides its own bytes: the entry itself, and the allocation for the
/// reference count of `Bytes` (a pointer, a capacity, a count and the allocator's overhead).
pub(crate) const COMMAND_OVERHEAD_BYTES: u64 = 88;

/// Limits, in entries and in bytes of [`Entry::weight_bytes`](crate::Entry::weight_bytes). All are at least 1.
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
    /// The weight of an entry with the largest command ([`Entry::weight_bytes`](crate::Entry::weight_bytes)).
    #[must_use]
    pub const fn command_weight_max(&self) -> u64 {
        self.command_bytes_max.saturating_add(COMMAND_OVERHEAD_BYTES)
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

    /// Lowers the limit of commands to what `unapplied_bytes_max` permits.
    pub(super) fn fit_commands_into_budget(&mut self) {
        let fitting = self.unapplied_bytes_max.saturating_sub(COMMAND_OVERHEAD_BYTES);
        self.command_bytes_max = self.command_bytes_max.min(fitting);
    }

    /// Lowers the limits of appends and commands to what a transport delivers.
    pub(super) fn fit_appends_into_messages(&mut self, message_bytes_max: u64) {
        let entries = message_bytes_max.saturating_sub(ENVELOPE_BYTES_MAX);
        self.append_bytes_max = self.append_bytes_max.min(entries);
        let command = entries.saturating_sub(COMMAND_OVERHEAD_BYTES);
        self.command_bytes_max = self.command_bytes_max.min(command);
    }

    /// The name and value of each limit.
    pub(super) const fn named(&self) -> [(LimitName, u64); 8] {
        [
            (LimitName::AppendEntries, self.append_entries_max as u64),
            (LimitName::AppendBytes, self.append_bytes_max),
            (LimitName::InflightAppends, self.inflight_appends_max as u64),
            (LimitName::InflightBytes, self.inflight_bytes_max),
            (LimitName::CommandBytes, self.command_bytes_max),
            (LimitName::UnappliedBytes, self.unapplied_bytes_max),
            (LimitName::TailBytes, self.tail_bytes_max),
            (LimitName::ApplyBytes, self.apply_bytes_max),
        ]
    }
}
