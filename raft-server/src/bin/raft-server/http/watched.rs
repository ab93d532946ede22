//! The running node that the pages describe.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use raft_server::NodeHandle;
use raft_server::kv::client_api::ClientApiMonitor;
use raft_server::space::SpaceMonitor;
use raft_transport_quic::QuicTransport;

use crate::config::Member;

/// The parts of a running node that the pages describe.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The node.
    pub(crate) node: NodeHandle,
    /// The transport to the peers.
    pub(crate) transport: Arc<QuicTransport>,
    /// The monitor of the free disk space.
    pub(crate) space: Arc<SpaceMonitor>,
    /// The monitor of the client port.
    pub(crate) clients: ClientApiMonitor,
    /// The constant facts.
    pub(crate) about: About,
}

/// The facts that do not change while a node runs.
#[derive(Debug)]
pub(crate) struct About {
    /// The node and its incarnation.
    pub(crate) identity: raft_core::Identity,
    /// The members with their addresses.
    pub(crate) members: Vec<Member>,
    /// The data directory.
    pub(crate) data_dir: PathBuf,
    /// The expiry of the node's certificate.
    pub(crate) certificate_expires: SystemTime,
    /// The time of the start.
    pub(crate) started: Instant,
}

/// Seconds since 1970; zero for earlier times.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
