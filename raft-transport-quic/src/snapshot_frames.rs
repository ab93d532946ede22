//! The frames on the stream of a snapshot.
//!
//! The sender begins with the tag of the stream and the offer; after the response it sends chunks
//! and finishes the stream. The receiver responds to the offer, and again at the end.

use bytes::{Buf, BufMut, Bytes};
use raft_core::ports::{SnapshotOffer, SnapshotRefusal};
use raft_core::wire::{self, DecodeError};
use raft_core::{LogId, LogIndex, Term};

use crate::frame::{FRAME_HEADER_BYTES, FrameTooLarge, write_frame};

/// The first byte of the stream of a snapshot, which is bidirectional.
pub(crate) const SNAPSHOT_TAG: u8 = 2;
/// The size in bytes of the largest offer. It contains the addresses of all members.
pub(crate) const OFFER_BYTES_MAX: usize = 256 * 1024;
/// The size in bytes of the largest response.
pub(crate) const RESPONSE_BYTES_MAX: usize = 1024;
/// The size in bytes of the largest data of a chunk that is accepted.
pub(crate) const CHUNK_BYTES_MAX: u32 = 1024 * 1024;
/// The size of a chunk's fields before its data: the offset and the checksum.
pub(crate) const CHUNK_HEADER_BYTES: usize = 8 + 4;
/// The size of an offer's fields before the message.
const OFFER_HEADER_BYTES: usize = 8 + 8 + 8 + 4;

/// What a receiver responds, to the offer and at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ResponseFrame {
    /// Send the data from this offset on.
    Receive {
        offset: u64,
    },
    /// The receiver has all of the data.
    Complete,
    Refused(SnapshotRefusal),
}

/// A part of the data whose checksum is right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) data: Bytes,
}

/// Why the content of a frame is not a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChunkError {
    /// It has no data or not even a header.
    Short,
    /// The checksum is not the one of the data at this offset.
    Checksum { offset: u64 },
}

/// Appends the tag and the frame of an offer.
pub(crate) fn write_offer(
    offer: &SnapshotOffer,
    buffer: &mut Vec<u8>,
) -> Result<(), FrameTooLarge> {
    buffer.put_u8(SNAPSHOT_TAG);
    write_frame(buffer, OFFER_BYTES_MAX, |to| {
        to.put_u64(offer.last.term.get());
        to.put_u64(offer.last.index.get());
        to.put_u64(offer.size_bytes);
        to.put_u32(offer.checksum);
        wire::encode(&offer.message, to);
        Ok(())
    })
}

/// Decodes the content of the frame of an offer.
pub(crate) fn read_offer(mut frame: Bytes) -> Result<SnapshotOffer, DecodeError> {
    if frame.len() < OFFER_HEADER_BYTES {
        return Err(DecodeError::Empty);
    }
    let last = LogId::new(Term(frame.get_u64()), LogIndex(frame.get_u64()));
    let (size_bytes, checksum) = (frame.get_u64(), frame.get_u32());
    Ok(SnapshotOffer { message: wire::decode(&frame)?, last, size_bytes, checksum })
}

/// The frame of a chunk whose data `read` writes into a buffer of this size.
pub(crate) fn chunk_frame<E>(
    offset: u64,
    bytes: u32,
    read: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<Bytes, E> {
    const DATA_START: usize = FRAME_HEADER_BYTES + CHUNK_HEADER_BYTES;
    let mut frame = vec![0; DATA_START + bytes as usize];
    read(&mut frame[DATA_START..])?;
    let checksum = checksum(offset, &frame[DATA_START..]);
    let length = u32::try_from(CHUNK_HEADER_BYTES).unwrap_or_default() + bytes;
    let mut header = &mut frame[..DATA_START];
    header.put_u32(length);
    header.put_u64(offset);
    header.put_u32(checksum);
    Ok(Bytes::from(frame))
}

/// Decodes the content of the frame of a chunk.
pub(crate) fn read_chunk(mut frame: Bytes) -> Result<Chunk, ChunkError> {
    if frame.len() <= CHUNK_HEADER_BYTES {
        return Err(ChunkError::Short);
    }
    let (offset, expected) = (frame.get_u64(), frame.get_u32());
    if checksum(offset, &frame) != expected {
        return Err(ChunkError::Checksum { offset });
    }
    Ok(Chunk { offset, data: frame })
}

/// The CRC-32C of the offset and the data, so that data at another offset is detected as well.
fn checksum(offset: u64, data: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&offset.to_be_bytes()), data)
}

impl ResponseFrame {
    /// Appends the frame. The text of a refusal is shortened.
    pub(crate) fn write(&self, buffer: &mut Vec<u8>) {
        const TEXT_BYTES_MAX: usize = 512;
        write_frame(buffer, RESPONSE_BYTES_MAX, |to| {
            match self {
                Self::Receive { offset } => {
                    to.put_u8(0);
                    to.put_u64(*offset);
                }
                Self::Complete => to.put_u8(1),
                Self::Refused(refusal) => {
                    let (code, text) = parts(refusal);
                    to.put_slice(&[2, code]);
                    let mut end = text.len().min(TEXT_BYTES_MAX);
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    to.put_slice(&text.as_bytes()[..end]);
                }
            }
            Ok::<_, FrameTooLarge>(())
        })
        .expect("a response is shorter than the limit");
    }

    /// Decodes the content of the frame; `None` if it is no response.
    pub(crate) fn read(mut frame: Bytes) -> Option<Self> {
        match frame.try_get_u8().ok()? {
            0 => frame.try_get_u64().ok().map(|offset| Self::Receive { offset }),
            1 => Some(Self::Complete),
            2 => {
                let code = frame.try_get_u8().ok()?;
                let text: String = String::from_utf8_lossy(&frame)
                    .chars()
                    .map(|c| if c.is_control() { '?' } else { c })
                    .collect();
                Some(Self::Refused(refusal(code, text)))
            }
            _ => None,
        }
    }
}

