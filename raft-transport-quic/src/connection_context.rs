//! What the tasks of a connection have in common.

use std::sync::Arc;
use std::time::Duration;

use raft_core::ports::Inbox;
use raft_core::{ClusterId, NodeId};
use tokio::sync::Semaphore;

use crate::metrics::PeerMetrics;
use crate::transfers::{PeerTransfers, Transfers};

/// What the tasks of a connection have in common.
pub(crate) struct ConnectionContext {
    pub(crate) cluster: ClusterId,
    pub(crate) own: NodeId,
    pub(crate) peer: NodeId,
    /// The largest frame that this node accepts and sends.
    pub(crate) frame_bytes_max: u32,
    /// The peer supports a version that this release does not know. Messages and streams of unknown
    /// kinds are skipped then.
    pub(crate) peer_is_newer: bool,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) metrics: Arc<PeerMetrics>,
    /// The transfers of snapshots of this node, and those with the peer.
    pub(crate) transfers: Transfers,
    pub(crate) peer_transfers: Arc<PeerTransfers>,
    /// Limits the incoming transfers of all peers.
    pub(crate) incoming_snapshots: Arc<Semaphore>,
    pub(crate) snapshot_stall_timeout: Duration,
}
