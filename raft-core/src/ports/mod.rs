//! The doors to the world: what a shell provides around a [`Node`](crate::Node).
//!
//! All ports are synchronous. Each runs on a thread (or in a loop) of its own; the docs of each
//! say which calls may overlap and what is durable when.

mod log_store;
mod state_machine;
mod transport;

pub use log_store::{BrokenMark, HardState, LogReader, LogStore, Persist, Recovered, StoreError};
pub use state_machine::{ApplyError, QueryError, StateMachine, StorageFailure};
pub use transport::{Inbox, PeerAddress, Transport};
