//! The state machine.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bytes::{Buf, Bytes};

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
/// disk is that of an earlier flush or restore. The node stops. Its log is not marked: once the
/// storage works again, a restart applies the entries that are missing.
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
/// One thread calls all methods. It captures and restores between two batches only: every command
/// that was applied is flushed then.
pub trait StateMachine: Send + 'static {
    /// The index of the last entry whose effect is durable in the state machine; zero for one that
    /// keeps its state in memory. Called once, at the start, before any other method. Entries after
    /// it are applied again; if the log no longer contains them, [`StateMachine::restore`] is called
    /// with the latest snapshot first.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn applied(&mut self) -> Result<LogIndex, StorageFailure>;

    /// The index of the last entry whose effect survives a power failure of this machine; zero for a
    /// state machine that keeps its state in memory. Never falls, and never exceeds the last flush
    /// or restore. After a crash [`StateMachine::applied`] returns at least this index.
    ///
    /// The log is compacted up to here at most, unless a durable snapshot covers the entries. It may
    /// be lower than the truth: that keeps entries in the log for longer. Called after flushes and
    /// restores, so it must be cheap: it need not sync anything.
    ///
    /// # Errors
    /// When the storage failed since the last call: the node stops.
    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure>;

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

    /// Captures the state at the last flush or restore for a snapshot (Raft §7). Returns quickly,
    /// because no command is applied meanwhile: it fixes the state, and the returned source reads it
    /// later, on another thread, while commands are applied.
    ///
    /// Several sources may exist at a time, and a source remains readable after a later
    /// [`StateMachine::restore`]. Dropping it frees what it holds, whether or not it was read to its
    /// end.
    ///
    /// # Errors
    /// When the state cannot be captured. The state machine is not affected: the node continues and
    /// captures again later.
    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure>;

    /// Replaces the whole state by a captured one. `applied` is the entry at which it was captured,
    /// perhaps on another node and by another release; entries after it are applied next. The
    /// restored state gives the same outputs for them as the captured one.
    ///
    /// The source returns the bytes that were captured: the host has verified a checksum of them.
    /// It need not be read to its end after an error.
    ///
    /// On return [`StateMachine::durable_applied`] states whether the restored state is durable. If
    /// it is lower than `applied`, the host keeps the snapshot. A crash during the call leaves the
    /// old or the new state of a durable state machine, never a mixture.
    ///
    /// # Errors
    /// When the source or the storage fails, or the bytes are not a state that this release can
    /// read. The old state remains. The node stops, because its log begins after the snapshot. A
    /// restart restores the same snapshot again.
    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure>;
}

/// A captured state as a sequence of bytes. The state machine chooses their format. They travel to
/// other nodes and may be read by a later release, so the format has a version and does not depend
/// on the machine.
///
/// One thread at a time reads it; that need not be the thread of the state machine.
pub trait SnapshotSource: Send {
    /// Reads the next bytes into `buffer`, which is not empty, and returns their number: zero at
    /// the end of the state. May wait for the disk.
    ///
    /// # Errors
    /// When the captured state cannot be read. The bytes read so far are useless then.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure>;

    /// Reads everything up to the end into memory: for states that are known to be small.
    ///
    /// # Errors
    /// When [`SnapshotSource::read`] fails, or there are more than `bytes_max` bytes.
    fn read_to_end(&mut self, bytes_max: usize) -> Result<Vec<u8>, StorageFailure> {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(bytes),
                length => bytes.extend_from_slice(&buffer[..length]),
            }
            if bytes.len() > bytes_max {
                let reason = format!("the captured state has more than {bytes_max} bytes");
                return Err(StorageFailure { reason });
            }
        }
    }
}

/// Bytes that [`SnapshotSource::read_to_end`] reads at a time.
const READ_BYTES: usize = 16 << 10;

/// A captured state in memory.
impl SnapshotSource for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        let length = buffer.len().min(self.len());
        self.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source may return fewer bytes than the buffer holds, and must end.
    #[test]
    fn bytes_are_read_in_pieces_and_then_end() {
        let mut source = Bytes::from_static(b"captured");
        let mut buffer = [0; 5];
        assert_eq!(source.read(&mut buffer), Ok(5));
        assert_eq!(&buffer, b"captu");
        assert_eq!(source.read(&mut buffer), Ok(3));
        assert_eq!(&buffer[..3], b"red");
        assert_eq!(source.read(&mut buffer), Ok(0));
    }

    /// A source of another state machine must not exhaust the memory.
    #[test]
    fn reading_to_the_end_stops_at_its_bound() {
        let state = Bytes::from(vec![7; READ_BYTES + 1]);
        assert_eq!(state.clone().read_to_end(state.len()), Ok(state.to_vec()));
        assert!(state.clone().read_to_end(state.len() - 1).is_err());
    }
}
