//! The status and the counters of a transport.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use raft_core::NodeId;

use crate::log_limit::LogLimit;

/// The status of one peer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PeerStatus {
    /// The peer.
    pub node: NodeId,
    /// The configured address of the peer.
    pub address: String,
    /// Whether a connection is in use.
    pub connected: bool,
    /// The estimated round-trip time of the connection in use.
    pub rtt: Option<Duration>,
    /// The protocol version of the connection in use.
    pub version: Option<u16>,
    /// Counters since this transport was started.
    pub counts: PeerCounts,
    /// Why the last connection was lost or the last dial failed; `None` after the next connection
    /// has come into use.
    pub last_error: Option<String>,
}

impl PeerStatus {
    /// Creates the status of a peer without a connection and with counters of zero.
    #[must_use]
    pub fn new(node: NodeId, address: String) -> Self {
        Self {
            node,
            address,
            connected: false,
            rtt: None,
            version: None,
            counts: PeerCounts::default(),
            last_error: None,
        }
    }
}

/// Counters of one peer since the transport was started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct PeerCounts {
    /// Messages that were passed to QUIC.
    pub messages_sent: u64,
    /// The bytes of these messages, frame headers included.
    pub bytes_sent: u64,
    /// Messages that were delivered to the inbox.
    pub messages_received: u64,
    /// The bytes of all received frames, frame headers included.
    pub bytes_received: u64,
    /// The data of snapshots in bytes that was passed to QUIC.
    pub snapshot_bytes_sent: u64,
    /// The data of snapshots in bytes that was passed to the host.
    pub snapshot_bytes_received: u64,
    /// Messages dropped because no connection was in use.
    pub dropped_unconnected: u64,
    /// Messages dropped because a queue was full.
    pub dropped_full: u64,
    /// Messages dropped because they exceed the largest frame.
    pub dropped_oversize: u64,
    /// Connections that came into use.
    pub connections: u64,
    /// Connections that were lost.
    pub losses: u64,
    /// Dials that failed.
    pub failed_dials: u64,
    /// Connections closed because the peer violated the protocol: frames that are too large,
    /// malformed messages, messages in the name of another node, unknown or repeated streams.
    pub violations: u64,
    /// Messages of an unknown kind from a peer of a newer version that were skipped.
    pub skipped_messages: u64,
    /// Streams of an unknown kind from a peer of a newer version that were stopped.
    pub skipped_streams: u64,
}

/// Counters of the connections that other addresses made to this node.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct AcceptCounts {
    /// Handshakes that were started.
    pub handshakes: u64,
    /// Handshakes that failed, and connections that were refused after their handshake.
    pub failed: u64,
    /// The connections among `failed` of nodes of this cluster that are not in the peer set.
    pub refused_not_a_peer: u64,
    /// Connections refused before their handshake because a limit of handshakes was reached.
    pub refused_limit: u64,
    /// Connections that were required to prove their source address first (RFC 9000 §8.1.2).
    pub address_checks: u64,
}

macro_rules! counters {
    ($metrics:ident, $counts:ident: $($name:ident),*; $($field:ident: $type:ty),*) => {
        /// The counters in their shared form.
        #[derive(Default, Debug)]
        pub(crate) struct $metrics {
            $(pub(crate) $name: AtomicU64,)*
            $(pub(crate) $field: $type,)*
        }

        impl $metrics {
            pub(crate) fn counts(&self) -> $counts {
                $counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters!(
    AcceptMetrics, AcceptCounts:
    handshakes,
    failed,
    refused_not_a_peer,
    refused_limit,
    address_checks;
);

counters!(
    PeerMetrics, PeerCounts:
    messages_sent,
    bytes_sent,
    messages_received,
    bytes_received,
    snapshot_bytes_sent,
    snapshot_bytes_received,
    dropped_unconnected,
    dropped_full,
    dropped_oversize,
    connections,
    losses,
    failed_dials,
    violations,
    skipped_messages,
    skipped_streams;
    last_error: Mutex<Option<String>>,
    violation_log: LogLimit
);

impl PeerMetrics {
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_last_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// Adds one to a counter.
pub(crate) fn increment(counter: &AtomicU64) {
    add(counter, 1);
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