fn parts(refusal: &SnapshotRefusal) -> (u8, &str) {
    match refusal {
        SnapshotRefusal::Busy => (0, ""),
        SnapshotRefusal::NotWanted(reason) => (1, reason),
        SnapshotRefusal::Corrupt(reason) => (2, reason),
        SnapshotRefusal::Failed(reason) => (3, reason),
    }
}

/// The refusal of a code. Codes of later releases are failures.
fn refusal(code: u8, text: String) -> SnapshotRefusal {
    match code {
        0 => SnapshotRefusal::Busy,
        1 => SnapshotRefusal::NotWanted(text),
        2 => SnapshotRefusal::Corrupt(text),
        _ => SnapshotRefusal::Failed(text),
    }
}

#[cfg(test)]
mod tests {
    use raft_core::{
        Body, ClusterId, GroupId, Incarnation, Message, NodeId, RequestVoteResponse, Rpc,
    };

    use super::*;

    fn offer() -> SnapshotOffer {
        let body = Body::RequestVoteResponse(RequestVoteResponse { granted: true });
        let message = Message {
            cluster: ClusterId(1),
            group: GroupId(2),
            from: NodeId(3),
            from_incarnation: Incarnation(4),
            to: NodeId(5),
            to_incarnation: None,
            rpc: Rpc::new(Term(6), body).unwrap(),
        };
        let last = LogId::new(Term(7), LogIndex(0x108));
        SnapshotOffer { message, last, size_bytes: 0x1_0000_0000, checksum: 0xabcd }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Keep in step with docs/peer-protocol.md. Later releases must read and write these bytes.
    #[test]
    fn frames_have_the_documented_bytes() {
        let document = include_str!("../../docs/peer-protocol.md");
        let check = |frame: &[u8], line: &str| {
            assert_eq!(hex(frame), line.replace(' ', ""));
            assert!(document.contains(line), "{line}");
        };
        let mut bytes = Vec::new();
        write_offer(&offer(), &mut bytes).unwrap();
        let mut message = Vec::new();
        wire::encode(&offer().message, &mut message);
        let start = bytes.len() - message.len();
        assert_eq!(bytes[start..], message);
        assert_eq!(bytes[1..5], u32::try_from(bytes.len() - 5).unwrap().to_be_bytes());
        assert_eq!(bytes[0], SNAPSHOT_TAG);
        check(&bytes[5..start], "0000000000000007  0000000000000108  0000000100000000  0000abcd");
        assert_eq!(read_offer(Bytes::from(bytes).slice(5..)), Ok(offer()));

        let chunk = chunk_frame(9, 3, |data| {
            data.copy_from_slice(b"abc");
            Ok::<_, ()>(())
        });
        let chunk = chunk.unwrap();
        check(&chunk, CHUNK_LINE);
        let data = Bytes::from_static(b"abc");
        assert_eq!(read_chunk(chunk.slice(4..)), Ok(Chunk { offset: 9, data }));

        let refused = ResponseFrame::Refused(SnapshotRefusal::NotWanted("old".to_owned()));
        for (response, line) in [
            (ResponseFrame::Receive { offset: 10 }, "00000009  00  000000000000000a"),
            (ResponseFrame::Complete, "00000001  01"),
            (refused, "00000005  02  01  6f6c64"),
        ] {
            let mut bytes = Vec::new();
            response.write(&mut bytes);
            check(&bytes, line);
            assert_eq!(ResponseFrame::read(Bytes::from(bytes).slice(4..)), Some(response));
        }
    }

    const CHUNK_LINE: &str = "0000000f  0000000000000009  d7ffe36b  616263";

    #[test]
    fn altered_chunks_are_detected() {
        let chunk = chunk_frame(9, 3, |data| {
            data.copy_from_slice(b"abc");
            Ok::<_, ()>(())
        });
        let content = chunk.unwrap().slice(4..);
        for byte in 0..content.len() {
            let mut altered = content.to_vec();
            altered[byte] ^= 0x10;
            let read = read_chunk(Bytes::from(altered));
            assert!(matches!(read, Err(ChunkError::Checksum { .. })), "byte {byte}: {read:?}");
        }
        for length in 0..=CHUNK_HEADER_BYTES {
            assert_eq!(read_chunk(content.slice(..length)), Err(ChunkError::Short));
        }
    }

    #[test]
    fn frames_of_any_bytes_are_refused_without_a_panic() {
        let mut generator = raft_core::Prng::new(1);
        for length in 0..200 {
            let bytes: Bytes = (0..length).map(|_| generator.next_u64().to_le_bytes()[7]).collect();
            let _ = read_offer(bytes.clone());
            let _ = read_chunk(bytes.clone());
            let _ = ResponseFrame::read(bytes);
        }
    }

    #[test]
    fn text_of_a_refusal_is_shortened_and_printable() {
        let refusal = SnapshotRefusal::Failed(format!("\n{}", "é".repeat(2000)));
        let mut bytes = Vec::new();
        ResponseFrame::Refused(refusal).write(&mut bytes);
        assert!(bytes.len() <= FRAME_HEADER_BYTES + RESPONSE_BYTES_MAX);
        let read = ResponseFrame::read(Bytes::from(bytes).slice(4..));
        let Some(ResponseFrame::Refused(SnapshotRefusal::Failed(text))) = read else {
            panic!("{read:?}")
        };
        assert!(text.starts_with("?é") && text.len() < 600, "{text}");
    }
}
