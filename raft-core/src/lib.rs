//! The Raft consensus algorithm without I/O: a deterministic state machine of inputs and effects.
//!
//! A [`Node`] is one member's part in one Raft group. Its *host*, the code around it, reports what
//! happens as an [`Input`] and executes what the node requests as an [`Effect`]. The node names no
//! clock, thread, socket, file or source of randomness: time and seed are arguments, so a recorded
//! run can be replayed exactly.
//!
//! # The loop
//!
//! ```text
//! node = Node::new(config, store.recover(), bootstrap, now)
//! if the state machine is durable: node.step(now, Input::Applied(applied index), effects)
//! loop {
//!     input = the next of: message, request, report of the host, or Tick at node.deadline()
//!     node.step(now, input, effects)
//!     execute each effect; its completion is a later input
//! }
//! ```
//!
//! `examples/three_nodes.rs` is a complete host with stores in memory, in one thread. `raft-server`
//! is one with threads, RocksDB and QUIC. The traits in [`ports`] are the interfaces between hosts
//! and stores, state machines and transports. A host may use others: the node calls none of them.
//!
//! # Effects
//!
//! | effect | what the host does | what it reports |
//! | --- | --- | --- |
//! | [`Persist`](Effect::Persist) | makes one atomic change durable | [`Input::Persisted`]; one report may cover several changes |
//! | [`Send`](Effect::Send) | sends a message; it may be lost | nothing; [`Input::PeerUnreachable`] if the connection is lost |
//! | [`FetchEntries`](Effect::FetchEntries) | reads entries from the log store | [`Input::EntriesFetched`], exactly once, also after a failure |
//! | [`Apply`](Effect::Apply) | applies committed entries and completes their requests | [`Input::Applied`] or [`Input::ApplyFailed`] |
//! | [`Respond`](Effect::Respond) | completes a request | nothing |
//! | [`Event`](Effect::Event) | writes a log line or a metric | nothing |
//! | [`Halt`](Effect::Halt) | executes the persists of the step and stops the node | nothing |
//!
//! # Inputs
//!
//! Requests ([`Input::Propose`], [`Input::Read`]) may be passed to any node: a node that does not
//! lead refuses them and names the leader, if it knows it. Every proposal and every read ends
//! exactly once, while the node runs: with [`Effect::Respond`], or, for an applied command, with
//! the output of the state machine ([`CommittedEntry::request`]). Messages come from a transport
//! that has authenticated the sender; [`wire::decode`] checks their contents. [`Input::Campaign`]
//! and [`Input::StepDown`] are for operators and tests.
//!
//! # Order and durability
//!
//! Effects of one variant are executed in their order; effects of different variants in any order
//! and at the same time. The host need not wait for a persist before it sends: the node emits a
//! message that depends on persisted state only after that state is reported durable. A leader's
//! appends do not depend on its own disk; its own copy of an entry counts towards the quorum once
//! it is durable. Committed entries are applied once they are durable in the node's own log. A
//! report of durability that is false breaks the guarantees of Raft.
//!
//! # Restart
//!
//! A crash loses the node; the store keeps what was persisted. [`Node::new`] takes what
//! [`ports::LogStore::recover`] returns and starts a follower. Entries after the applied index of
//! the state machine are applied again. Requests of the earlier process end without a response. A
//! node that lost its store must not return under its old [`Incarnation`]. If a persist fails, the
//! host stops the node and does not retry.
//!
//! # Threads, time and cost
//!
//! A [`Node`] is `Send`; one thread at a time steps it. A step never blocks. It allocates for its
//! effects and shares the bytes of commands. `now` is monotonic time from a start that the host
//! chooses. [`Node::deadline`] changes with each step: read it after each one. A late
//! [`Input::Tick`] delays elections and heartbeats, but is always safe. [`Limits`] bound the memory
//! of a node: a leader refuses commands beyond them with [`Refusal::Busy`].
//!
//! # What it does not do
//!
//! It does not retry requests, detect duplicates (thesis §6.3), encode commands, take snapshots, or
//! read its store. It does not change the membership of a running cluster yet: the configuration is
//! the one that the cluster is bootstrapped with.
//!
//! # Sources
//!
//! Sources are cited as *Raft* (Ongaro and Ousterhout, "In Search of an Understandable Consensus
//! Algorithm", extended version) and *thesis* (Ongaro, "Consensus: Bridging Theory and Practice").
#![no_std]

extern crate alloc;

mod config;
mod effect;
mod entry;
mod event;
mod input;
mod invariants;
mod log;
mod membership;
mod message;
mod node;
pub mod ports;
mod prng;
mod progress;
mod quorum;
mod recovery;
mod role;
mod state;
mod types;
pub mod wire;

pub use config::{ApplyFailurePolicy, CommitNotification, Config, ConfigError, Limits, Settings};
pub use effect::{CommittedEntry, Effect, FetchEntries, HaltReason, Outcome, Refusal, Response};
pub use entry::{Entry, Payload};
pub use event::{Event, RoleCause, RoleKind};
pub use input::{ApplyFailure, EntriesFetched, Input, Proposal};
pub use log::TermRuns;
pub use membership::{Membership, MembershipError};
pub use message::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, InvalidMessage, LogSlice, Message,
    MessageRefusal, PreVote, PreVoteResponse, RequestVote, RequestVoteResponse, Rpc,
};
pub use node::{Node, ProgressKind, ProgressStatus, Status};
pub use ports::{BrokenMark, HardState, Persist, Recovered};
pub use prng::Prng;
pub use quorum::{MEMBERS_MAX, majority_of};
pub use recovery::RecoveryError;
pub use types::{
    ClusterId, FetchId, GroupId, Identity, Incarnation, LogId, LogIndex, NodeId, PersistId,
    RequestId, Round, Term, Timestamp,
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
