//! A Raft node around your own state machine, and a replicated key-value server.
//!
//! [`Node::builder`] assembles a node from a state machine, a log store and a transport;
//! [`NodeHandle`] proposes commands to it and reads from it. The feature `server`, on by default,
//! adds the key-value server with its client and its command line; without it none of their
//! dependencies are compiled.

#[cfg(feature = "server")]
pub mod certificates;
#[cfg(feature = "server")]
pub mod kv;
mod node;
#[cfg(feature = "server")]
pub mod space;

pub use node::{
    BoxError, DURATION_BUCKETS, DurationHistogram, Leadership, Node, NodeBuilder, NodeCounters,
    NodeHandle, NodeStatus, ProposeError, QueueDepths, QueueLimits, ReadError, StartError,
    StopReason,
};
