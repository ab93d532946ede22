//! Reading a snapshot file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use raft_core::ports::{
    SnapshotError, SnapshotMetadata, SnapshotReader, SnapshotSource, StorageFailure,
};

use super::format::{CHUNK_BYTES, CRC_BYTES, FileStart, FormatError};
use super::{damaged, failed, open};

/// Reads a complete file, one chunk in memory at a time. The open file keeps the data readable
/// after the snapshot is removed.
#[derive(Debug)]
pub(super) struct FileSnapshotReader {
    file: File,
    path: PathBuf,
    metadata: SnapshotMetadata,
    start: FileStart,
    /// The verified data of the chunk in `loaded`.
    chunk: Vec<u8>,
    loaded: Option<u64>,
    /// Where the next read begins.
    offset: u64,
    /// The chunks that were loaded in order from the first one on, and the checksum of their data.
    in_order: (u64, u32),
}

impl FileSnapshotReader {
    /// Reads and verifies header and trailer.
    pub(super) fn new(mut file: File, path: PathBuf) -> Result<Self, SnapshotError> {
        let (metadata, start) = open::read_ends(&mut file).map_err(|error| match error {
            FormatError::Damaged(detail) => damaged(&path, detail),
            FormatError::Io(error) => failed("reading", &path, error),
        })?;
        let (chunk, in_order) = (Vec::new(), (0, 0));
        Ok(Self { file, path, metadata, start, chunk, loaded: None, offset: 0, in_order })
    }

    /// Reads and verifies a chunk that is not after the end of the data.
    fn load(&mut self, number: u64) -> Result<(), SnapshotError> {
        self.loaded = None;
        let first = number * CHUNK_BYTES as u64;
        let data_bytes = (self.metadata.size_bytes - first).min(CHUNK_BYTES as u64);
        let mut crc = [0; CRC_BYTES];
        self.chunk.clear();
        let mut read = || {
            self.file.seek(SeekFrom::Start(self.start.of_chunk(number)))?;
            self.file.read_exact(&mut crc)?;
            (&self.file).take(data_bytes).read_to_end(&mut self.chunk)
        };
        read().map_err(|error| failed("reading", &self.path, error))?;
        if self.start.chunk_checksum(number, &self.chunk).to_le_bytes() != crc {
            let detail = format!("the checksum of chunk {number} does not match");
            return Err(damaged(&self.path, &detail));
        }
        self.check_whole(number)?;
        self.loaded = Some(number);
        Ok(())
    }

    /// After all chunks were read in order, verifies the checksum of the whole data.
    fn check_whole(&mut self, number: u64) -> Result<(), SnapshotError> {
        let (next, checksum) = self.in_order;
        if number != next {
            return Ok(());
        }
        let checksum = crc32c::crc32c_append(checksum, &self.chunk);
        self.in_order = (next + 1, checksum);
        let is_last = number == (self.metadata.size_bytes - 1) / CHUNK_BYTES as u64;
        if is_last && checksum != self.metadata.checksum {
            return Err(damaged(&self.path, "the checksum of its data does not match"));
        }
        Ok(())
    }

    fn read_chunk(&mut self, buffer: &mut [u8]) -> Result<usize, SnapshotError> {
        if self.offset >= self.metadata.size_bytes {
            return Ok(0);
        }
        let number = self.offset / CHUNK_BYTES as u64;
        if self.loaded != Some(number) {
            self.load(number)?;
        }
        let begin = usize::try_from(self.offset % CHUNK_BYTES as u64).unwrap_or(usize::MAX);
        let rest = self.chunk.get(begin..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.offset += length as u64;
        Ok(length)
    }
}

impl SnapshotSource for FileSnapshotReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        self.read_chunk(buffer).map_err(|error| {
            let source = std::error::Error::source(&error);
            let reason =
                source.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
            StorageFailure { reason }
        })
    }
}

impl SnapshotReader for FileSnapshotReader {
    fn metadata(&self) -> &SnapshotMetadata {
        &self.metadata
    }

    fn seek(&mut self, offset: u64) -> Result<(), SnapshotError> {
        if offset > self.metadata.size_bytes {
            return Err(SnapshotError::Invalid(format!(
                "offset {offset} is after the end of the snapshot {}",
                self.path.display()
            )));
        }
        self.offset = offset;
        Ok(())
    }
}
