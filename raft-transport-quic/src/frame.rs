//! Frames: four bytes of length, big-endian, then that many bytes of content.
//!
//! Both protocols of a node use this format: messages between nodes, and requests and responses of
//! clients.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// The size of a frame's length field in bytes.
pub const FRAME_HEADER_BYTES: usize = 4;

/// The content of a frame is larger than allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {bytes} bytes exceeds the limit of {bytes_max} bytes")]
pub struct FrameTooLarge {
    /// The size of the content in bytes.
    pub bytes: usize,
    /// The limit in bytes.
    pub bytes_max: usize,
}

/// Reads frames from a byte stream that arrives in chunks.
///
/// A frame within one chunk is returned as a slice of it, without a copy. A frame that
/// spans chunks is collected in a buffer that grows with the received bytes, whatever length the
/// header contains. The reader holds at most the chunks of one read and one incomplete frame if the
/// caller takes all frames before it reads again.
#[derive(Debug)]
pub struct FrameReader {
    bytes_max: usize,
    /// Received and not yet read. No chunk is empty.
    chunks: VecDeque<Bytes>,
    /// The first bytes of a header that spans chunks.
    header: BytesMut,
    /// A frame that spans chunks and whose length is known.
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    bytes: BytesMut,
    length: usize,
}

impl FrameReader {
    /// Creates a reader of frames whose content has at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, chunks: VecDeque::new(), header: BytesMut::new(), partial: None }
    }

    /// Changes the limit. It applies to frames whose header has not been read yet.
    pub const fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Appends received bytes.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// Returns the content of the next frame; `None` if it has not been received completely.
    ///
    /// # Errors
    /// When the header contains a length above the limit. The stream cannot be read any further.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameTooLarge> {
        while let Some(mut chunk) = self.chunks.pop_front() {
            let frame = self.read(&mut chunk)?;
            if !chunk.is_empty() {
                self.chunks.push_front(chunk);
            }
            if frame.is_some() {
                return Ok(frame);
            }
        }
        Ok(None)
    }

    /// Consumes the part of `chunk` that belongs to the next frame. Returns that frame if it is
    /// complete; otherwise `chunk` is empty afterwards.
    fn read(&mut self, chunk: &mut Bytes) -> Result<Option<Bytes>, FrameTooLarge> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => match self.read_length(chunk)? {
                None => return Ok(None),
                Some(length) if chunk.len() >= length => return Ok(Some(chunk.split_to(length))),
                Some(length) => {
                    let capacity = length.min(FIRST_CAPACITY_BYTES_MAX);
                    Partial { bytes: BytesMut::with_capacity(capacity), length }
                }
            },
        };
        let missing = partial.length - partial.bytes.len();
        partial.bytes.extend_from_slice(&chunk.split_to(missing.min(chunk.len())));
        if partial.bytes.len() == partial.length {
            return Ok(Some(partial.bytes.freeze()));
        }
        self.partial = Some(partial);
        Ok(None)
    }

    /// Reads the length of the next frame, which may itself span chunks.
    fn read_length(&mut self, chunk: &mut Bytes) -> Result<Option<usize>, FrameTooLarge> {
        let length = if self.header.is_empty() && chunk.len() >= FRAME_HEADER_BYTES {
            chunk.get_u32()
        } else {
            let missing = FRAME_HEADER_BYTES - self.header.len();
            self.header.extend_from_slice(&chunk.split_to(missing.min(chunk.len())));
            if self.header.len() < FRAME_HEADER_BYTES {
                return Ok(None);
            }
            self.header.split().get_u32()
        };
        let bytes = length as usize;
        if bytes > self.bytes_max {
            return Err(FrameTooLarge { bytes, bytes_max: self.bytes_max });
        }
        Ok(Some(bytes))
    }
}

