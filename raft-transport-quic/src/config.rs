//! The settings of a transport.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::{AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use raft_core::{ClusterId, NodeId};

use crate::error::TransportError;
use crate::tls::TlsIdentity;

/// What a [`QuicTransport`](crate::QuicTransport) needs to know.
#[derive(Clone, Debug)]
pub struct QuicConfig {
    /// The cluster; the certificate must say the same.
    pub cluster: ClusterId,
    /// This node; the certificate must say the same.
    pub node: NodeId,
    /// The UDP address to listen on and to dial from.
    pub listen: SocketAddr,
    /// The certificate, its key, and whom to trust.
    pub tls: TlsIdentity,
    /// A connection on which nothing arrives for this long is lost.
    pub idle_timeout: Duration,
    /// Something is sent at least this often, to keep the connection alive.
    pub keep_alive: Duration,
    /// How long a dial may take until both sides know each other.
    pub handshake_timeout: Duration,
    /// The pause after the first failed dial. It doubles with each further one, and each pause is
    /// shortened by a random part of up to a half.
    pub redial_min: Duration,
    /// The longest such pause.
    pub redial_max: Duration,
    /// How long a connection must have lasted for the next dial after it to follow without a
    /// pause. Pauses grow on over connections that end sooner.
    pub stable_after: Duration,
    /// The longest frame that is accepted and sent. A node whose limits permit longer appends does
    /// not start.
    pub frame_bytes_max: u32,
    /// How much may wait to be sent on one lane to one peer; the newest are dropped beyond that.
    pub queue_bytes_max: usize,
    /// How many messages may wait there.
    pub queue_messages_max: usize,
    /// How many handshakes may be in progress from addresses at which no configured peer is known
    /// to be.
    pub handshakes_max: usize,
    /// How many of them may be from one IPv4 address or IPv6 network of 64 bits.
    pub handshakes_per_source_max: usize,
    /// How many handshakes from one address of a configured peer may be in progress, beside
    /// `handshakes_max`: no other address can use up this reserve.
    pub handshakes_per_peer_max: usize,
}

impl QuicConfig {
    /// Settings with defaults for a local network.
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
            handshakes_max: 64,
            handshakes_per_source_max: 8,
            handshakes_per_peer_max: 8,
        }
    }

    pub(crate) fn check(&self) -> Result<(), TransportError> {
        let refused = |text: &str| Err(TransportError::Setting(text.to_owned()));
        if self.keep_alive.saturating_mul(2) > self.idle_timeout {
            return refused("idle_timeout must be at least twice keep_alive");
        }
        if self.redial_min.is_zero() || self.redial_min > self.redial_max {
            return refused("redial_min must be above zero and at most redial_max");
        }
        if self.frame_bytes_max < FRAME_BYTES_LEAST {
            return refused("frame_bytes_max must be at least 1024");
        }
        if self.queue_bytes_max < self.frame_bytes_max as usize || self.queue_messages_max == 0 {
            return refused("a queue must hold at least one frame of frame_bytes_max");
        }
        let handshakes_min = self
            .handshakes_max
            .min(self.handshakes_per_source_max)
            .min(self.handshakes_per_peer_max);
        if handshakes_min == 0 || self.handshake_timeout.is_zero() {
            return refused("the limits of handshakes and handshake_timeout must be above zero");
        }
        Ok(())
    }

    /// How the connections between nodes are tuned: for many small messages that answer each
    /// other, on paths that rarely lose any.
    pub(crate) fn transport(&self) -> Result<Arc<TransportConfig>, TransportError> {
        let idle = IdleTimeout::try_from(self.idle_timeout)
            .map_err(|_| TransportError::Setting("idle_timeout is too long".to_owned()))?;
        let mut transport = TransportConfig::default();
        transport
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(Some(self.keep_alive))
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS_MAX))
            .datagram_receive_buffer_size(None)
            // Each lane alone can fill its own window; all of them together cannot fill the
            // connection's. So a lane that stands still never holds up another.
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
            .receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES * UNI_STREAMS_MAX))
            .send_window(u64::from(STREAM_WINDOW_BYTES * UNI_STREAMS_MAX))
            // Without fairness, quinn would finish what it began of one stream before it looks at
            // one of a higher priority.
            .send_fairness(true)
            // A first guess for local networks: a lost first packet is repeated after 150 ms
            // instead of a second.
            .initial_rtt(INITIAL_RTT)
            .congestion_controller_factory(Arc::new(congestion_control()))
            .mtu_discovery_config(Some(mtu_discovery()))
            // Answers carry acknowledgements anyway; fewer packets of their own are needed.
            .ack_frequency_config(Some(ack_frequency()));
        Ok(Arc::new(transport))
    }
}

fn congestion_control() -> CubicConfig {
    let mut cubic = CubicConfig::default();
    cubic.initial_window(INITIAL_WINDOW_BYTES);
    cubic
}

fn mtu_discovery() -> MtuDiscoveryConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(UDP_PAYLOAD_BYTES_MAX);
    discovery
}

fn ack_frequency() -> AckFrequencyConfig {
    let mut frequency = AckFrequencyConfig::default();
    frequency.ack_eliciting_threshold(VarInt::from_u32(ACK_EVERY_PACKETS));
    frequency
}

/// The largest UDP payload that is sent where the path allows it. A full batch of that size must
/// fit in one send: the system refuses a larger one, and quinn takes that for the loss of every
/// packet in it.
pub(crate) const UDP_PAYLOAD_BYTES_MAX: u16 = SEND_BYTES_MAX / SEND_DATAGRAMS_MAX;
/// The most payload that one send on an IPv4 socket may carry, segmentation offload included.
const SEND_BYTES_MAX: u16 = 65_507;
/// How many datagrams quinn passes to the system at a time.
const SEND_DATAGRAMS_MAX: u16 = 10;
/// The socket's buffers, as far as the system grants them.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// How many incoming connections may wait for a decision, and how much of what they send meanwhile
/// is kept: for one, and for all.
pub(crate) const INCOMING_MAX: usize = 1024;
pub(crate) const INCOMING_BYTES_MAX: u64 = 16 * 1024;
pub(crate) const INCOMING_BYTES_TOTAL_MAX: u64 = 1024 * 1024;

/// Two lanes, a third for snapshots, and one to spare for a later version.
const UNI_STREAMS_MAX: u32 = 4;
const STREAM_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
const INITIAL_RTT: Duration = Duration::from_millis(50);
/// A peer acknowledges after this many packets, or after 25 ms. They must be fewer than a small
/// congestion window holds: the sender would wait those 25 ms each time the window is full.
const ACK_EVERY_PACKETS: u32 = 4;
/// [`QuicConfig::frame_bytes_max`] unless it is set.
pub const FRAME_BYTES_MAX_DEFAULT: u32 = 16 * 1024 * 1024;
/// A connection starts with this congestion window. Connections between followers are idle until
/// a leader is elected, which may then have to send one of them much at once.
const INITIAL_WINDOW_BYTES: u64 = 256 * 1024;
const FRAME_BYTES_LEAST: u32 = 1024;
