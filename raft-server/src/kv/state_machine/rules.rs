//! The constants that decide what a command does, apart from the command and the replicated state.

/// The constants that decide the outcome of a command.
///
/// Every command in the log begins with the version of the rules that it is applied by, so that
/// the outcome depends on the log alone: never on the release or the configuration of the node
/// that applies it. A node stops at a command whose version it does not support
/// ([`ApplyError::Unsupported`](raft_core::ports::ApplyError::Unsupported)).
///
/// A release that changes one of these numbers, the form of a command or of an output, or what an
/// operation does, adds a version and keeps the earlier one for the commands that are in logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Rules {
    /// The version: the first byte of a command.
    pub version: u8,
    /// Sessions that are kept before the longest unused one is evicted.
    pub sessions_max: usize,
    /// The longest output that is kept for a retry, in bytes of its binary form.
    pub kept_output_bytes_max: usize,
    /// The most that one command returns, in bytes as [`Rules::weight`] counts them.
    pub output_bytes_max: u64,
    /// The most keys that one command visits: those it compares, sets, deletes, reads, counts or
    /// skips.
    pub visited_keys_max: u64,
    /// The most that one command stages in memory until it is flushed: new values, and the
    /// versions that they and its deletions supersede. In bytes as [`Rules::weight`] counts them.
    pub staged_bytes_max: u64,
    /// Bounds of one range.
    pub range: RangeBounds,
}

/// The most that one range returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RangeBounds {
    /// Keys that a range returns if the request sets no limit.
    pub keys_default: u64,
    /// The most keys that a range returns, whatever its limit.
    pub keys_max: u64,
    /// The most that a range returns, in bytes as [`Rules::weight`] counts them; the first key is
    /// returned in any case.
    pub bytes_max: u64,
}

impl Rules {
    /// The rules that this release writes into new commands.
    pub const CURRENT: Self = Self {
        version: 2,
        sessions_max: 10_000,
        kept_output_bytes_max: 16 << 10,
        output_bytes_max: 4 << 20,
        visited_keys_max: 100_000,
        staged_bytes_max: 64 << 20,
        range: RangeBounds { keys_default: 1_000, keys_max: 10_000, bytes_max: 2 << 20 },
    };

    /// What a version takes up in a response or in memory in addition to its key and value.
    const OVERHEAD_BYTES: u64 = 32;

    /// The size of a key with its value in every bound that is given in bytes.
    #[must_use]
    pub const fn weight(key: &[u8], value: &[u8]) -> u64 {
        key.len() as u64 + value.len() as u64 + Self::OVERHEAD_BYTES
    }
}
