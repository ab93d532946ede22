//! What a transport can say of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use raft_core::NodeId;

use crate::log_limit::LogLimit;

/// How it stands with one peer: counters since this transport was started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerStatus {
    /// Which peer.
    pub node: NodeId,
    /// Its configured address.
    pub address: String,
    /// Whether a connection is in use now.
    pub connected: bool,
    /// The estimated round trip time of that connection.
    pub rtt: Option<Duration>,
    /// The protocol version that both sides of that connection agreed on.
    pub version: Option<u16>,
    /// The counters.
    pub counts: PeerCounts,
    /// Why the last connection ended or the last dial failed; kept until the next connection has
    /// been made.
    pub last_error: Option<String>,
}

/// Counters of one peer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PeerCounts {
    /// Messages handed to QUIC.
    pub messages_sent: u64,
    /// Their bytes, frame headers included.
    pub bytes_sent: u64,
    /// Messages handed to the inbox.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Messages dropped for want of a connection.
    pub dropped_unconnected: u64,
    /// Messages dropped because a queue was full.
    pub dropped_full: u64,
    /// Messages dropped because they are longer than a frame may be.
    pub dropped_oversize: u64,
    /// Connections that came into use.
    pub connections: u64,
    /// Connections that were lost.
    pub losses: u64,
    /// Dials that failed.
    pub failed_dials: u64,
    /// Connections closed because the peer sent what it must not: frames too long, bytes that are
    /// no messages, messages in another's name.
    pub violations: u64,
    /// Messages of an unknown kind from a peer of a newer version that were skipped.
    pub skipped_messages: u64,
    /// Streams of an unknown kind from a peer of a newer version that were stopped.
    pub skipped_streams: u64,
}

/// Counters of the connections that were made to this node.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AcceptCounts {
    /// Handshakes that were begun.
    pub handshakes: u64,
    /// Handshakes that failed and connections that were refused after one, for any reason.
    pub failed: u64,
    /// Those among `failed` that nodes of this cluster made which are not configured peers.
    pub refused_not_a_peer: u64,
    /// Connections refused before a handshake because a limit of handshakes was reached.
    pub refused_limit: u64,
    /// Connections that had to prove their source address first.
    pub address_checks: u64,
}

macro_rules! counters {
    ($metrics:ident, $counts:ident: $($name:ident),*; $($field:ident: $type:ty),*) => {
        /// The same, as they are counted.
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

/// Counts one.
pub(crate) fn increment(counter: &AtomicU64) {
    add(counter, 1);
}

/// Counts some.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
