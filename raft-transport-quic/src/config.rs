//! The configuration of a transport.

use std::net::SocketAddr;
use std::time::Duration;

use raft_core::{ClusterId, Incarnation, NodeId};

use crate::error::TransportError;
use crate::snapshot_frames::CHUNK_BYTES_MAX;
use crate::tls::TlsIdentity;

/// The configuration of a [`QuicTransport`](crate::QuicTransport).
///
/// [`QuicConfig::new`] sets defaults for a local network; each field can be changed afterwards.
/// [`QuicTransport::start`](crate::QuicTransport::start) checks the values.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QuicConfig {
    /// The id of the cluster. The certificate must contain the same one.
    pub cluster: ClusterId,
    /// The id of this node. The certificate must contain the same one.
    pub node: NodeId,
    /// The incarnation of this node, which peers compare with the one that they admit; `None` is
    /// not compared.
    pub incarnation: Option<Incarnation>,
    /// Identifies the membership that the cluster was bootstrapped with: two nodes whose values
    /// differ refuse each other. `None` is not compared.
    pub bootstrap_fingerprint: Option<u64>,
    /// The UDP address to listen on and to dial from.
    pub listen: SocketAddr,
    /// The certificate of this node, its key, and the trusted authorities.
    pub tls: TlsIdentity,
    /// A connection is closed if no packet arrives on it for this long. At least twice
    /// [`keep_alive`](Self::keep_alive).
    pub idle_timeout: Duration,
    /// The interval at which packets are sent on an otherwise idle connection, so that it is not
    /// closed.
    pub keep_alive: Duration,
    /// The limit of a dial, and of an accepted connection: both the TLS handshake and the hello
    /// exchange must be complete within this time.
    pub handshake_timeout: Duration,
    /// The pause after the first dial. It doubles with each further dial, and each pause is
    /// shortened by a random part of up to a half.
    pub redial_min: Duration,
    /// The upper limit of the pauses between dials.
    pub redial_max: Duration,
    /// A connection that lasted for this long resets the pauses between dials.
    pub stable_after: Duration,
    /// The largest frame in bytes that is accepted and sent: the most that one message may occupy.
    /// A node whose limits permit larger appends does not start.
    pub frame_bytes_max: u32,
    /// The most bytes of messages that may wait for one stream to one peer. Further messages are
    /// dropped.
    pub queue_bytes_max: usize,
    /// The most messages that may wait for one stream to one peer. Further messages are dropped.
    pub queue_messages_max: usize,
    /// The size in bytes of the chunks of a snapshot: at most 1 MiB. At most four chunks of a
    /// transfer are in memory at the sender and at the receiver, besides the 8 MiB that QUIC
    /// permits for a stream.
    pub snapshot_chunk_bytes: u32,
    /// The most snapshots that are received at the same time. Further ones are refused.
    pub snapshots_incoming_max: usize,
    /// An incoming snapshot is given up if no chunk arrives for this long.
    pub snapshot_stall_timeout: Duration,
    /// The most handshakes in progress from addresses at which no configured peer is known to be.
    pub handshakes_max: usize,
    /// The most of these handshakes from one IPv4 address or one IPv6 network of 64 bits.
    pub handshakes_per_source_max: usize,
    /// The most handshakes in progress from one address of a configured peer. They are in addition
    /// to [`handshakes_max`](Self::handshakes_max): handshakes from other addresses do not use up
    /// this reserve.
    pub handshakes_per_peer_max: usize,
}

impl QuicConfig {
    /// Creates a configuration with defaults for a local network.
    #[must_use]
    pub const fn new(
        cluster: ClusterId,
        node: NodeId,
        listen: SocketAddr,
        tls: TlsIdentity,
    ) -> Self {
        Self {
            cluster,
            node,
            incarnation: None,
            bootstrap_fingerprint: None,
            listen,
            tls,
            idle_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_millis(1500),
            handshake_timeout: Duration::from_secs(3),
            redial_min: Duration::from_millis(20),
            redial_max: Duration::from_secs(1),
            stable_after: Duration::from_secs(5),
            frame_bytes_max: FRAME_BYTES_MAX_DEFAULT,
            queue_bytes_max: 64 * 1024 * 1024,
            queue_messages_max: 16_384,
            snapshot_chunk_bytes: 256 * 1024,
            snapshots_incoming_max: 2,
            snapshot_stall_timeout: Duration::from_secs(30),
            handshakes_max: 64,
            handshakes_per_source_max: 8,
            handshakes_per_peer_max: 8,
        }
    }

    pub(crate) fn check(&self) -> Result<(), TransportError> {
        let invalid = |text: &str| Err(TransportError::Setting(text.to_owned()));
        if self.keep_alive.saturating_mul(2) > self.idle_timeout {
            return invalid("idle_timeout must be at least twice keep_alive");
        }
        if self.redial_min.is_zero() || self.redial_min > self.redial_max {
            return invalid("redial_min must be above zero and at most redial_max");
        }
        if self.frame_bytes_max < FRAME_BYTES_LEAST {
            return invalid("frame_bytes_max must be at least 1024");
        }
        if self.queue_bytes_max < self.frame_bytes_max as usize || self.queue_messages_max == 0 {
            return invalid("a queue must hold at least one frame of frame_bytes_max");
        }
        if self.snapshot_chunk_bytes == 0 || self.snapshot_chunk_bytes > CHUNK_BYTES_MAX {
            return invalid("snapshot_chunk_bytes must be above zero and at most 1 MiB");
        }
        if self.snapshots_incoming_max == 0 || self.snapshot_stall_timeout.is_zero() {
            return invalid("the limits of incoming snapshots must be above zero");
        }
        let handshakes_min = self
            .handshakes_max
            .min(self.handshakes_per_source_max)
            .min(self.handshakes_per_peer_max);
        if handshakes_min == 0 || self.handshake_timeout.is_zero() {
            return invalid("the limits of handshakes and handshake_timeout must be above zero");
        }
        Ok(())
    }
}

/// The default of [`QuicConfig::frame_bytes_max`].
pub const FRAME_BYTES_MAX_DEFAULT: u32 = 16 * 1024 * 1024;
const FRAME_BYTES_LEAST: u32 = 1024;
