//! A [`Transport`](raft_core::ports::Transport) over QUIC with mutual TLS.
//!
//! [`QuicTransport::start`] binds one UDP socket for all peers. Each pair of nodes uses one
//! connection. A node accepts connections of configured peers only, and both sides check the
//! identity in the other side's certificate ([`tls`]) before they read any message.
//!
//! Messages are sent on two streams, one for elections and one for appends, each with a bounded
//! queue. A message that does not fit into its queue is dropped; [`send`] never blocks.
//!
//! The data of a snapshot has a stream of its own, with a lower priority and a bounded number of
//! chunks on both sides ([`send_snapshot`]). The host reads and writes it on threads that may
//! block.
//!
//! Handshakes are limited in number, in total and for each source address, and run on a thread of
//! their own ([`HandshakeRuntime`]), so that they do not delay established connections.
//!
//! The bytes on the wire are described in `docs/peer-protocol.md`.
//!
//! [`send`]: raft_core::ports::Transport::send
//! [`send_snapshot`]: raft_core::ports::Transport::send_snapshot

mod accept;
mod admission;
mod backoff;
mod claims;
mod close;
mod config;
mod connection_context;
mod dial;
mod error;
mod establish;
mod frame;
mod handshake;
mod hello;
mod hello_exchange;
mod log_limit;
mod metrics;
mod peer;
mod peer_connection;
mod refusal_log;
mod send_queue;
mod shared;
mod snapshot_frames;
mod snapshot_receiver;
mod snapshot_sender;
mod stream_kind;
mod stream_reader;
mod stream_tasks;
mod stream_writer;
pub mod tls;
mod transfers;
mod transport;
mod tuning;
mod version;
mod violation;

pub use close::CloseCode;
pub use config::{FRAME_BYTES_MAX_DEFAULT, QuicConfig};
pub use error::TransportError;
pub use frame::{FRAME_HEADER_BYTES, FrameReader, FrameTooLarge, write_frame};
pub use handshake::{Handshake, HandshakeRuntime};
pub use log_limit::LogLimit;
pub use metrics::{AcceptCounts, PeerCounts, PeerStatus};
pub use transport::QuicTransport;
pub use version::{NoCommonVersion, VersionRange};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
