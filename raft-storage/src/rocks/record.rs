//! Records: several entries in one value.

use bytes::Bytes;
use raft_core::ports::StoreError;
use raft_core::{Entry, LogId, LogIndex, Membership, Payload, Term};

/// Count, and its checksum.
const HEADER_BYTES: usize = 8;
/// Checksum, payload length, term, kind.
const FRAME_HEADER_BYTES: usize = 17;

const KIND_EMPTY: u8 = 0;
const KIND_COMMAND: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// Packs contiguous entries into the bytes of one record.
#[derive(Debug, Default)]
pub(super) struct RecordWriter {
    /// The first index in the record; not valid while `count` is zero.
    first: LogIndex,
    count: u32,
    /// Header and frames; the header is filled in at the end.
    bytes: Vec<u8>,
}

impl RecordWriter {
    /// Adds the next entry.
    pub(super) fn push(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if self.count == 0 {
            self.first = entry.index();
            self.bytes.clear();
            self.bytes.resize(HEADER_BYTES, 0);
        }
        self.count += 1;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&entry.term().get().to_le_bytes());
        match &entry.payload {
            Payload::Empty => self.bytes.push(KIND_EMPTY),
            Payload::Command(command) => {
                self.bytes.push(KIND_COMMAND);
                self.bytes.extend_from_slice(command);
            }
            Payload::Membership(membership) => {
                self.bytes.push(KIND_MEMBERSHIP);
                let bytes = std::mem::take(&mut self.bytes);
                self.bytes = postcard::to_extend(&**membership, bytes)
                    .expect("a membership always serializes into a growing buffer");
            }
        }
        let payload_bytes = self.bytes.len() - start - FRAME_HEADER_BYTES;
        let payload_bytes = u32::try_from(payload_bytes).map_err(|_| {
            StoreError::Invalid(format!("entry {} has {payload_bytes} bytes", entry.id))
        })?;
        self.bytes[start + 4..start + 8].copy_from_slice(&payload_bytes.to_le_bytes());
        let crc = frame_checksum(entry.index(), &self.bytes[start + 4..]);
        self.bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        Ok(())
    }

    /// Bytes of the record so far.
    pub(super) const fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The first index and the bytes of the record; `None` if no entry was added. Afterwards the
    /// writer is empty and keeps its buffer.
    pub(super) fn finish(&mut self) -> Option<(LogIndex, &[u8])> {
        if self.count == 0 {
            return None;
        }
        self.bytes[..HEADER_BYTES].copy_from_slice(&header(self.first, self.count));
        self.count = 0;
        Some((self.first, &self.bytes))
    }
}

/// A record with a verified header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    first: LogIndex,
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the header of a record that was stored under this index.
    pub(super) fn parse(first: LogIndex, bytes: &'a [u8]) -> Result<Self, StoreError> {
        let damaged = |detail: &str| StoreError::Corrupt {
            what: format!("the record of entry {first} and those after it"),
            detail: detail.to_owned(),
        };
        let Some((stored, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(damaged("shorter than its header"));
        };
        let [a, b, c, d, ..] = *stored;
        let count = u32::from_le_bytes([a, b, c, d]);
        if *stored != header(first, count) {
            return Err(damaged("the checksum of its header does not match"));
        }
        if count == 0 {
            return Err(damaged("it contains no entry"));
        }
        Ok(Self { first, count, bytes })
    }

    /// The index of the first entry.
    pub(super) const fn first(&self) -> LogIndex {
        self.first
    }

    /// The index of the last entry.
    pub(super) fn last(&self) -> LogIndex {
        (self.first + u64::from(self.count)).previous()
    }

    /// The entries in order, not verified yet.
    pub(super) const fn frames(&self) -> Frames<'a> {
        Frames { record: *self, next: self.first, offset: HEADER_BYTES }
    }

    /// The record with only its entries before `end`; `None` if none are left.
    pub(super) fn head_before(&self, end: LogIndex) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = end.distance_from(self.first).min(u64::from(self.count));
        let Some(kept) = u32::try_from(kept).ok().filter(|&kept| kept > 0) else {
            return Ok(None);
        };
        let mut bytes_kept = HEADER_BYTES;
        for frame in self.frames().take(kept as usize) {
            bytes_kept += frame?.check()?.bytes.len();
        }
        let mut head = self.bytes[..bytes_kept].to_vec();
        head[..HEADER_BYTES].copy_from_slice(&header(self.first, kept));
        Ok(Some(head))
    }
}

/// Iterates over the frames of a record by their lengths. The lengths are within the record, but
/// not verified before [`Frame::check`].
#[derive(Debug)]
pub(super) struct Frames<'a> {
    record: Record<'a>,
    next: LogIndex,
    offset: usize,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.record.bytes.get(self.offset..).unwrap_or_default();
        if self.next > self.record.last() {
            if rest.is_empty() {
                return None;
            }
            self.offset = self.record.bytes.len();
            return Some(Err(damaged(self.record.last(), "bytes follow the end of its record")));
        }
        let frame = Frame::split_off(self.next, rest);
        match &frame {
            Some(frame) => {
                self.next = self.next.next();
                self.offset += frame.bytes.len();
            }
            None => {
                let missing = self.next;
                self.next = self.record.last().next();
                self.offset = self.record.bytes.len();
                return Some(Err(damaged(missing, "its record ends before it is complete")));
            }
        }
        frame.map(Ok)
    }
}

