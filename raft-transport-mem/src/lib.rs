//! A [`raft_core::ports::Transport`] inside one process, for tests, examples, and programs that run
//! a whole cluster in one process.
//!
//! Each node joins a [`Hub`] and gets a [`MemTransport`], which delivers messages to the other
//! nodes' inboxes: on the sender's thread, or on that of a sender that is already delivering to the
//! same inbox. The crate uses no sockets, and no threads or timers except for transfers of
//! snapshots, each of which has a thread. The connection between two nodes can be cut ([`Hub::cut`])
//! and restored ([`Hub::heal`]).
//!
//! ```
//! use std::sync::Arc;
//! use raft_core::{Message, NodeId, ports::{Inbox, PeerAddress, Transport}};
//! use raft_transport_mem::Hub;
//!
//! struct Printer;
//! impl Inbox for Printer {
//!     fn deliver(&self, message: Message) {
//!         assert_eq!(message.to, NodeId(2));
//!     }
//!     fn peer_unreachable(&self, _peer: NodeId) {}
//! }
//!
//! let hub = Hub::new();
//! let one = hub.join(NodeId(1), Arc::new(Printer));
//! let two = hub.join(NodeId(2), Arc::new(Printer));
//! one.set_peers(&[PeerAddress::new(NodeId(2), "")]);
//! two.set_peers(&[PeerAddress::new(NodeId(1), "")]);
//! ```

mod hub;
mod incoming_count;
mod link;
mod network;
mod snapshots;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

pub use hub::{Hub, MemTransport};
pub use incoming_count::SNAPSHOTS_INCOMING_MAX;
pub use link::QUEUE_MESSAGES_MAX;
pub use network::MemNode;
