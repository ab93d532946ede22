//! Reads the pieces of a captured state, and checks each before it is used.

use raft_core::ports::SnapshotSource;
use raft_core::{ClusterId, GroupId};

use super::super::database::Family;
use super::super::layout::State;
use super::error::RestoreError;
use super::format::{
    Counts, END, FAMILIES, FORMAT, FRAME_BYTES_MAX, Header, RECORD_HEAD_BYTES, TITLE, family_of,
};

/// Bytes by which the buffer of a frame grows: a damaged length does not reserve memory for bytes
/// that do not follow.
const GROWTH_BYTES: usize = 1 << 20;

/// Receives the family, the key and the value of each record. An error states what is wrong with it.
pub(super) type Visit<'a> = dyn FnMut(Family, &[u8], &[u8]) -> Result<(), String> + 'a;

/// Reads one piece after the other.
pub(super) struct Reader<'a> {
    source: &'a mut dyn SnapshotSource,
    crc: u32,
    /// Bytes read so far.
    at: u64,
    /// The place in [`FAMILIES`] of the last frame.
    family: usize,
    counts: Counts,
    /// The records of the last frame.
    records: Vec<u8>,
    last_key: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(source: &'a mut dyn SnapshotSource) -> Self {
        let counts = [0; FAMILIES.len()];
        Self { source, crc: 0, at: 0, family: 0, counts, records: Vec::new(), last_key: Vec::new() }
    }

    /// Reads the header.
    pub(super) fn header(&mut self) -> Result<Header, RestoreError> {
        let mut title = [0; TITLE.len()];
        self.read(&mut title)?;
        if title != TITLE {
            return Err(RestoreError::OtherKind);
        }
        let found = u32::from_be_bytes(self.array()?);
        if found > FORMAT {
            return Err(RestoreError::NewerFormat { found, supported: FORMAT });
        }
        let cluster = ClusterId(u128::from_be_bytes(self.array()?));
        let group = GroupId(u64::from_be_bytes(self.array()?));
        let state: [u8; State::BYTES] = self.array()?;
        self.checksum()?;
        let state = State::decode(&state).map_err(|damaged| self.damaged(damaged.to_string()))?;
        Ok(Header { cluster, group, state })
    }

    /// Reads the next frame, and passes each of its records to `visit`. Returns whether there was
    /// one: `false` at the end, after which nothing follows.
    pub(super) fn frame(&mut self, visit: &mut Visit<'_>) -> Result<bool, RestoreError> {
        let [kind] = self.array()?;
        let length = u32::from_be_bytes(self.array()?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(self.damaged(format!("a frame of {length} bytes")));
        }
        self.read_records(length)?;
        self.checksum()?;
        if kind == END {
            return self.end().map(|()| false);
        }
        let Some((place, family)) = family_of(kind).filter(|(place, _)| *place >= self.family)
        else {
            return Err(self.damaged(format!("a frame of kind {kind} is at a wrong place")));
        };
        if place > self.family {
            self.family = place;
            self.last_key.clear();
        }
        let records = std::mem::take(&mut self.records);
        let visited = self.visit_records(family, &records, visit);
        self.records = records;
        visited.map(|()| true)
    }

    fn visit_records(
        &mut self,
        family: Family,
        records: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), RestoreError> {
        let mut rest = records;
        while !rest.is_empty() {
            let Some((key, value, tail)) = split_record(rest) else {
                return Err(self.damaged("a record exceeds its frame".to_owned()));
            };
            rest = tail;
            let count = &mut self.counts[self.family];
            if *count > 0 && key <= &self.last_key[..] {
                return Err(self.damaged("the keys are not in order".to_owned()));
            }
            *count += 1;
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
            visit(family, key, value).map_err(|detail| self.damaged(detail))?;
        }
        Ok(())
    }

    /// Checks the records of the end, and that no byte follows.
    fn end(&mut self) -> Result<(), RestoreError> {
        let expected: Vec<u8> = self.counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        if self.records != expected {
            return Err(self.damaged("its end counts other records".to_owned()));
        }
        match self.source.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(self.damaged("bytes follow its end".to_owned())),
        }
    }

    fn read_records(&mut self, length: usize) -> Result<(), RestoreError> {
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        while records.len() < length {
            let from = records.len();
            records.resize(length.min(from + GROWTH_BYTES), 0);
            self.read(&mut records[from..])?;
        }
        self.records = records;
        Ok(())
    }

    fn checksum(&mut self) -> Result<(), RestoreError> {
        let expected = self.crc;
        let found = u32::from_be_bytes(self.array()?);
        // A checksum does not cover the earlier ones.
        self.crc = expected;
        if found == expected {
            return Ok(());
        }
        Err(self.damaged(format!("its checksum is {found:08x} and not {expected:08x}")))
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], RestoreError> {
        let mut bytes = [0; LENGTH];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), RestoreError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.source.read(&mut bytes[filled..])? {
                0 => return Err(RestoreError::Truncated { at: self.at }),
                length => {
                    filled += length;
                    self.at += length as u64;
                }
            }
        }
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        Ok(())
    }

    const fn damaged(&self, detail: String) -> RestoreError {
        RestoreError::Damaged { at: self.at, detail }
    }
}

/// Splits a key and a value off a frame.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<RECORD_HEAD_BYTES>()?;
    let [k0, k1, k2, k3, v0, v1, v2, v3] = *head;
    let key_length = usize::try_from(u32::from_be_bytes([k0, k1, k2, k3])).ok()?;
    let value_length = usize::try_from(u32::from_be_bytes([v0, v1, v2, v3])).ok()?;
    let (key, rest) = rest.split_at_checked(key_length)?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    Some((key, value, rest))
}
