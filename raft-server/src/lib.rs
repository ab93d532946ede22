//! A Raft node around an embedder's state machine, and a replicated key-value server.
//!
//! [`Node::builder`] makes a node of a state machine, a log store and a transport, on a Tokio
//! runtime. A [`NodeHandle`] proposes commands to the node, reads from it and shuts it down. The
//! ports are the traits of [`raft_core::ports`]; the crates `raft-storage`, `raft-transport-quic`
//! and `raft-transport-mem` implement log stores and transports.
//!
//! The feature `server`, on by default, adds the key-value server, its client library and its
//! command line. Without it the crate depends on `raft-core`, `bytes`, `thiserror`, `tokio` and
//! `tracing` only.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

#[cfg(feature = "server")]
pub mod certificates;
#[cfg(feature = "server")]
pub mod kv;
#[cfg(feature = "server")]
pub mod loopback_ports;
mod node;
#[cfg(feature = "server")]
pub mod space;

pub use node::{
    BoxError, CapturedState, ChangeMembershipError, Consistency, DURATION_BUCKETS,
    DurationHistogram, EventStream, Freshness, HostFinding, HostInsight, Leadership,
    MembershipInForce, Node, NodeBuilder, NodeCounters, NodeExplanation, NodeHandle, NodeStatus,
    ProposeError, QueueDepths, QueueLimits, ReadError, ReadOutput, RefusedBy, RestoreError,
    SnapshotOptions, SnapshotRequestError, StartError, StopReason, StreamedEvent, TooLittleSpace,
    TransferError,
};