/// One entry within a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    index: LogIndex,
    /// At least a frame header long.
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    fn split_off(index: LogIndex, rest: &'a [u8]) -> Option<Self> {
        let header = rest.get(..FRAME_HEADER_BYTES)?;
        let payload_bytes = u32::from_le_bytes(header[4..8].try_into().ok()?);
        let end = FRAME_HEADER_BYTES.checked_add(usize::try_from(payload_bytes).ok()?)?;
        Some(Self { index, bytes: rest.get(..end)? })
    }

    /// The entry's index.
    pub(super) const fn index(&self) -> LogIndex {
        self.index
    }

    /// Verifies the checksum.
    pub(super) fn check(self) -> Result<CheckedFrame<'a>, StoreError> {
        let (crc, rest) = self.bytes.split_at(4);
        if frame_checksum(self.index, rest).to_le_bytes() != *crc {
            return Err(damaged(self.index, "its checksum does not match"));
        }
        let mut term = [0; 8];
        term.copy_from_slice(&self.bytes[8..16]);
        let id = LogId::new(Term(u64::from_le_bytes(term)), self.index);
        Ok(CheckedFrame { id, bytes: self.bytes })
    }
}

/// An entry within a record, with a verified checksum.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckedFrame<'a> {
    /// The entry's index and term.
    pub(super) id: LogId,
    bytes: &'a [u8],
}

impl CheckedFrame<'_> {
    /// The length of the frame.
    pub(super) const fn len_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The entry, its command copied out of the record.
    pub(super) fn entry(&self) -> Result<Entry, StoreError> {
        let payload = match self.kind() {
            KIND_EMPTY => Payload::Empty,
            KIND_COMMAND => Payload::Command(Bytes::copy_from_slice(self.payload())),
            KIND_MEMBERSHIP => Payload::Membership(Box::new(self.decode_membership()?)),
            kind => {
                let detail = format!("it is of kind {kind}, which this release does not support");
                return Err(damaged(self.id.index, &detail));
            }
        };
        Ok(Entry { id: self.id, payload })
    }

    /// The configuration, if the entry carries one. Spares the copy of commands.
    pub(super) fn membership(&self) -> Result<Option<Membership>, StoreError> {
        if self.kind() == KIND_MEMBERSHIP { self.decode_membership().map(Some) } else { Ok(None) }
    }

    fn decode_membership(&self) -> Result<Membership, StoreError> {
        postcard::from_bytes(self.payload())
            .map_err(|error| damaged(self.id.index, &format!("its membership: {error}")))
    }

    const fn kind(&self) -> u8 {
        self.bytes[FRAME_HEADER_BYTES - 1]
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[FRAME_HEADER_BYTES..]
    }
}

fn header(first: LogIndex, count: u32) -> [u8; HEADER_BYTES] {
    let count = count.to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&first.get().to_le_bytes()), &count);
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&count);
    bytes[4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn frame_checksum(index: LogIndex, rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&index.get().to_le_bytes()), rest)
}

fn damaged(index: LogIndex, detail: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("entry {index}"),
        detail: format!("{detail}; empty the data directory and join as a new incarnation"),
    }
}

#[cfg(test)]
mod tests {
    use raft_core::NodeId;

    use super::*;

    fn id(index: u64) -> LogId {
        LogId::new(Term(3), LogIndex(index))
    }

    fn entries() -> Vec<Entry> {
        let membership = Membership::of_voters([NodeId(1), NodeId(2)]);
        vec![
            Entry::empty(id(7)),
            Entry::command(id(8), Bytes::from_static(b"put a")),
            Entry::membership(id(9), membership),
            Entry::command(id(10), Bytes::new()),
        ]
    }

    fn packed(entries: &[Entry]) -> Vec<u8> {
        let mut writer = RecordWriter::default();
        entries.iter().for_each(|entry| writer.push(entry).unwrap());
        let (first, bytes) = writer.finish().expect("not empty");
        assert_eq!(first, entries[0].index());
        bytes.to_vec()
    }

    fn unpacked(first: u64, bytes: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let record = Record::parse(LogIndex(first), bytes)?;
        record.frames().map(|frame| frame?.check()?.entry()).collect()
    }

    #[test]
    fn entries_of_every_kind_are_recovered() {
        assert_eq!(unpacked(7, &packed(&entries())).unwrap(), entries());
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let bytes = packed(&entries());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unpacked(7, &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_in_the_wrong_place_or_of_the_wrong_length_is_damaged() {
        let mut bytes = packed(&entries());
        assert!(unpacked(8, &bytes).is_err(), "under another index");
        for len in 0..bytes.len() {
            assert!(unpacked(7, &bytes[..len]).is_err(), "cut to {len} bytes");
        }
        bytes.push(0);
        assert!(unpacked(7, &bytes).is_err(), "a byte too many");
    }

    #[test]
    fn the_head_of_a_record_is_a_record() {
        let bytes = packed(&entries());
        let record = Record::parse(LogIndex(7), &bytes).unwrap();
        assert_eq!(record.last(), LogIndex(10));
        for end in 8..=12 {
            let head = record.head_before(LogIndex(end)).unwrap().expect("entries are left");
            let kept = (end - 7).min(4) as usize;
            assert_eq!(unpacked(7, &head).unwrap(), entries()[..kept], "before {end}");
        }
        assert!(record.head_before(LogIndex(7)).unwrap().is_none());
    }

    #[test]
    fn a_writer_starts_over_after_a_record() {
        let mut writer = RecordWriter::default();
        writer.push(&entries()[0]).unwrap();
        writer.finish().expect("one entry");
        assert!(writer.finish().is_none());
        writer.push(&entries()[1]).unwrap();
        let (first, bytes) = writer.finish().expect("one entry");
        assert_eq!(unpacked(first.get(), bytes).unwrap(), entries()[1..2]);
    }
}
