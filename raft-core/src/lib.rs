//! The Raft algorithm without I/O: inputs in, effects out.
//!
//! A [`Node`] is told what happened ([`Input`]) and answers with what is to be done
//! ([`Effect`]). It names no clock, thread, socket, file or source of randomness: time and the
//! seed are arguments, so a recorded run replays to the bit. The doors to the world that a shell
//! must provide around it are in [`ports`]; the binary form of messages and entries is in [`wire`].
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
