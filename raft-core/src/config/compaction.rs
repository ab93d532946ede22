//! How much of the log is kept.

/// How much of the log a node keeps behind the entries that are durably applied
/// ([`Input::DurablyApplied`](crate::Input::DurablyApplied)). Nothing else is ever removed: without
/// that report a log is not compacted.
///
/// Bytes are those of [`Entry::weight_bytes`](crate::Entry::weight_bytes). Entries that were
/// recovered at the start count with 512 bytes each, since a store returns no sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CompactionPolicy {
    /// Entries that are kept behind the durably applied index, so that a follower that was away
    /// for a short time needs no snapshot. Default: 100,000.
    pub kept_entries_max: u64,
    /// Bytes that are kept behind the durably applied index; the lower of the two limits applies.
    /// Default: 64 MiB.
    pub kept_bytes_max: u64,
    /// Bytes that a leader keeps behind the durably applied index for a follower that lacks them. A
    /// follower that lacks more gets a snapshot. Default: 256 MiB.
    pub follower_bytes_max: u64,
    /// Bytes that a leader keeps behind the durably applied index for a follower that installs a
    /// snapshot, and until it has caught up after that: the entries after the snapshot. Beyond that
    /// the follower needs another snapshot.
    /// Default: 1 GiB.
    pub snapshot_bytes_max: u64,
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            kept_entries_max: 100_000,
            kept_bytes_max: 64 * MIB,
            follower_bytes_max: 256 * MIB,
            snapshot_bytes_max: 1024 * MIB,
        }
    }
}
