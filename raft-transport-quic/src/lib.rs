//! A [`raft_core::ports::Transport`] over QUIC with mutual TLS.
//!
//! [`QuicTransport::start`] binds one UDP socket, over which a node reaches all its peers: one
//! connection a pair, whichever side dialled it. Who a peer is stands in its certificate alone
//! ([`tls`]); both sides check it before either reads a byte of Raft. Elections and appends travel
//! in lanes of their own, each a QUIC stream with a bounded queue that drops rather than blocks.
//!
//! On the wire, a lane's stream begins with its number as one byte; frames follow, each four bytes
//! of length (big-endian) and a message in the form of [`raft_core::wire`]. The first frame of the
//! control lane introduces the sender. A side that breaks these rules, or speaks in another's
//! name, has its connection closed with a [`CloseCode`] and a reason that both sides log.

mod accept;
mod config;
mod dial;
mod endpoint;
pub mod error;
mod frame;
mod greet;
mod hello;
mod lanes;
mod link;
mod metrics;
mod peer;
pub mod tls;

pub use config::QuicConfig;
pub use endpoint::QuicTransport;
pub use error::{CloseCode, TransportError};
pub use metrics::{PeerCounts, PeerStatus};
