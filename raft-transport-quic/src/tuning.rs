//! Settings of quinn and of the UDP socket.
//!
//! They suit many small messages, most of which are responses to each other, on paths that rarely
//! lose packets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::{
    AckFrequencyConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig,
    TransportConfig, VarInt,
};

use crate::config::QuicConfig;
use crate::error::TransportError;
use crate::tls::{self, Protocol};

/// The settings of a connection.
pub(crate) fn transport_config(
    config: &QuicConfig,
) -> Result<Arc<TransportConfig>, TransportError> {
    let idle = IdleTimeout::try_from(config.idle_timeout)
        .map_err(|_| TransportError::Setting("idle_timeout is too long".to_owned()))?;
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(config.keep_alive))
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS_MAX))
        .datagram_receive_buffer_size(None)
        // One stream can fill its own window; all streams together cannot fill the window of the
        // connection. So a stream that is not read never blocks another one.
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES * STREAMS_MAX))
        .send_window(u64::from(STREAM_WINDOW_BYTES * STREAMS_MAX))
        // Without fairness, quinn sends all pending data of a stream that it has begun before data
        // of a stream with a higher priority.
        .send_fairness(true)
        .initial_rtt(INITIAL_RTT)
        .congestion_controller_factory(Arc::new(congestion_control()))
        .mtu_discovery_config(Some(mtu_discovery()))
        // Responses carry acknowledgements, so fewer packets of acknowledgements alone are needed.
        .ack_frequency_config(Some(ack_frequency()));
    Ok(Arc::new(transport))
}

/// The settings of accepted connections. Few incoming connections wait for a decision, since each
/// one is decided on as soon as it arrives.
pub(crate) fn server_config(
    config: &QuicConfig,
    transport: Arc<TransportConfig>,
) -> Result<ServerConfig, TransportError> {
    let mut server_config = tls::server_config(&config.tls, Protocol::Peer)?;
    server_config
        .transport_config(transport)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    Ok(server_config)
}

pub(crate) fn endpoint_config() -> Result<EndpointConfig, TransportError> {
    let mut endpoint_config = EndpointConfig::default();
    endpoint_config
        .max_udp_payload_size(UDP_PAYLOAD_BYTES_MAX)
        .map_err(|error| TransportError::Setting(error.to_string()))?;
    Ok(endpoint_config)
}

/// Binds a socket with large buffers, which hold a burst of appends without packet loss.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    // The system may grant less, which only reduces throughput.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    Ok(socket)
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

/// The largest UDP payload that is sent if the path allows it. A full batch of datagrams of that
/// size must fit in one send: the system refuses a larger batch, and quinn then treats every packet
/// in it as lost.
const UDP_PAYLOAD_BYTES_MAX: u16 = SEND_BYTES_MAX / SEND_DATAGRAMS_MAX;
/// The largest payload of one send on an IPv4 socket, segmentation offload included.
const SEND_BYTES_MAX: u16 = 65_507;
/// The most datagrams that quinn passes to the system at a time.
const SEND_DATAGRAMS_MAX: u16 = 10;
/// The requested size of each of the socket's buffers.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The most incoming connections that wait for a decision, and the most bytes of their packets that
/// are kept: of one, and of all.
const INCOMING_MAX: usize = 1024;
const INCOMING_BYTES_MAX: u64 = 16 * 1024;
const INCOMING_BYTES_TOTAL_MAX: u64 = 1024 * 1024;
/// The two streams of this version, and two that a later version may add.
const UNI_STREAMS_MAX: u32 = 4;
/// The stream of a snapshot, and the one that replaces it.
const BIDI_STREAMS_MAX: u32 = 2;
const STREAMS_MAX: u32 = UNI_STREAMS_MAX + BIDI_STREAMS_MAX;
const STREAM_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// The assumed round-trip time before one is measured, for local networks: a lost first packet is
/// sent again after 150 ms. The default of QUIC leads to one second.
const INITIAL_RTT: Duration = Duration::from_millis(50);
/// A peer acknowledges after this many packets, or after 25 ms. The number must be below the size
/// of a small congestion window: otherwise the sender waits those 25 ms each time the window is
/// full.
const ACK_EVERY_PACKETS: u32 = 4;
/// The initial congestion window. Connections between followers are idle until a leader is elected,
/// which may then have to send a large append at once.
const INITIAL_WINDOW_BYTES: u64 = 256 * 1024;
