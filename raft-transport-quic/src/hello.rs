//! The first words on a connection, from both sides, before any message.
//!
//! Each side's control lane begins with one frame: a version byte, then three numbers in
//! big-endian order. The dialler speaks first; the other side's answer means that it has taken the
//! connection into use.

use bytes::{Buf, BufMut, Bytes};

/// The version of these words: the first byte.
const VERSION: u8 = 1;
const BYTES: usize = 1 + 8 + 8 + 4;

/// What one side says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    /// A random number for each start of the process: tells its lives apart.
    pub(crate) instance: u64,
    /// How many connections to the other side this life has lost. Two connections of the same
    /// count were made at the same time; a higher count means that the earlier one is gone.
    pub(crate) losses: u64,
    /// The longest frame that this side accepts.
    pub(crate) frame_bytes_max: u32,
}

impl Hello {
    /// The longest frame that a well-meaning side sends here.
    pub(crate) const FRAME_BYTES_MAX: u32 = 1024;

    pub(crate) fn encode(self, buffer: &mut Vec<u8>) {
        buffer.put_u8(VERSION);
        buffer.put_u64(self.instance);
        buffer.put_u64(self.losses);
        buffer.put_u32(self.frame_bytes_max);
    }

    /// `None` if the bytes are no such words. Longer ones are read as far as they are understood,
    /// so that a later version may add to them.
    pub(crate) fn decode(mut frame: Bytes) -> Option<Self> {
        if frame.len() < BYTES || frame.get_u8() < VERSION {
            return None;
        }
        Some(Self {
            instance: frame.get_u64(),
            losses: frame.get_u64(),
            frame_bytes_max: frame.get_u32(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_and_may_grow() {
        let hello = Hello { instance: 7, losses: u64::MAX, frame_bytes_max: 1 << 24 };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        assert_eq!(Hello::decode(Bytes::from(bytes.clone())), Some(hello));
        bytes.push(1);
        assert_eq!(Hello::decode(Bytes::from(bytes.clone())), Some(hello));
        assert_eq!(Hello::decode(Bytes::from(bytes[..BYTES - 1].to_vec())), None);
        bytes[0] = 0;
        assert_eq!(Hello::decode(Bytes::from(bytes)), None);
    }
}
