//! Traits that an embedder implements around a [`Node`](crate::Node), and the data they exchange.
//!
//! A node calls none of them: its host executes effects with them. All methods are synchronous. The
//! documentation of each trait states its threads, which calls may overlap, and what is durable on
//! return.

mod log_store;
mod rate_limit;
mod snapshot_store;
mod snapshot_transfer;
mod state_machine;
mod transport;

pub use log_store::{
    BrokenMark, HardState, LogReader, LogReset, LogStore, Persist, Recovered, StoreError,
};
pub use rate_limit::RateLimit;
pub use snapshot_store::{
    SnapshotError, SnapshotMetadata, SnapshotReader, SnapshotStore, SnapshotWriter,
};
pub use snapshot_transfer::{
    IncomingSnapshot, OutgoingSnapshot, SnapshotOffer, SnapshotOutcome, SnapshotRefusal,
    SnapshotResponse, SnapshotTransfer,
};
pub use state_machine::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
pub use transport::{Inbox, PeerAddress, PeerRefusal, Transport};
