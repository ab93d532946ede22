//! The first frame each way. Its fields keep their places in every version. A later version only
//! appends fields, and a reader ignores what follows the fields that it knows; so any two releases
//! can tell each other which versions they support.

use raft_core::{ClusterId, NodeId};
use raft_transport_quic::{NoCommonVersion, VersionRange};
use serde::{Deserialize, Serialize};

/// The highest supported version of everything after the hello.
pub const PROTOCOL_VERSION: u16 = 2;

/// The versions of everything after the hello that this release supports.
pub const SUPPORTED_VERSIONS: VersionRange = VersionRange::only(PROTOCOL_VERSION);

/// What a client says first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientHello {
    /// The versions that it supports.
    #[serde(with = "range")]
    pub versions: VersionRange,
    /// The cluster it means, if it knows.
    pub cluster: Option<ClusterId>,
}

/// What a node answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerHello {
    /// The versions that it supports.
    #[serde(with = "range")]
    pub versions: VersionRange,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Which node it is.
    pub node: NodeId,
    /// How many requests may be unanswered on this connection; the node reads no further beyond.
    pub in_flight_max: u32,
    /// Where clients find the members, as far as the node knows, itself included: a client that
    /// was told of one node is not lost with it.
    pub members: Vec<(NodeId, String)>,
}

/// Why the two do not go together. Both sides find it out from the same rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HelloMismatch {
    /// One of them needs another release.
    #[error(
        "no common version of the client protocol: the client supports {client}, the node {node}; \
         use a client and a node of matching releases"
    )]
    Version {
        /// What the client supports.
        client: VersionRange,
        /// What the node supports.
        node: VersionRange,
    },
    /// The address leads to another cluster.
    #[error(
        "the client means cluster {client} but the node belongs to cluster {node}: check the \
         endpoints and which cluster's certificates are in use"
    )]
    Cluster {
        /// What the client means.
        client: ClusterId,
        /// Where the node belongs.
        node: ClusterId,
    },
}

/// The version that a client and a node use: the highest that both support.
///
/// # Errors
/// When they do not go together: the first rule that they break.
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

/// A range of versions as its two bounds.
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
