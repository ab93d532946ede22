//! How a client reaches its cluster.

use std::time::Duration;

use raft_transport_quic::tls::TlsIdentity;

/// How a client reaches its cluster, and how patient it is.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Client addresses of some of the nodes, `host:port` (UDP). The others are learnt from hints.
    pub endpoints: Vec<String>,
    /// The client's certificate, and whom it trusts. It says which cluster is meant.
    pub tls: TlsIdentity,
    /// How long a call may take in all.
    pub timeout: Duration,
    /// How long a node that owes an answer may keep quite silent, not even answering a ping,
    /// before it counts as gone; and how long a dial may take before another node is tried
    /// beside it.
    pub silence_timeout: Duration,
    /// How long establishing a connection may take.
    pub dial_timeout: Duration,
    /// What happens when the answer to a write is lost.
    pub retry: Retry,
}

/// What happens when the answer to a write is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Retry {
    /// Writes go without a session; one whose answer is lost ends as
    /// [`Error::Unknown`](super::Error::Unknown).
    WhenSafe,
    /// Writes go in sessions, one for each that is under way at a time, and are asked for again
    /// until an answer comes: the cluster carries each out once.
    #[default]
    ExactlyOnce,
}

impl ClientConfig {
    /// Defaults for everything that has one.
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
