//! The hello: the first frame on the control stream of each side.
//!
//! The dialling node sends its hello first. The accepting node sends its own when it brings the
//! connection into use.
//!
//! Both nodes of a pair may dial at the same time. The lower node sends its hello on one connection
//! at a time and closes others with [`CloseCode::Replaced`](crate::CloseCode::Replaced); the higher
//! node uses a connection once the lower node's hello has arrived on it. So both use the same
//! connection, and no message was sent on those that are closed.
//!
//! The fields keep their positions in every version, in big-endian order. A later version only
//! appends fields, and a reader ignores bytes after the fields that it knows. So any two releases
//! can read which versions the other one supports.

use bytes::{Buf, BufMut, Bytes};

use crate::version::VersionRange;

/// The supported versions of everything after the hello.
pub(crate) const SUPPORTED: VersionRange = VersionRange::only(1);
/// The size of the fields.
const BYTES: usize = 2 + 2 + 8 + 8 + 4;

/// The hello of one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    /// The protocol versions that the sender supports.
    pub(crate) versions: VersionRange,
    /// A random number that the sender draws when it starts. It changes with a restart.
    pub(crate) instance: u64,
    /// Increases with each hello of the sender to the same peer. A dialling node sends its hello
    /// only while it uses no connection, and an accepting node only when it brings one into use. So
    /// a hello shows that the sender has given up all connections on which its hello has a lower
    /// number.
    pub(crate) sequence: u64,
    /// The size in bytes of the largest frame that the sender accepts.
    pub(crate) frame_bytes_max: u32,
}

impl Hello {
    /// The size in bytes of the largest hello that is accepted.
    pub(crate) const FRAME_BYTES_MAX: usize = 1024;

    pub(crate) fn encode(self, buffer: &mut Vec<u8>) {
        buffer.put_u16(self.versions.lowest());
        buffer.put_u16(self.versions.highest());
        buffer.put_u64(self.instance);
        buffer.put_u64(self.sequence);
        buffer.put_u32(self.frame_bytes_max);
    }

    /// Decodes a hello; `None` if the bytes are none.
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

    /// Keep in step with docs/peer-protocol.md.
    #[test]
    fn control_stream_begins_with_the_documented_bytes() {
        let hello =
            Hello { versions: SUPPORTED, instance: 7, sequence: 2, frame_bytes_max: 16 << 20 };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        let fields = "0001 0001 0000000000000007 0000000000000002 01000000".replace(' ', "");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((hex, bytes.len()), (fields, 0x18));
        let document = include_str!("../../docs/peer-protocol.md");
        let line = "00  00000018  0001  0001  0000000000000007  0000000000000002  01000000";
        assert!(document.contains(line));
    }

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
