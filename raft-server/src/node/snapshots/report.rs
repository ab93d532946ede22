//! What arrives in the mailbox about snapshots.

use raft_core::{Message, SnapshotSent, SnapshotTaken};
use tokio::sync::oneshot;

use super::capture::{CaptureSender, Captured};
use super::error::SnapshotRequestError;

/// What the driver must know about snapshots.
#[derive(Debug)]
pub(in crate::node) enum SnapshotReport {
    /// The state machine was captured.
    Captured(Captured),
    /// A capture that was to make the applied entries durable was not needed: they are durable in
    /// the state machine.
    Secured,
    /// A capture has ended.
    Taken(SnapshotTaken),
    /// A transfer has ended.
    Sent(SnapshotSent),
    /// The message of a snapshot whose data is in the store: complete, verified and durable.
    Received(Message),
}

/// The outcome of a compaction that a caller requested.
pub(in crate::node) type CompactionSender = oneshot::Sender<Result<(), SnapshotRequestError>>;

/// A request of a caller.
#[derive(Debug)]
pub(in crate::node) enum SnapshotRequest {
    /// Capture the state machine.
    Capture(CaptureSender),
    /// Make the applied entries durable outside of the log, and compact it.
    Compact(CompactionSender),
}
