//! The configuration of a client port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use raft_core::{ClusterId, NodeId};
use raft_transport_quic::tls::TlsIdentity;

use super::disk_reads;
use crate::kv::state_machine::Limits;
use crate::space::SpaceMonitor;

/// The default of [`ClientApiConfig::connection_response_bytes_max`].
pub const CONNECTION_RESPONSE_BYTES_MAX_DEFAULT: usize = 16 << 20;
/// The default of [`ClientApiConfig::identity_response_bytes_max`].
pub const IDENTITY_RESPONSE_BYTES_MAX_DEFAULT: usize = 128 << 20;

/// How a node serves clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientApiConfig {
    /// The address to listen at (UDP); port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The cluster of the node.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The certificate of the node, its key and the trusted authorities.
    pub tls: TlsIdentity,
    /// The addresses of members to which the membership in force gives none, for redirects.
    pub members: BTreeMap<NodeId, MemberAddresses>,
    /// The largest command.
    pub limits: Limits,
    /// The most established connections; further clients are refused.
    pub connections_max: usize,
    /// The most handshakes in progress; further clients wait. Established connections do not
    /// count here, and handshakes do not count against `connections_max`.
    pub handshakes_max: usize,
    /// The most requests in flight on one connection; the node stops reading from it beyond.
    pub in_flight_max: u32,
    /// The most bytes of requests in flight on one connection; the node stops reading from it
    /// beyond.
    pub in_flight_bytes_max: usize,
    /// The free space of the node's disk; `None` if commands are accepted regardless of it.
    pub space: Option<Arc<SpaceMonitor>>,
    /// The most bytes of keys and values in responses of one connection that are being produced
    /// or not yet written. A request waits until there is space for its largest possible response;
    /// one that may exceed the budget waits until it has the whole budget.
    pub connection_response_bytes_max: usize,
    /// The same for all connections together whose clients have the same certificate identity.
    /// Several times the budget of a connection, so that one whose client reads no responses does
    /// not block the others.
    pub identity_response_bytes_max: usize,
    /// The most reads of single keys, and the most reads of ranges, that run at a time on threads
    /// that may wait for the disk; further ones wait.
    pub disk_reads_max: usize,
}

/// The addresses of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberAddresses {
    /// The address for other nodes.
    pub peer: String,
    /// The address for clients.
    pub client: String,
}

impl ClientApiConfig {
    /// A configuration with defaults for everything else.
    #[must_use]
    pub fn new(listen: SocketAddr, cluster: ClusterId, node: NodeId, tls: TlsIdentity) -> Self {
        Self {
            listen,
            cluster,
            node,
            tls,
            members: BTreeMap::new(),
            limits: Limits::default(),
            connections_max: 16_384,
            handshakes_max: 256,
            in_flight_max: 1024,
            in_flight_bytes_max: 16 << 20,
            space: None,
            connection_response_bytes_max: CONNECTION_RESPONSE_BYTES_MAX_DEFAULT,
            identity_response_bytes_max: IDENTITY_RESPONSE_BYTES_MAX_DEFAULT,
            disk_reads_max: disk_reads::reads_max_default(),
        }
    }
}
