//! Captured states of the state machine.

use std::fmt;

use raft_core::ports::SnapshotSource;
use raft_core::{LogId, LogIndex, Membership};
use tokio::sync::oneshot;

use super::error::SnapshotRequestError;

/// Sends a captured state to its caller.
pub(in crate::node) type CaptureSender =
    oneshot::Sender<Result<CapturedState, SnapshotRequestError>>;

/// Why the state machine is captured.
#[derive(Debug)]
pub(in crate::node) enum CapturePurpose {
    /// The core requests a snapshot for a follower.
    ForFollowers,
    /// The log must not depend on entries that are only in memory: a state machine that does not
    /// make its state durable itself needs a snapshot.
    Durability,
    /// A caller reads the captured state.
    Caller(CaptureSender),
}

/// The state machine after its entry `last`.
pub(in crate::node) struct Captured {
    pub(in crate::node) last: LogId,
    pub(in crate::node) source: Box<dyn SnapshotSource>,
    pub(in crate::node) purpose: CapturePurpose,
}

/// A captured state of the state machine, with what a snapshot of it carries.
pub struct CapturedState {
    /// The last entry that it covers.
    pub last: LogId,
    /// The configuration in force at that entry, and its index.
    pub membership: (LogIndex, Membership),
    /// The captured state. Reading it may wait for the disk; dropping it frees what it holds.
    pub source: Box<dyn SnapshotSource>,
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").field("last", &self.last).finish_non_exhaustive()
    }
}

impl fmt::Debug for CapturedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedState").field("last", &self.last).finish_non_exhaustive()
    }
}
