//! Cuts a stream of bytes into frames: four bytes of length, big-endian, then that many bytes.

use bytes::{Buf, Bytes, BytesMut};

/// How many bytes the length takes.
pub(crate) const HEADER_BYTES: usize = 4;

/// A frame claims to be longer than is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {claimed} bytes, at most {allowed} are allowed")]
pub(crate) struct FrameTooLarge {
    pub(crate) claimed: u32,
    pub(crate) allowed: u32,
}

/// Puts frames together from chunks as they arrive.
///
/// A frame that lies within one chunk is a slice of it. One that spans chunks is collected in a
/// buffer that grows with what has arrived, whatever length was claimed.
#[derive(Debug)]
pub(crate) struct FrameReader {
    allowed: u32,
    header: BytesMut,
    /// Collects a frame whose length is known.
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    bytes: BytesMut,
    length: usize,
}

impl FrameReader {
    pub(crate) fn new(allowed: u32) -> Self {
        Self { allowed, header: BytesMut::with_capacity(HEADER_BYTES), partial: None }
    }

    /// Takes from the front of `chunk` what completes a frame; `None` when the chunk is used up
    /// before that.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Bytes>, FrameTooLarge> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => match self.length(chunk)? {
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

    /// Reads the length of the next frame, which may itself be spread over chunks.
    fn length(&mut self, chunk: &mut Bytes) -> Result<Option<usize>, FrameTooLarge> {
        let claimed = if self.header.is_empty() && chunk.len() >= HEADER_BYTES {
            chunk.get_u32()
        } else {
            let missing = HEADER_BYTES - self.header.len();
            self.header.extend_from_slice(&chunk.split_to(missing.min(chunk.len())));
            if self.header.len() < HEADER_BYTES {
                return Ok(None);
            }
            let claimed = self.header.as_ref().get_u32();
            self.header.clear();
            claimed
        };
        if claimed > self.allowed {
            return Err(FrameTooLarge { claimed, allowed: self.allowed });
        }
        Ok(Some(claimed as usize))
    }
}

/// Writes a frame whose content `write` appends to the buffer. A frame that came out longer than
/// `allowed` is taken back, and its length returned as the error.
pub(crate) fn write_frame(
    buffer: &mut Vec<u8>,
    allowed: u32,
    write: impl FnOnce(&mut Vec<u8>),
) -> Result<(), usize> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_BYTES]);
    write(buffer);
    let length = buffer.len() - start - HEADER_BYTES;
    match u32::try_from(length) {
        Ok(fits) if fits <= allowed => {
            buffer[start..start + HEADER_BYTES].copy_from_slice(&fits.to_be_bytes());
            Ok(())
        }
        Ok(_) | Err(_) => {
            buffer.truncate(start);
            Err(length)
        }
    }
}

/// What is reserved at once for a frame that spans chunks.
const FIRST_CAPACITY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: impl IntoIterator<Item = Bytes>) -> Vec<Bytes> {
        let mut reader = FrameReader::new(1 << 20);
        let mut found = Vec::new();
        for mut chunk in chunks {
            while let Some(frame) = reader.next(&mut chunk).unwrap() {
                found.push(frame);
            }
            assert!(chunk.is_empty());
        }
        found
    }

    #[test]
    fn frames_are_read_from_chunks_of_any_size() {
        let contents = [vec![1; 5], vec![], vec![2; 300], vec![3; 1], vec![4; 70_000]];
        let mut stream = Vec::new();
        for content in &contents {
            write_frame(&mut stream, 1 << 20, |buffer| buffer.extend_from_slice(content)).unwrap();
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
    fn frame_within_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(&[0, 0, 0, 3, 7, 8, 9]);
        let found = frames([chunk.clone()]);
        assert_eq!(found[0].as_ptr(), chunk[4..].as_ptr());
    }

    #[test]
    fn length_above_the_limit_is_refused_before_memory_is_reserved() {
        let mut reader = FrameReader::new(100);
        let mut chunk = Bytes::from_static(&[0, 0, 0, 101]);
        let refused = reader.next(&mut chunk);
        assert_eq!(refused, Err(FrameTooLarge { claimed: 101, allowed: 100 }));
        assert!(reader.partial.is_none());
    }

    #[test]
    fn length_alone_reserves_little_memory() {
        let mut reader = FrameReader::new(u32::MAX);
        let mut chunk = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(reader.next(&mut chunk), Ok(None));
        assert!(reader.partial.unwrap().bytes.capacity() <= FIRST_CAPACITY_BYTES_MAX);
    }

    #[test]
    fn frame_that_is_too_long_is_removed_from_the_buffer() {
        let mut buffer = vec![9];
        let refused = write_frame(&mut buffer, 2, |buffer| buffer.extend_from_slice(&[1, 2, 3]));
        assert_eq!((refused, buffer), (Err(3), vec![9]));
    }
}
