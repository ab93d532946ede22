//! Sources that end, fail or stop within a captured state.

use bytes::Bytes;
use raft_core::ports::{SnapshotSource, StorageFailure};

/// Returns a few bytes at a time.
pub(super) struct ShortReads(pub(super) Bytes);

impl SnapshotSource for ShortReads {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        let length = buffer.len().min(3);
        self.0.read(&mut buffer[..length])
    }
}

/// Returns these bytes and then fails.
pub(super) struct Failing(pub(super) Bytes);

impl SnapshotSource for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        match self.0.read(buffer)? {
            0 => Err(StorageFailure { reason: "injected failure".to_owned() }),
            length => Ok(length),
        }
    }
}

/// Returns these bytes and then unwinds: the process ends there.
pub(super) struct Crashing(pub(super) Bytes);

impl SnapshotSource for Crashing {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        match self.0.read(buffer)? {
            // Without the message of a panic.
            0 => std::panic::resume_unwind(Box::new("injected crash")),
            length => Ok(length),
        }
    }
}
