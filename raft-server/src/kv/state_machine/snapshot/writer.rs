//! Writes the pieces of a captured state.

use super::format::{Counts, END, FORMAT, Header, TITLE};

/// Encodes one piece after the other; each ends with the checksum of everything up to there.
#[derive(Debug, Default)]
pub(super) struct Writer {
    crc: u32,
}

impl Writer {
    /// Appends the header.
    pub(super) fn header(&mut self, header: &Header, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(TITLE);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&header.cluster.0.to_be_bytes());
        out.extend_from_slice(&header.group.get().to_be_bytes());
        out.extend_from_slice(&header.state.encode());
        self.checksum(out, start);
    }

    /// Appends the records of a frame, which [`Writer::record`] has encoded.
    ///
    /// # Panics
    /// If they are longer than a frame may be: the caller checks each record.
    pub(super) fn frame(&mut self, kind: u8, records: &[u8], out: &mut Vec<u8>) {
        let length = u32::try_from(records.len()).expect("a frame has a bounded length");
        let start = out.len();
        out.push(kind);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(records);
        self.checksum(out, start);
    }

    /// Appends one record to the records of a frame; `None` if it is too long for any frame.
    pub(super) fn record(key: &[u8], value: &[u8], records: &mut Vec<u8>) -> Option<()> {
        let key_length = u32::try_from(key.len()).ok()?;
        let value_length = u32::try_from(value.len()).ok()?;
        records.extend_from_slice(&key_length.to_be_bytes());
        records.extend_from_slice(&value_length.to_be_bytes());
        records.extend_from_slice(key);
        records.extend_from_slice(value);
        Some(())
    }

    /// Appends the end.
    pub(super) fn end(&mut self, counts: &Counts, out: &mut Vec<u8>) {
        let body: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        self.frame(END, &body, out);
    }

    fn checksum(&mut self, out: &mut Vec<u8>, start: usize) {
        self.crc = crc32c::crc32c_append(self.crc, &out[start..]);
        out.extend_from_slice(&self.crc.to_be_bytes());
    }
}
