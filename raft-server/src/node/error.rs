//! Errors of requests and starts, and the reasons for which a node stops.

use std::sync::Arc;

use raft_core::ports::{QueryError, StorageFailure, StoreError};
use raft_core::{
    ConfigError, HaltReason, LogId, LogIndex, NodeId, RecoveryError, Refusal, TransferFailure,
};

use super::snapshots::RestoreError;

/// An error of an embedder's own code.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a proposal returned no output, and what is known about its command.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// The command is not in the log. A retry is safe; the refusal names the node and whether
    /// to pause before it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The command entered the log, and then the node lost leadership or stopped: the command may
    /// or may not take effect. A retry may apply it twice, unless the state machine detects
    /// duplicates (thesis §6.3).
    #[error(
        "the outcome is unknown: the node lost leadership or stopped while the command was in \
         progress"
    )]
    Unknown {
        /// The leader, if the node knows it.
        leader: Option<NodeId>,
    },
    /// The command is committed, and the state machine of this node failed at it. The other nodes
    /// apply it. This node tries again or stops, as its
    /// [`ApplyFailurePolicy`](raft_core::ApplyFailurePolicy) states.
    #[error("the command is committed at entry {index}, but the state machine failed: {reason}")]
    ApplyFailed {
        /// The index of the command in the log.
        index: LogIndex,
        /// The error of the state machine.
        reason: String,
    },
    /// The node shuts down or has stopped; the command is not in the log.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a read returned no result. A retry is always safe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// This node cannot serve the read now; the refusal states what to do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The state machine returned an error.
    #[error("the query failed: {0}")]
    Query(#[from] QueryError),
    /// The node shuts down or has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Why the leadership was not transferred. A retry is safe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The transfer did not begin: this node does not lead, or the target cannot take over.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The transfer began, and its target does not lead.
    #[error("the leadership was not transferred: {0}")]
    Failed(#[from] TransferFailure),
    /// The node shuts down or has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Why the outcome of a change of the membership is not success.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeMembershipError {
    /// The membership is not changed by this request; the refusal states what to do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node lost its leadership or stopped while the change was in progress: it may or may not
    /// take effect. The membership in force shows whether it did.
    #[error("the outcome is unknown: the node lost leadership or stopped during the change")]
    Unknown {
        /// The leader, if the node knows it.
        leader: Option<NodeId>,
    },
    /// The node shuts down or has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a node did not start. No thread of it runs, and its ports are dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A required part was not set at the builder.
    #[error("the node needs {0} before it can start")]
    Missing(&'static str),
    /// The transport does not deliver every message that the limits permit.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bootstrap configuration or the recovered log is invalid. A log with a broken mark is
    /// [`RecoveryError::Broken`].
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Leases are configured, and this system has no clock that counts the time in which the
    /// machine is suspended: a lease could outlast what the other nodes guarantee.
    #[error(
        "leases need a clock that advances while the machine is suspended, which this system does \
         not provide: turn leases off"
    )]
    LeaseWithoutClock,
    /// The log store could not be read.
    #[error("the log store could not be recovered")]
    Store(#[from] StoreError),
    /// The state machine could not read its applied index.
    #[error("the state machine could not read its applied index: {0}")]
    StateMachine(#[from] StorageFailure),
    /// The applied index of the state machine is not in the log, and no snapshot restores it: one of
    /// the two was lost or replaced.
    #[error(
        "the state machine has applied up to entry {applied}, but the log holds {first} to {last}, \
         and no snapshot connects the two: data of this node is lost, so replace the member"
    )]
    Diverged {
        /// The applied index of the state machine.
        applied: LogIndex,
        /// The first entry of the log.
        first: LogIndex,
        /// The last entry of the log.
        last: LogIndex,
    },
    /// The log begins after a snapshot, and the state machine could not be restored to it. The
    /// snapshot is kept: the next start restores it again.
    #[error("the state machine could not be restored to the snapshot up to entry {last}: {error}")]
    Restore {
        /// The last entry of the snapshot.
        last: LogId,
        /// The cause.
        error: RestoreError,
    },
    /// The transport could not be started.
    #[error("the transport could not be started")]
    Transport(#[source] BoxError),
    /// The operating system refused a thread.
    #[error("a thread for the {part} could not be started")]
    Thread {
        /// The part of the node that needs the thread.
        part: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A port panicked while it was opened.
    #[error("the {part} panicked at the start: {message}")]
    Panicked {
        /// The port.
        part: &'static str,
        /// The message of the panic.
        message: String,
    },
}

/// Why a node stopped. A stopped node sends nothing, acknowledges nothing and has no threads.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// [`NodeHandle::shutdown`](crate::NodeHandle::shutdown) was called, or the last handle was
    /// dropped.
    #[error("it was shut down")]
    Shutdown,
    /// The Tokio runtime was dropped while the node ran.
    #[error("its runtime was dropped")]
    RuntimeEnded,
    /// The log store failed. What the disk holds is unknown until a restart reads it.
    #[error("the log store failed")]
    Storage(#[source] Arc<StoreError>),
    /// The storage of the state machine failed. No command is at fault, and the log gets no broken
    /// mark: once the storage works again, a restart applies the entries that are missing.
    #[error("the storage of the state machine failed: {0}")]
    StateMachineStorage(#[from] StorageFailure),
    /// The log begins after a snapshot, and the state machine could not be restored to it. The
    /// snapshot is kept: a restart restores it again.
    #[error("the state machine could not be restored to the snapshot up to entry {last}: {error}")]
    Restore {
        /// The last entry of the snapshot.
        last: LogId,
        /// The cause.
        error: Arc<RestoreError>,
    },
    /// The log holds a command of a version that the state machine does not support. The log gets
    /// no broken mark: a release that supports the version applies the command after a restart.
    #[error("entry {index} cannot be applied by this release: {reason}")]
    UnsupportedCommand {
        /// The entry.
        index: LogIndex,
        /// The version found, and the versions supported.
        reason: String,
    },
    /// The core halted.
    #[error(transparent)]
    Halted(#[from] HaltReason),
    /// The state machine panicked. The entry counts as not applied.
    #[error("the state machine panicked at entry {index}: {message}")]
    StateMachinePanicked {
        /// The entry.
        index: LogIndex,
        /// The message of the panic.
        message: String,
    },
    /// A port or the core panicked. The panic stops the node, not the process.
    #[error("the {part} panicked: {message}")]
    Panicked {
        /// The part that panicked.
        part: &'static str,
        /// The message of the panic.
        message: String,
    },
}
