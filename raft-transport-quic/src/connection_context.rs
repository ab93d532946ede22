//! What the tasks of a connection have in common.

use std::sync::Arc;

use raft_core::ports::Inbox;
use raft_core::{ClusterId, NodeId};

use crate::metrics::PeerMetrics;

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
}
