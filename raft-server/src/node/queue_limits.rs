//! Bounds of a node's queues.

/// Bounds of a node's queues and of its pending requests.
///
/// A request that does not fit is refused with [`Refusal::Busy`](raft_core::Refusal::Busy). A
/// message that does not fit is dropped and counted
/// ([`NodeCounters::inbox_dropped`](crate::NodeCounters::inbox_dropped)); the peer sends it again.
/// An item that is larger than a bound in bytes is accepted if the queue is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct QueueLimits {
    /// Proposals in the queue in front of the driver.
    pub proposals_max: usize,
    /// Bytes of commands in the queue in front of the driver.
    pub proposals_bytes_max: u64,
    /// Reads in the queue in front of the driver.
    pub reads_max: usize,
    /// Bytes of queries in the queue in front of the driver.
    pub reads_bytes_max: u64,
    /// Pending requests: those that the driver has taken from its queues and whose caller has no
    /// response yet.
    pub pending_max: usize,
    /// Bytes of pending requests: their queries, and a fixed amount for each request. The commands
    /// of pending proposals are bounded by
    /// [`Limits::unapplied_bytes_max`](raft_core::Limits::unapplied_bytes_max).
    pub pending_bytes_max: u64,
    /// Messages from peers in the queue in front of the driver.
    pub inbox_messages_max: usize,
    /// Bytes of entries in those messages.
    pub inbox_bytes_max: u64,
}

impl Default for QueueLimits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            proposals_max: 16_384,
            proposals_bytes_max: 64 * MIB,
            reads_max: 65_536,
            reads_bytes_max: 64 * MIB,
            pending_max: 262_144,
            pending_bytes_max: 128 * MIB,
            inbox_messages_max: 16_384,
            inbox_bytes_max: 128 * MIB,
        }
    }
}
