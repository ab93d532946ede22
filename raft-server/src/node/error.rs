//! How requests, starts and whole nodes end badly.

use std::sync::Arc;

use raft_core::ports::{QueryError, StorageFailure, StoreError};
use raft_core::{ConfigError, HaltReason, LogIndex, NodeId, Refusal};

/// An error of a caller's own code, kept as it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a proposal ended when it did not end with the state machine's output.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProposeError {
    /// The command is not in the log: asking again, here or elsewhere, is safe.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node lost track of the command after it entered the log: it may or may not take
    /// effect. Ask again with the same session and serial, or read first.
    #[error("the outcome is unknown: leadership was lost while the command was under way")]
    Unknown {
        /// Who might lead now.
        leader: Option<NodeId>,
    },
    /// The command is committed, and this node's state machine failed at it. The other nodes
    /// apply it; this one tries again or stops, as
    /// [`ApplyFailurePolicy`](raft_core::ApplyFailurePolicy) says.
    #[error("the command is committed at entry {index}, but the state machine failed: {reason}")]
    ApplyFailed {
        /// Where the command stands in the log.
        index: LogIndex,
        /// What the state machine said.
        reason: String,
    },
    /// The node has stopped or is stopping; the command is not in the log.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a read was not answered. Reading again is always safe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// This node cannot answer now; the refusal says what to do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The state machine could not answer.
    #[error("the state machine refused the query: {0}")]
    Query(#[from] QueryError),
    /// The node has stopped or is stopping.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a node could not be started. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The builder was not told something that it needs.
    #[error("the node needs {0} before it can start")]
    Missing(&'static str),
    /// The settings, the configuration of the cluster or the recovered log cannot work; a log
    /// that is marked broken is [`ConfigError::Broken`].
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log store could not be read.
    #[error("the log store could not be recovered")]
    Store(#[from] StoreError),
    /// The state machine could not say how far it has applied.
    #[error("the state machine could not say what it has applied: {0}")]
    StateMachine(#[from] StorageFailure),
    /// The state machine and the log are not of one kind: one of them was lost or replaced.
    #[error(
        "the state machine has applied up to entry {applied}, but the log holds {first} to {last}: \
         restore the two together"
    )]
    Diverged {
        /// What the state machine has applied.
        applied: LogIndex,
        /// The first entry of the log.
        first: LogIndex,
        /// The last entry of the log.
        last: LogIndex,
    },
    /// The transport could not be brought up.
    #[error("the transport could not be started")]
    Transport(#[source] BoxError),
    /// The operating system refused a thread.
    #[error("a thread for the {part} could not be started")]
    Thread {
        /// What the thread was for.
        part: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A port panicked while the node was coming up.
    #[error("the {part} panicked at the start: {message}")]
    Panicked {
        /// Whose code it was.
        part: &'static str,
        /// The message of the panic.
        message: String,
    },
}

/// Why a node stopped. Whatever it was, the node is silent from then on: it acknowledges nothing,
/// votes for nobody, and its threads are gone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StopReason {
    /// It was asked to, or its last handle was dropped.
    #[error("it was shut down")]
    Shutdown,
    /// The runtime that it ran on ended first.
    #[error("the runtime under it ended")]
    RuntimeEnded,
    /// The log store failed: what is on the disk is not known, so nothing may be promised.
    #[error("the log store failed")]
    Storage(#[source] Arc<StoreError>),
    /// The storage of the state machine failed. No command is at fault and the log is not marked
    /// broken: a restart goes on once the storage works again.
    #[error("the storage of the state machine failed: {0}")]
    StateMachineStorage(#[from] StorageFailure),
    /// The log holds a command that this release does not know. The log is not marked broken: a
    /// release that knows the command goes on from there.
    #[error("entry {index} cannot be applied by this release: {reason}")]
    UnsupportedCommand {
        /// The entry.
        index: LogIndex,
        /// Which version was found, and which ones are known.
        reason: String,
    },
    /// The core stopped itself.
    #[error(transparent)]
    Halted(#[from] HaltReason),
    /// The state machine panicked. The entry is neither applied nor skipped.
    #[error("the state machine panicked at entry {index}: {message}")]
    StateMachinePanicked {
        /// The entry that it was applying.
        index: LogIndex,
        /// The message of the panic.
        message: String,
    },
    /// A port or the core panicked: a broken assertion stops the node, not the process.
    #[error("the {part} panicked: {message}")]
    Panicked {
        /// Whose code it was.
        part: &'static str,
        /// The message of the panic.
        message: String,
    },
}
