//! The first frame each way. Its form never changes, so that any two releases can tell each other
//! which versions they speak.

use raft_core::{ClusterId, NodeId};
use serde::{Deserialize, Serialize};

/// The version of everything after the hello.
pub const PROTOCOL_VERSION: u16 = 2;

/// What a client says first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The version it speaks.
    pub version: u16,
    /// The cluster it means, if it knows.
    pub cluster: Option<ClusterId>,
}

/// What a node answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The version it speaks.
    pub version: u16,
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
        "the client speaks version {client} of the client protocol and the node version {node}: \
         use a client and a node of matching releases"
    )]
    Version {
        /// What the client speaks.
        client: u16,
        /// What the node speaks.
        node: u16,
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

/// Says whether a client and a node go together.
///
/// # Errors
/// The first rule that they break.
pub fn check(hello: &Hello, welcome: &Welcome) -> Result<(), HelloMismatch> {
    if hello.version != welcome.version {
        return Err(HelloMismatch::Version { client: hello.version, node: welcome.version });
    }
    match hello.cluster {
        Some(client) if client != welcome.cluster => {
            Err(HelloMismatch::Cluster { client, node: welcome.cluster })
        }
        Some(_) | None => Ok(()),
    }
}
