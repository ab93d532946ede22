//! The hello exchange: the first frame in each direction. The fields keep their positions in every
//! version. A later version only appends fields, and a reader ignores bytes after the fields that
//! it supports, so that any two releases can exchange the versions that they support.

use raft_core::{ClusterId, NodeId};
use raft_transport_quic::{NoCommonVersion, VersionRange};
use serde::{Deserialize, Serialize};

/// The highest supported version of everything after the hello.
pub const PROTOCOL_VERSION: u16 = 3;

/// The versions of everything after the hello that this release supports.
pub const SUPPORTED_VERSIONS: VersionRange = VersionRange::only(PROTOCOL_VERSION);

/// The first message of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientHello {
    /// The supported versions.
    #[serde(with = "range")]
    pub versions: VersionRange,
    /// The cluster that the client expects, if it expects one.
    pub cluster: Option<ClusterId>,
}

/// The response of a node to the hello of a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerHello {
    /// The supported versions.
    #[serde(with = "range")]
    pub versions: VersionRange,
    /// The cluster of the node.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The most requests in flight on this connection; the node stops reading beyond.
    pub in_flight_max: u32,
    /// The client addresses of the members that the node knows, itself included: a client that is
    /// configured with one address can use the others if that node fails.
    pub members: Vec<(NodeId, String)>,
}

/// Why the hellos do not match. Both sides compute this from the two hellos.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HelloMismatch {
    /// The two sides support no common version.
    #[error(
        "no common version of the client protocol: the client supports {client}, the node {node}; \
         use a client and a node of matching releases"
    )]
    Version {
        /// The versions of the client.
        client: VersionRange,
        /// The versions of the node.
        node: VersionRange,
    },
    /// The node belongs to another cluster.
    #[error(
        "the client expects cluster {client} but the node belongs to cluster {node}: check the \
         endpoints and which cluster's certificates are in use"
    )]
    Cluster {
        /// The cluster that the client expects.
        client: ClusterId,
        /// The cluster of the node.
        node: ClusterId,
    },
}

/// The protocol version that a client and a node use: the highest that both support.
///
/// # Errors
/// When the hellos do not match.
pub fn negotiate(client: &ClientHello, server: &ServerHello) -> Result<u16, HelloMismatch> {
    let version = client.versions.agree(server.versions).map_err(
        |NoCommonVersion { ours: client, theirs: node }| HelloMismatch::Version { client, node },
    )?;
    match client.cluster {
        Some(client) if client != server.cluster => {
            Err(HelloMismatch::Cluster { client, node: server.cluster })
        }
        Some(_) | None => Ok(version),
    }
}

/// Serializes a range of versions as its two bounds.
mod range {
    use raft_transport_quic::VersionRange;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        range: &VersionRange,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (range.lowest(), range.highest()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<VersionRange, D::Error> {
        let (lowest, highest) = Deserialize::deserialize(deserializer)?;
        VersionRange::new(lowest, highest)
            .ok_or_else(|| D::Error::custom("an empty range of versions"))
    }
}
