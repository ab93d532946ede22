//! The bytes of a snapshot file: header, chunks, trailer.

use std::io::{self, Read};

use raft_core::ports::SnapshotMetadata;
use raft_core::{LogId, LogIndex, Membership};
use serde::{Deserialize, Serialize};

/// Data of one chunk; the last one may have less.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// The checksum of a chunk.
pub(super) const CRC_BYTES: usize = 4;
/// Size, checksum of the data, and a checksum of both.
pub(super) const TRAILER_BYTES: usize = 16;

const MAGIC: [u8; 8] = *b"raftsnap";
/// Magic, payload length, checksum.
const PREFIX_BYTES: usize = 16;
/// A damaged length never leads to a large allocation.
const PAYLOAD_BYTES_MAX: u32 = 1 << 20;

/// What the beginning of a file states about the snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) last: LogId,
    pub(super) membership: (LogIndex, Membership),
    /// Size and checksum of the data, if the sender of the snapshot has described them.
    pub(super) expected: Option<(u64, u32)>,
}

impl Header {
    /// The header of a snapshot that another node describes.
    pub(super) fn of_received(metadata: &SnapshotMetadata) -> Self {
        let SnapshotMetadata { last, membership, size_bytes, checksum } = metadata.clone();
        Self { last, membership, expected: Some((size_bytes, checksum)) }
    }

    /// The bytes of the header, and its checksum, which the checksums of the chunks include.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let mut bytes = postcard::to_extend(self, vec![0; PREFIX_BYTES])
            .expect("a header always serializes into a growing buffer");
        let payload = &bytes[PREFIX_BYTES..];
        let length = u32::try_from(payload.len()).expect("a membership has a limited size");
        let crc = header_checksum(length, payload);
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        bytes[12..PREFIX_BYTES].copy_from_slice(&crc.to_le_bytes());
        (bytes, crc)
    }

    /// Reads a header. Returns it with its length and its checksum.
    pub(super) fn read(file: &mut impl Read) -> Result<(Self, FileStart), FormatError> {
        let mut prefix = [0; PREFIX_BYTES];
        file.read_exact(&mut prefix)?;
        let (magic, rest) = prefix.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(FormatError::Damaged("it does not begin like a snapshot"));
        }
        let (length, crc) = (u32_at(rest, 0), u32_at(rest, 4));
        if length > PAYLOAD_BYTES_MAX {
            return Err(FormatError::Damaged("its header has an impossible length"));
        }
        let mut payload = vec![0; length as usize];
        file.read_exact(&mut payload)?;
        if header_checksum(length, &payload) != crc {
            return Err(FormatError::Damaged("the checksum of its header does not match"));
        }
        let header = postcard::from_bytes(&payload)
            .map_err(|_| FormatError::Damaged("its header cannot be decoded"))?;
        Ok((header, FileStart { bytes: PREFIX_BYTES as u64 + u64::from(length), crc }))
    }
}

/// Where the chunks of a file begin, and the checksum of the header before them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileStart {
    pub(super) bytes: u64,
    pub(super) crc: u32,
}

impl FileStart {
    /// The offset in the file of a chunk.
    pub(super) const fn of_chunk(&self, number: u64) -> u64 {
        self.bytes + number * (CRC_BYTES + CHUNK_BYTES) as u64
    }

    /// The checksum of a chunk: it covers header, position and data, so that a chunk of another
    /// file or at another position is detected.
    pub(super) fn chunk_checksum(&self, number: u64, data: &[u8]) -> u32 {
        let position = crc32c::crc32c_append(self.crc, &number.to_le_bytes());
        crc32c::crc32c_append(position, data)
    }

    /// The bytes after the data of a complete file.
    pub(super) fn trailer(&self, size_bytes: u64, checksum: u32) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(&size_bytes.to_le_bytes());
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        let crc = crc32c::crc32c_append(self.crc, &bytes[..12]);
        bytes[12..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Verifies the trailer of a file of this length. Returns size and checksum of the data.
    pub(super) fn check_trailer(
        &self,
        trailer: [u8; TRAILER_BYTES],
        file_bytes: u64,
    ) -> Result<(u64, u32), FormatError> {
        let size_bytes = u64::from(u32_at(&trailer, 0)) | u64::from(u32_at(&trailer, 4)) << 32;
        let checksum = u32_at(&trailer, 8);
        if self.trailer(size_bytes, checksum) != trailer {
            return Err(FormatError::Damaged("the checksum of its trailer does not match"));
        }
        let chunks = size_bytes.div_ceil(CHUNK_BYTES as u64);
        let expected = chunks
            .checked_mul(CRC_BYTES as u64)
            .and_then(|bytes| bytes.checked_add(size_bytes))
            .and_then(|bytes| bytes.checked_add(self.bytes + TRAILER_BYTES as u64));
        if expected != Some(file_bytes) {
            return Err(FormatError::Damaged("its length contradicts its trailer"));
        }
        Ok((size_bytes, checksum))
    }
}

/// Why a file is not a snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error("{0}")]
    Damaged(&'static str),
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for FormatError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Damaged("it ends too early")
        } else {
            Self::Io(error)
        }
    }
}

fn header_checksum(length: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), payload)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use raft_core::{NodeId, Term};

    use super::*;

    fn header() -> Header {
        Header {
            last: LogId::new(Term(3), LogIndex(70)),
            membership: (LogIndex(9), Membership::of_voters([NodeId(1), NodeId(2)])),
            expected: Some((100_000, 7)),
        }
    }

    #[test]
    fn a_header_is_read_back_and_every_flipped_bit_and_cut_is_detected() {
        let (bytes, crc) = header().encode();
        let start = FileStart { bytes: bytes.len() as u64, crc };
        assert_eq!(Header::read(&mut &bytes[..]).unwrap(), (header(), start));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            Header::read(&mut &damaged[..]).expect_err("a flipped bit");
        }
        for length in 0..bytes.len() {
            Header::read(&mut &bytes[..length]).expect_err("cut short");
        }
    }

    #[test]
    fn a_trailer_belongs_to_its_header_and_to_the_length_of_the_file() {
        let start = FileStart { bytes: 40, crc: 5 };
        let size_bytes = CHUNK_BYTES as u64 + 1;
        let file_bytes = 40 + size_bytes + 8 + 16;
        let trailer = start.trailer(size_bytes, 9);
        assert_eq!(start.check_trailer(trailer, file_bytes).unwrap(), (size_bytes, 9));
        start.check_trailer(trailer, file_bytes - 1).expect_err("another length");
        let other = FileStart { crc: 6, ..start };
        other.check_trailer(trailer, file_bytes).expect_err("another header");
        let huge = start.trailer(u64::MAX, 9);
        start.check_trailer(huge, file_bytes).expect_err("an impossible size");
    }
}
