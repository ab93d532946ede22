//! Writing a snapshot file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use raft_core::ports::{SnapshotError, SnapshotMetadata, SnapshotWriter};

use super::format::{CHUNK_BYTES, CRC_BYTES, FileStart, FormatError, Header};
use super::{FileKind, Registration, damaged, failed};

/// Data that may wait for a sync. A single sync of everything would delay those of the log.
const UNSYNCED_BYTES_MAX: u64 = 4 << 20;

/// Writes a file that is not visible as a snapshot before it is complete.
#[derive(Debug)]
pub(super) struct FileSnapshotWriter {
    file: File,
    path: PathBuf,
    header: Header,
    start: FileStart,
    /// Room for a checksum, then the data of the chunk that is not full yet.
    chunk: Vec<u8>,
    /// Data in full chunks and in `chunk`.
    offset: u64,
    /// Of all data up to `offset`.
    checksum: u32,
    unsynced_bytes: u64,
    state: State,
    registration: Registration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Writing,
    /// The file must not be used any more.
    Failed,
    Published,
}

impl FileSnapshotWriter {
    /// Begins a new file. An earlier one of the same name is replaced.
    pub(super) fn create(
        registration: Registration,
        header: Header,
    ) -> Result<Self, SnapshotError> {
        let path = path_of(&registration, &header);
        let (bytes, crc) = header.encode();
        let create = || {
            let mut file = File::create(&path)?;
            file.write_all(&bytes)?;
            Ok(file)
        };
        let file = create().map_err(|error| failed("creating", &path, error))?;
        let start = FileStart { bytes: bytes.len() as u64, crc };
        Ok(Self::at(Progress::default(), file, start, registration, header))
    }

    /// Continues an interrupted reception of the same snapshot after its last chunk that verifies.
    pub(super) fn resume_or_create(
        registration: Registration,
        header: Header,
    ) -> Result<Self, SnapshotError> {
        let path = path_of(&registration, &header);
        match interrupted(&path, &header) {
            Ok(Some((file, start, progress))) => {
                Ok(Self::at(progress, file, start, registration, header))
            }
            Ok(None) => Self::create(registration, header),
            Err(error) => Err(failed("reading", &path, error)),
        }
    }

