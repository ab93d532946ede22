//! The first frame on a connection, from both sides, before any message.
//!
//! Each side's control stream begins with one frame of fields in big-endian order. The dialler
//! sends first; the other side's hello means that it has taken the connection into use.
//!
//! Both nodes of a pair may dial at the same time. The lower node sends its hello on one connection
//! at a time and closes others with [`CloseCode::Replaced`](crate::CloseCode::Replaced); the higher
//! node uses a connection once the lower node's hello has arrived on it. So both use the same one,
//! and no message was sent on those that are closed.
//!
//! The fields below keep their places in every version. A later version only appends fields, and a
//! reader ignores what follows the fields that it knows; so any two releases can read which
//! versions the other one supports.

use bytes::{Buf, BufMut, Bytes};

use crate::version::VersionRange;

/// The versions of everything after the hello that this release supports.
pub(crate) const SUPPORTED: VersionRange = VersionRange::only(1);
const BYTES: usize = 2 + 2 + 8 + 8 + 4;

/// What one side says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    /// The protocol versions that this side supports.
    pub(crate) versions: VersionRange,
    /// A random number for each start of the process: tells restarts apart.
    pub(crate) instance: u64,
    /// Rises with each hello of this process to the other side. A dialler sends its hello only
    /// while it uses no connection, and the other side only when it takes one into use. So a hello
    /// means that the sender has given up the connections on which its hello has a lower number.
    pub(crate) sequence: u64,
    /// The longest frame that this side accepts.
    pub(crate) frame_bytes_max: u32,
}

impl Hello {
    /// The longest hello that is accepted.
    pub(crate) const FRAME_BYTES_MAX: u32 = 1024;

    pub(crate) fn encode(self, buffer: &mut Vec<u8>) {
        buffer.put_u16(self.versions.lowest());
        buffer.put_u16(self.versions.highest());
        buffer.put_u64(self.instance);
        buffer.put_u64(self.sequence);
        buffer.put_u32(self.frame_bytes_max);
    }

    /// `None` if the bytes are no hello.
    pub(crate) fn decode(mut frame: Bytes) -> Option<Self> {
        if frame.len() < BYTES {
            return None;
        }
        let (lowest, highest) = (frame.get_u16(), frame.get_u16());
        Some(Self {
            versions: VersionRange::new(lowest, highest)?,
            instance: frame.get_u64(),
            sequence: frame.get_u64(),
            frame_bytes_max: frame.get_u32(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_round_trips_and_may_have_further_fields() {
        let versions = VersionRange::new(2, 7).unwrap();
        let hello = Hello { versions, instance: 7, sequence: u64::MAX, frame_bytes_max: 1 << 24 };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        assert_eq!(Hello::decode(Bytes::from(bytes.clone())), Some(hello));
        bytes.extend([1; 100]);
        assert_eq!(Hello::decode(Bytes::from(bytes.clone())), Some(hello));
        assert_eq!(Hello::decode(Bytes::from(bytes[..BYTES - 1].to_vec())), None);
        bytes[..4].copy_from_slice(&[0, 8, 0, 7]);
        assert_eq!(Hello::decode(Bytes::from(bytes)), None, "the range is empty");
    }
}
