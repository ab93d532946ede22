//! A snapshot store in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use raft_core::ports::{
    SnapshotError, SnapshotMetadata, SnapshotReader, SnapshotSource, SnapshotStore, SnapshotWriter,
    StorageFailure,
};
use raft_core::{LogId, LogIndex, Membership};

/// Keeps snapshots in memory with the semantics of a store on disk: complete snapshots and
/// interrupted receptions are present after [`MemSnapshotStore::restarted`].
///
/// A clone is an independent copy, for forks of a simulation.
#[derive(Debug, Default)]
pub struct MemSnapshotStore {
    contents: Arc<Mutex<Contents>>,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    complete: BTreeMap<LogId, (SnapshotMetadata, Bytes)>,
    /// What was received of a snapshot whose writer was dropped.
    interrupted: Option<(SnapshotMetadata, Vec<u8>)>,
    /// The snapshots for which a writer exists.
    writing: BTreeSet<LogId>,
}

impl MemSnapshotStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store on the same memory, as after a restart of the process. The previous store and its
    /// writers must not be used any more.
    #[must_use]
    pub fn restarted(&self) -> Self {
        self.contents().writing.clear();
        Self { contents: Arc::clone(&self.contents) }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.contents)
    }

    /// A writer, which no other may exist beside.
    fn writer(
        &self,
        last: LogId,
        membership: (LogIndex, Membership),
        expected: Option<SnapshotMetadata>,
    ) -> Result<Box<dyn SnapshotWriter>, SnapshotError> {
        if membership.0 > last.index {
            return Err(SnapshotError::Invalid(format!(
                "a snapshot up to entry {last} with a membership of index {}",
                membership.0
            )));
        }
        let mut contents = self.contents();
        if !contents.writing.insert(last) {
            return Err(SnapshotError::Busy(last));
        }
        let data = match &expected {
            Some(expected) => match contents.interrupted.take() {
                Some((metadata, data)) if metadata == *expected => data,
                Some(_) | None => Vec::new(),
            },
            None => Vec::new(),
        };
        let contents = Arc::clone(&self.contents);
        Ok(Box::new(MemSnapshotWriter {
            contents,
            last,
            membership,
            expected,
            data,
            failed: false,
        }))
    }
}

impl Clone for MemSnapshotStore {
    fn clone(&self) -> Self {
        let contents = self.contents().clone();
        Self { contents: Arc::new(Mutex::new(contents)) }
    }
}

impl SnapshotStore for MemSnapshotStore {
    fn list(&self) -> Vec<SnapshotMetadata> {
        self.contents().complete.values().map(|(metadata, _)| metadata.clone()).collect()
    }

    fn create(
        &self,
        last: LogId,
        membership: (LogIndex, Membership),
    ) -> Result<Box<dyn SnapshotWriter>, SnapshotError> {
        self.writer(last, membership, None)
    }

    fn receive(
        &self,
        metadata: &SnapshotMetadata,
    ) -> Result<Box<dyn SnapshotWriter>, SnapshotError> {
        self.writer(metadata.last, metadata.membership.clone(), Some(metadata.clone()))
    }

    fn open(&self, last: LogId) -> Result<Option<Box<dyn SnapshotReader>>, SnapshotError> {
        let found = self.contents().complete.get(&last).cloned();
        Ok(found.map(|(metadata, data)| {
            let rest = data.clone();
            Box::new(MemSnapshotReader { metadata, data, rest }) as Box<dyn SnapshotReader>
        }))
    }

    fn remove(&self, last: LogId) -> Result<(), SnapshotError> {
        self.contents().complete.remove(&last);
        Ok(())
    }
}

#[derive(Debug)]
struct MemSnapshotWriter {
    contents: Arc<Mutex<Contents>>,
    last: LogId,
    membership: (LogIndex, Membership),
    /// The description of the sender, if the snapshot is received.
    expected: Option<SnapshotMetadata>,
    data: Vec<u8>,
    failed: bool,
}

impl MemSnapshotWriter {
    fn check_usable(&self) -> Result<(), SnapshotError> {
        if self.failed {
            let reason = "the writer of a snapshot is used after an error";
            return Err(SnapshotError::Invalid(reason.to_owned()));
        }
        Ok(())
    }

    fn differs(&mut self, detail: String) -> SnapshotError {
        self.failed = true;
        SnapshotError::Corrupt { what: format!("the snapshot up to entry {}", self.last), detail }
    }
}

impl SnapshotWriter for MemSnapshotWriter {
    fn offset(&self) -> u64 {
        self.data.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.check_usable()?;
        let end = self.data.len() as u64 + bytes.len() as u64;
        if self.expected.as_ref().is_some_and(|expected| end > expected.size_bytes) {
            return Err(self.differs(format!("{end} bytes were received")));
        }
        self.data.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<SnapshotMetadata, SnapshotError> {
        self.check_usable()?;
        let metadata = SnapshotMetadata {
            last: self.last,
            membership: self.membership.clone(),
            size_bytes: self.offset(),
            checksum: crc32c::crc32c(&self.data),
        };
        if self.expected.as_ref().is_some_and(|expected| *expected != metadata) {
            return Err(self.differs("it is not as its sender describes it".to_owned()));
        }
        let data = Bytes::from(std::mem::take(&mut self.data));
        lock(&self.contents).complete.insert(self.last, (metadata.clone(), data));
        self.expected = None;
        Ok(metadata)
    }
}

impl Drop for MemSnapshotWriter {
    fn drop(&mut self) {
        let mut contents = lock(&self.contents);
        contents.writing.remove(&self.last);
        if let Some(expected) = self.expected.take().filter(|_| !self.failed) {
            contents.interrupted = Some((expected, std::mem::take(&mut self.data)));
        }
    }
}

#[derive(Debug)]
struct MemSnapshotReader {
    metadata: SnapshotMetadata,
    data: Bytes,
    /// What was not read yet.
    rest: Bytes,
}

impl SnapshotSource for MemSnapshotReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl SnapshotReader for MemSnapshotReader {
    fn metadata(&self) -> &SnapshotMetadata {
        &self.metadata
    }

    fn seek(&mut self, offset: u64) -> Result<(), SnapshotError> {
        let offset = usize::try_from(offset).ok().filter(|&offset| offset <= self.data.len());
        let Some(offset) = offset else {
            let reason = "the offset is after the end of the snapshot";
            return Err(SnapshotError::Invalid(reason.to_owned()));
        };
        self.rest = self.data.slice(offset..);
        Ok(())
    }
}

/// Changes are applied as a whole, so the data is consistent after a panic under the lock.
fn lock(contents: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    contents.lock().unwrap_or_else(PoisonError::into_inner)
}
