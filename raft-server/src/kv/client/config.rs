//! The configuration of a client.

use std::time::Duration;

use raft_transport_quic::tls::TlsIdentity;

/// How a client reaches its cluster, and its timeouts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Client addresses of some of the nodes, `host:port` (UDP). The nodes report the
    /// addresses of the others.
    pub endpoints: Vec<String>,
    /// The certificate of the client, its key and the trusted authorities. The certificate names
    /// the cluster.
    pub tls: TlsIdentity,
    /// The most time that a call may take, retries included.
    pub timeout: Duration,
    /// The connection to a node is closed if a response is outstanding and nothing was received
    /// from the node for this long, not even the response to a ping. Also the time after which a
    /// call tries another node while a connection is being established.
    pub silence_timeout: Duration,
    /// The most time that establishing a connection may take.
    pub dial_timeout: Duration,
    /// What happens when the response to a write is lost.
    pub retry: Retry,
}

/// What happens when the response to a write is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Retry {
    /// Writes do not use sessions. A write whose response is lost fails with
    /// [`Error::Unknown`](super::Error::Unknown).
    WhenSafe,
    /// Writes use sessions, one for each concurrent write, and are retried until a response
    /// arrives: the cluster applies each of them once.
    #[default]
    ExactlyOnce,
}

impl ClientConfig {
    /// A configuration with defaults for everything else.
    #[must_use]
    pub fn new(endpoints: Vec<String>, tls: TlsIdentity) -> Self {
        Self {
            endpoints,
            tls,
            timeout: Duration::from_secs(5),
            silence_timeout: Duration::from_millis(400),
            dial_timeout: Duration::from_secs(2),
            retry: Retry::default(),
        }
    }
}
