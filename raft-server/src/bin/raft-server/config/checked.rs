//! The configuration of one node, checked.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use raft_core::{ClusterId, NodeId, Settings as RaftSettings};
use raft_transport_quic::tls::TlsFiles;

use super::log::LogSettings;
use super::member::Member;

/// The configuration of one node. It follows all rules.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The cluster.
    pub(crate) cluster: ClusterId,
    /// This node.
    pub(crate) node: NodeId,
    /// The directory of the log, the key-value store and the snapshots.
    pub(crate) data_dir: PathBuf,
    /// Whether an empty data directory becomes that of a member of a new cluster.
    pub(crate) bootstrap: bool,
    /// The members, ascending, with distinct ids and addresses; this node is one of them.
    pub(crate) members: Vec<Member>,
    /// The addresses of the sockets.
    pub(crate) listen: Listen,
    /// The files of the node's certificate.
    pub(crate) tls: TlsFiles,
    /// Timing, policies and limits of the algorithm.
    pub(crate) raft: RaftSettings,
    /// Free bytes on the disk below which writes are refused; zero disables the check.
    pub(crate) storage_reserve_bytes: u64,
    /// Bytes of a snapshot that are sent in one second; zero for no limit.
    pub(crate) snapshot_bytes_per_second_max: u64,
    /// Limits on the requests of clients.
    pub(crate) clients: ClientSettings,
    /// The log on stderr.
    pub(crate) log: LogSettings,
    /// Threads of the asynchronous runtime.
    pub(crate) runtime_threads: usize,
    /// The time limit of an orderly shutdown.
    pub(crate) shutdown_grace: Duration,
}

impl Config {
    /// The ids of the members.
    pub(crate) fn member_ids(&self) -> BTreeSet<NodeId> {
        self.members.iter().map(|member| NodeId(member.id)).collect()
    }
}

/// The addresses of a node's sockets.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    /// For peers (UDP).
    pub(crate) peer: SocketAddr,
    /// For clients (UDP).
    pub(crate) client: SocketAddr,
    /// For probes, metrics and status (TCP); `None` disables the port.
    pub(crate) http: Option<SocketAddr>,
}

/// Limits on the requests of clients. `None` selects the default of the client port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) connection_response_bytes_max: Option<usize>,
    pub(crate) identity_response_bytes_max: Option<usize>,
    pub(crate) disk_reads_max: Option<usize>,
}