/// Appends a frame to `buffer`, whose content `write` appends.
///
/// # Errors
/// When `write` fails, or the content has more than `bytes_max` bytes. `buffer` is unchanged then.
pub fn write_frame<E: From<FrameTooLarge>>(
    buffer: &mut Vec<u8>,
    bytes_max: usize,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    let written = write(buffer).and_then(|()| {
        let bytes = buffer.len() - start - FRAME_HEADER_BYTES;
        u32::try_from(bytes)
            .ok()
            .filter(|_| bytes <= bytes_max)
            .ok_or_else(|| E::from(FrameTooLarge { bytes, bytes_max }))
    });
    match written {
        Ok(length) => {
            buffer[start..start + FRAME_HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            buffer.truncate(start);
            Err(error)
        }
    }
}

/// The most that is reserved at once for a frame that spans chunks.
const FIRST_CAPACITY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: impl IntoIterator<Item = Bytes>) -> Vec<Bytes> {
        let mut reader = FrameReader::new(1 << 20);
        let mut found = Vec::new();
        for chunk in chunks {
            reader.push(chunk);
            while let Some(frame) = reader.next_frame().unwrap() {
                found.push(frame);
            }
            assert!(reader.chunks.is_empty());
        }
        found
    }

    fn append(buffer: &mut Vec<u8>, bytes_max: usize, content: &[u8]) -> Result<(), FrameTooLarge> {
        write_frame(buffer, bytes_max, |to| {
            to.extend_from_slice(content);
            Ok(())
        })
    }

    #[test]
    fn frames_are_read_from_chunks_of_any_size() {
        let contents = [vec![1; 5], vec![], vec![2; 300], vec![3; 1], vec![4; 70_000]];
        let mut stream = Vec::new();
        for content in &contents {
            append(&mut stream, 1 << 20, content).unwrap();
        }
        let stream = Bytes::from(stream);
        for size in [1, 2, 3, 4, 5, 7, 64, 1000, 1452, 69_999, stream.len()] {
            let chunks = (0..stream.len())
                .step_by(size)
                .map(|start| stream.slice(start..(start + size).min(stream.len())));
            assert_eq!(frames(chunks), contents, "chunks of {size} bytes");
        }
    }

    #[test]
    fn chunks_may_be_pushed_before_frames_are_taken() {
        let mut reader = FrameReader::new(100);
        for chunk in [&[0, 0][..], &[0, 2, 7], &[], &[8, 0, 0, 0, 1, 9, 0]] {
            reader.push(Bytes::copy_from_slice(chunk));
        }
        assert_eq!(reader.next_frame(), Ok(Some(Bytes::from_static(&[7, 8]))));
        assert_eq!(reader.next_frame(), Ok(Some(Bytes::from_static(&[9]))));
        assert_eq!(reader.next_frame(), Ok(None));
    }

    #[test]
    fn frame_within_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(&[0, 0, 0, 3, 7, 8, 9]);
        let found = frames([chunk.clone()]);
        assert_eq!(found[0].as_ptr(), chunk[4..].as_ptr());
    }

    #[test]
    fn length_above_the_limit_is_refused_before_memory_is_reserved() {
        let mut reader = FrameReader::new(100);
        reader.push(Bytes::from_static(&[0, 0, 0, 101]));
        let refused = reader.next_frame();
        assert_eq!(refused, Err(FrameTooLarge { bytes: 101, bytes_max: 100 }));
        assert!(reader.partial.is_none());
    }

    #[test]
    fn length_alone_reserves_little_memory() {
        let mut reader = FrameReader::new(u32::MAX as usize);
        reader.push(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]));
        assert_eq!(reader.next_frame(), Ok(None));
        assert!(reader.partial.unwrap().bytes.capacity() <= FIRST_CAPACITY_BYTES_MAX);
    }

    #[test]
    fn new_limit_applies_to_the_next_header() {
        let mut reader = FrameReader::new(1);
        reader.push(Bytes::from_static(&[0, 0, 0, 1, 7, 0, 0, 0, 2, 8, 9]));
        assert_eq!(reader.next_frame(), Ok(Some(Bytes::from_static(&[7]))));
        reader.set_bytes_max(2);
        assert_eq!(reader.next_frame(), Ok(Some(Bytes::from_static(&[8, 9]))));
    }

    #[test]
    fn frame_that_is_too_long_is_removed_from_the_buffer() {
        let mut buffer = vec![9];
        let refused = append(&mut buffer, 2, &[1, 2, 3]);
        assert_eq!(refused, Err(FrameTooLarge { bytes: 3, bytes_max: 2 }));
        assert_eq!(buffer, [9]);
    }
}
