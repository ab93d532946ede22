//! The user's state machine.

use alloc::string::String;

use bytes::Bytes;

use crate::types::{LogId, LogIndex};

/// Why a command could not be applied. A command that is merely refused (a failed comparison, a
/// bad argument) is no error: encode that in the output.
///
/// The three variants need three different reactions, so that a state machine must not report one
/// as another.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApplyError {
    /// The state machine cannot execute this command: a defect. The node does what its
    /// [`ApplyFailurePolicy`](crate::ApplyFailurePolicy) says: try again, or mark its log broken
    /// and stop.
    #[error("{reason}")]
    Command {
        /// What went wrong, for logs and for the caller.
        reason: String,
    },
    /// The command is of a version that this release does not know. Going on without it would
    /// make this node's state differ from the others': the node stops. Its log is not marked; a
    /// release that knows the version goes on from there.
    #[error("{reason}")]
    Unsupported {
        /// Which version was found, and which ones are known.
        reason: String,
    },
    /// The state machine's own storage failed; no command is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFailure),
}

/// The storage of a state machine failed (a full disk, a read error, damaged data): its state on
/// disk is that of an earlier flush. The node stops. Its log is not marked: once the storage works
/// again, a restart applies the entries that are missing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct StorageFailure {
    /// What was being done, to what, and how it failed.
    pub reason: String,
}

/// Why a query could not be answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct QueryError {
    /// What went wrong, for the caller.
    pub reason: String,
}

/// What the cluster replicates. Deterministic: the same commands in the same order give the same
/// outputs and the same state on every node, whatever the release and the configuration of the
/// node. A constant that decides what a command does belongs into the command, into the replicated
/// state, or to a version that the command names.
///
/// One thread calls all of it.
pub trait StateMachine: Send + 'static {
    /// The last entry whose effect is durable here; zero for a state machine that keeps its state
    /// in memory. Called once, at the start; entries after it are applied again.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn applied(&mut self) -> Result<LogIndex, StorageFailure>;

    /// Applies one command and returns its output. Effects may be held in memory until
    /// [`StateMachine::flush`].
    ///
    /// # Errors
    /// When this node cannot apply it now; the entry counts as not applied, and must have left
    /// nothing behind. [`ApplyError`] says what the node does then.
    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError>;

    /// Ends a batch: every entry up to `applied` went through [`StateMachine::apply`] or carried
    /// no command. A durable state machine writes the state and `applied` in one atomic batch; it
    /// need not sync, as lost batches are applied again from the log. Outputs are reported to
    /// callers only after this returns.
    ///
    /// # Errors
    /// When the batch could not be written. The node stops and calls nothing more; none of the
    /// batch counts as applied.
    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure>;

    /// Memory that the effects held back since the last flush take up, in bytes, approximately.
    /// The node flushes early when this exceeds its bound. Called after every command, so it must
    /// be cheap. Zero, the default, suits a state machine that holds nothing back.
    fn staged_bytes(&self) -> u64 {
        0
    }

    /// Answers a query from the state as it is; never changes it.
    ///
    /// # Errors
    /// When the query makes no sense or the state cannot be read.
    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError>;
}
