//! The state machine.

use alloc::string::String;

use bytes::Bytes;

use crate::types::{LogId, LogIndex};

/// Why a command could not be applied. A command with a negative result (a failed comparison, an
/// invalid argument) is not an error: encode that result in the output.
///
/// The node reacts differently to each variant, so a state machine must not report one as another.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApplyError {
    /// The state machine cannot execute this command: a defect. The node follows its
    /// [`ApplyFailurePolicy`](crate::ApplyFailurePolicy): it retries, or marks its log as broken
    /// and stops.
    #[error("{reason}")]
    Command {
        /// The cause, for logs and for the caller.
        reason: String,
    },
    /// This release does not support the version of the command. Without it the state of this node
    /// would differ from that of the others: the node stops. Its log is not marked; a release that
    /// supports the version continues from there.
    #[error("{reason}")]
    Unsupported {
        /// The version of the command, and the supported versions.
        reason: String,
    },
    /// The storage of the state machine failed; the command is not the cause.
    #[error(transparent)]
    Storage(#[from] StorageFailure),
}

/// The storage of a state machine failed (a full disk, a read error, damaged data): its state on
/// disk is that of an earlier flush. The node stops. Its log is not marked: once the storage works
/// again, a restart applies the entries that are missing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct StorageFailure {
    /// The operation, its object and the error.
    pub reason: String,
}

/// Why a query failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct QueryError {
    /// The cause, for the caller.
    pub reason: String,
}

/// The replicated state machine. It is deterministic: the same commands in the same order give the
/// same outputs and the same state on every node, whatever its release and configuration. A
/// constant that affects the result of a command belongs in the command, in the replicated state,
/// or in the rules of a version that the command names.
///
/// One thread calls all methods.
pub trait StateMachine: Send + 'static {
    /// The index of the last entry whose effect is durable in the state machine; zero for one that
    /// keeps its state in memory. Called once, at the start; entries after it are applied again.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn applied(&mut self) -> Result<LogIndex, StorageFailure>;

    /// Applies one command and returns its output. Effects may be held in memory until
    /// [`StateMachine::flush`].
    ///
    /// # Errors
    /// When this node cannot apply the command now. The entry then counts as not applied and must
    /// have had no effect. [`ApplyError`] states the reaction of the node.
    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError>;

    /// Ends a batch: every entry up to `applied` was passed to [`StateMachine::apply`] or carries
    /// no command. A durable state machine writes the state and `applied` in one atomic batch. It
    /// need not sync: a lost batch is applied again from the log. Callers receive outputs only
    /// after this returns.
    ///
    /// # Errors
    /// When the batch could not be written. No entry of it counts as applied, and the node stops
    /// without a further call.
    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure>;

    /// The approximate memory of the effects since the last flush that are not written yet, in
    /// bytes. The node flushes early when this exceeds its limit. Called after every command, so it
    /// must be cheap. Zero, the default, is for a state machine that writes its effects at once.
    fn staged_bytes(&self) -> u64 {
        0
    }

    /// Executes a query on the current state, which it does not change.
    ///
    /// # Errors
    /// When the query is invalid or the state cannot be read.
    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError>;
}
