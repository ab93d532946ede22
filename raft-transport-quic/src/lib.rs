//! A [`raft_core::ports::Transport`] over QUIC with mutual TLS.
//!
//! [`QuicTransport::start`] binds one UDP socket, over which a node reaches all its peers: one
//! connection a pair, whichever side dialled it. Who a peer is stands in its certificate alone
//! ([`tls`]); both sides check it before either reads a byte of Raft, and a node accepts
//! connections from configured peers only. Elections and appends travel in lanes of their own,
//! each a QUIC stream with a bounded queue that drops rather than blocks.
//!
//! On the wire, a lane's stream begins with its number as one byte; frames follow, each four bytes
//! of length (big-endian) and a message in the form of [`raft_core::wire`]. The first frame of the
//! control lane is the hello: it carries the range of protocol versions that the sender supports,
//! and the highest common one is in use from then on. Streams and kinds of messages that only a
//! newer version knows are skipped and counted. A side that breaks these rules, or sends in
//! another's name, has its connection closed with a [`CloseCode`] and a reason that both sides log.
//!
//! Handshakes are limited in number, for each source address too, and run on a thread of their
//! own ([`HandshakeRuntime`]): neither strangers nor their cryptography delay established traffic.

mod accept;
mod admission;
mod config;
mod dial;
mod endpoint;
pub mod error;
mod frame;
mod handshake;
mod hello;
mod hello_exchange;
mod log_limit;
mod metrics;
mod peer;
mod peer_connection;
mod streams;
pub mod tls;
mod version;

pub use config::{FRAME_BYTES_MAX_DEFAULT, QuicConfig};
pub use endpoint::QuicTransport;
pub use error::{CloseCode, TransportError};
pub use handshake::{Handshake, HandshakeRuntime};
pub use log_limit::LogLimit;
pub use metrics::{AcceptCounts, PeerCounts, PeerStatus};
pub use version::{NoCommonVersion, VersionRange};
