//! The user's state machine.

use alloc::string::String;

use bytes::Bytes;

use crate::types::{LogId, LogIndex};

/// Why a command could not be applied. A command that is merely refused (a failed comparison, a
/// bad argument) is no error: encode that in the output.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct ApplyError {
    /// What went wrong, for logs and for the caller.
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
/// outputs and the same state on every node.
///
/// One thread calls all of it.
pub trait StateMachine: Send + 'static {
    /// The last entry whose effect is durable here; zero for a state machine that keeps its state
    /// in memory. Called once, at the start; entries after it are applied again.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn applied(&mut self) -> Result<LogIndex, ApplyError>;

    /// Applies one command and returns its output. Effects may be held in memory until
    /// [`StateMachine::flush`].
    ///
    /// # Errors
    /// When this node cannot apply it now (a full disk, a bug); the entry counts as not applied,
    /// and must have left nothing behind.
    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError>;

    /// Ends a batch: every entry up to `applied` went through [`StateMachine::apply`] or carried
    /// no command. A durable state machine writes the state and `applied` in one atomic batch; it
    /// need not sync, as lost batches are applied again from the log. Callers hear of their
    /// outputs only after this returns.
    ///
    /// # Errors
    /// When the batch could not be written; none of it counts as applied.
    fn flush(&mut self, applied: LogId) -> Result<(), ApplyError>;

    /// Answers a query from the state as it is; never changes it.
    ///
    /// # Errors
    /// When the query makes no sense or the state cannot be read.
    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError>;
}