    fn at(
        progress: Progress,
        file: File,
        start: FileStart,
        registration: Registration,
        header: Header,
    ) -> Self {
        let mut chunk = Vec::with_capacity(CRC_BYTES + CHUNK_BYTES);
        chunk.resize(CRC_BYTES, 0);
        Self {
            file,
            path: path_of(&registration, &header),
            header,
            start,
            chunk,
            offset: progress.chunks * CHUNK_BYTES as u64,
            checksum: progress.checksum,
            unsynced_bytes: 0,
            state: State::Writing,
            registration,
        }
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<(), SnapshotError> {
        let end = self.offset.saturating_add(bytes.len() as u64);
        if let Some((size_bytes, _)) = self.header.expected
            && end > size_bytes
        {
            let detail = format!("{end} bytes were received, its sender states {size_bytes}");
            return Err(damaged(&self.path, &detail));
        }
        while !bytes.is_empty() {
            let room = CRC_BYTES + CHUNK_BYTES - self.chunk.len();
            let (next, rest) = bytes.split_at(room.min(bytes.len()));
            self.chunk.extend_from_slice(next);
            self.checksum = crc32c::crc32c_append(self.checksum, next);
            self.offset += next.len() as u64;
            bytes = rest;
            if self.chunk.len() == CRC_BYTES + CHUNK_BYTES {
                self.write_chunk()?;
            }
        }
        Ok(())
    }

    /// Writes the chunk, which is not empty.
    fn write_chunk(&mut self) -> Result<(), SnapshotError> {
        let number = (self.offset - 1) / CHUNK_BYTES as u64;
        let crc = self.start.chunk_checksum(number, &self.chunk[CRC_BYTES..]);
        self.chunk[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all(&self.chunk).map_err(|e| failed("writing", &self.path, e))?;
        self.unsynced_bytes += self.chunk.len() as u64;
        self.chunk.truncate(CRC_BYTES);
        if self.unsynced_bytes >= UNSYNCED_BYTES_MAX {
            self.file.sync_data().map_err(|error| failed("syncing", &self.path, error))?;
            self.unsynced_bytes = 0;
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<SnapshotMetadata, SnapshotError> {
        let found = (self.offset, self.checksum);
        if let Some(expected) = self.header.expected
            && found != expected
        {
            let detail = format!(
                "{} bytes with checksum {:08x} were received, its sender states {} bytes with \
                 checksum {:08x}",
                found.0, found.1, expected.0, expected.1
            );
            return Err(damaged(&self.path, &detail));
        }
        if self.chunk.len() > CRC_BYTES {
            self.write_chunk()?;
        }
        let trailer = self.start.trailer(self.offset, self.checksum);
        let written = self.file.write_all(&trailer).and_then(|()| self.file.sync_all());
        written.map_err(|error| failed("completing", &self.path, error))?;
        let metadata = SnapshotMetadata {
            last: self.header.last,
            membership: self.header.membership.clone(),
            size_bytes: self.offset,
            checksum: self.checksum,
        };
        self.registration.shared.publish(&self.path, &metadata)?;
        Ok(metadata)
    }

    fn check_usable(&self) -> Result<(), SnapshotError> {
        match self.state {
            State::Writing => Ok(()),
            State::Failed | State::Published => Err(SnapshotError::Invalid(
                "the writer of a snapshot is used after an error".to_owned(),
            )),
        }
    }
}

impl SnapshotWriter for FileSnapshotWriter {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.check_usable()?;
        // A failed write may have written a part, so that the file no longer ends at `offset`.
        self.append(bytes).inspect_err(|_| self.state = State::Failed)
    }

    fn finish(mut self: Box<Self>) -> Result<SnapshotMetadata, SnapshotError> {
        self.check_usable()?;
        let outcome = self.complete();
        self.state = if outcome.is_ok() { State::Published } else { State::Failed };
        outcome
    }
}

impl Drop for FileSnapshotWriter {
    fn drop(&mut self) {
        let is_resumable = self.header.expected.is_some();
        let keeps_file = match self.state {
            State::Writing => is_resumable,
            State::Failed => false,
            State::Published => true,
        };
        // If this fails, the file is removed when the store is opened or receives a snapshot.
        if !keeps_file && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "cannot remove a snapshot");
        }
    }
}

/// What of a reception is on disk and verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Progress {
    /// Full chunks.
    chunks: u64,
    /// The checksum of their data.
    checksum: u32,
}

fn path_of(registration: &Registration, header: &Header) -> PathBuf {
    let kind = if header.expected.is_some() { FileKind::Received } else { FileKind::Draft };
    registration.shared.path(header.last, kind)
}

/// Opens the file of an interrupted reception behind its last full chunk that verifies. `None` if
/// there is no file, or one of another snapshot.
fn interrupted(path: &Path, header: &Header) -> io::Result<Option<(File, FileStart, Progress)>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let start = match Header::read(&mut file) {
        Ok((found, start)) if found == *header => start,
        Ok(_) | Err(FormatError::Damaged(_)) => return Ok(None),
        Err(FormatError::Io(error)) => return Err(error),
    };
    let size_bytes = header.expected.map_or(0, |(size_bytes, _)| size_bytes);
    let mut progress = Progress::default();
    let mut chunk = vec![0; CRC_BYTES + CHUNK_BYTES];
    while progress.chunks < size_bytes / CHUNK_BYTES as u64 {
        match file.read_exact(&mut chunk) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        let (crc, data) = chunk.split_at(CRC_BYTES);
        if start.chunk_checksum(progress.chunks, data).to_le_bytes() != *crc {
            break;
        }
        progress.chunks += 1;
        progress.checksum = crc32c::crc32c_append(progress.checksum, data);
    }
    let end = start.of_chunk(progress.chunks);
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok(Some((file, start, progress)))
}
