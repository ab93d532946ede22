//! A [`raft_core::ports::Transport`] inside one process: for tests, for examples, and for
//! programs that run a whole cluster in one place.
//!
//! Nodes join a [`Hub`]. Each gets a [`MemTransport`] that hands messages to the other nodes'
//! inboxes on the sender's own thread: there are no threads, timers or sockets here. Links between
//! nodes can be cut and healed.
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
//! one.set_peers(&[PeerAddress { node: NodeId(2), address: String::new() }]);
//! two.set_peers(&[PeerAddress { node: NodeId(1), address: String::new() }]);
//! ```

mod hub;
mod link;

pub use hub::{Hub, MemTransport};
pub use link::QUEUE_MESSAGES_MAX;
