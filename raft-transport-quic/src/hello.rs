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
use raft_core::Incarnation;

use crate::version::VersionRange;

/// The supported versions of everything after the hello.
pub(crate) const SUPPORTED: VersionRange = match VersionRange::new(1, SNAPSHOT_STREAMS) {
    Some(range) => range,
    None => VersionRange::only(1),
};
/// The first version with streams of snapshots, and with the incarnations and the bootstrap
/// fingerprint in the hello.
pub(crate) const SNAPSHOT_STREAMS: u16 = 2;
/// The size of the fields of version 1.
const BYTES: usize = 2 + 2 + 8 + 8 + 4;
/// The size of the fields that version 2 adds.
const BYTES_ADDED: usize = 1 + 8 + 8 + 8;

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
    /// What the sender states about the two nodes, from version 2 on.
    pub(crate) claims: Claims,
}

/// What a node states about itself and about the receiver of its hello. Absent values are not
/// compared.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Claims {
    /// The incarnation of the sender.
    pub(crate) incarnation: Option<Incarnation>,
    /// The incarnation of the receiver that the sender admits.
    pub(crate) admitted: Option<Incarnation>,
    /// Identifies the membership that the sender was bootstrapped with.
    pub(crate) bootstrap_fingerprint: Option<u64>,
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
        if self.versions.highest() >= SNAPSHOT_STREAMS {
            self.claims.encode(buffer);
        }
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
            claims: if highest < SNAPSHOT_STREAMS {
                Claims::default()
            } else {
                Claims::decode(frame)?
            },
        })
    }
}

impl Claims {
    fn values(self) -> [Option<u64>; 3] {
        let number = |incarnation: Option<Incarnation>| incarnation.map(Incarnation::get);
        [number(self.incarnation), number(self.admitted), self.bootstrap_fingerprint]
    }

    fn encode(self, buffer: &mut Vec<u8>) {
        let values = self.values();
        let present = (0..).zip(values).map(|(bit, value)| u8::from(value.is_some()) << bit);
        buffer.put_u8(present.sum());
        for value in values {
            buffer.put_u64(value.unwrap_or_default());
        }
    }

    fn decode(mut frame: Bytes) -> Option<Self> {
        if frame.len() < BYTES_ADDED {
            return None;
        }
        let present = frame.get_u8();
        let [incarnation, admitted, bootstrap_fingerprint] = [0, 1, 2].map(|bit: u8| {
            let value = frame.get_u64();
            (present & 1 << bit != 0).then_some(value)
        });
        Some(Self {
            incarnation: incarnation.map(Incarnation),
            admitted: admitted.map(Incarnation),
            bootstrap_fingerprint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hello: Hello) -> (String, usize) {
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        (bytes.iter().map(|byte| format!("{byte:02x}")).collect(), bytes.len())
    }

    fn hello() -> Hello {
        Hello {
            versions: SUPPORTED,
            instance: 7,
            sequence: 2,
            frame_bytes_max: 16 << 20,
            claims: Claims {
                incarnation: Some(Incarnation(5)),
                admitted: None,
                bootstrap_fingerprint: Some(0xf00d),
            },
        }
    }

    /// Keep in step with docs/peer-protocol.md. Later releases must read these bytes.
    #[test]
    fn control_stream_begins_with_the_documented_bytes() {
        let document = include_str!("../../docs/peer-protocol.md");
        let old = Hello { versions: VersionRange::only(1), ..hello() };
        let line = "00  00000018  0001  0001  0000000000000007  0000000000000002  01000000\n";
        assert_eq!(hex(old), (line[14..].replace([' ', '\n'], ""), 0x18));
        assert!(document.contains(line));
        let lines = "00  00000031  0001  0002  0000000000000007  0000000000000002  01000000\n\
                     05  0000000000000005  0000000000000000  000000000000f00d\n";
        assert_eq!(hex(hello()), (lines[14..].replace([' ', '\n'], ""), 0x31));
        assert!(document.contains(lines));
    }

    #[test]
    fn hello_round_trips_and_may_have_further_fields() {
        let versions = VersionRange::new(2, 7).unwrap();
        let hello = Hello { versions, sequence: u64::MAX, ..hello() };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        assert_eq!(Hello::decode(Bytes::from(bytes.clone())), Some(hello));
        bytes.extend([1; 100]);
        assert_eq!(Hello::decode(Bytes::from(bytes.clone())), Some(hello));
        for length in [0, BYTES - 1, BYTES, BYTES + BYTES_ADDED - 1] {
            assert_eq!(Hello::decode(Bytes::from(bytes[..length].to_vec())), None, "{length}");
        }
        bytes[..4].copy_from_slice(&[0, 8, 0, 7]);
        assert_eq!(Hello::decode(Bytes::from(bytes)), None, "the range is empty");
    }

    /// What follows the fields of version 1 has another meaning if the sender supports only that.
    #[test]
    fn hello_of_version_1_contains_no_claims() {
        let old = Hello { versions: VersionRange::only(1), ..hello() };
        let mut bytes = Vec::new();
        old.encode(&mut bytes);
        bytes.extend([0xff; BYTES_ADDED]);
        let decoded = Hello::decode(Bytes::from(bytes));
        assert_eq!(decoded, Some(Hello { claims: Claims::default(), ..old }));
    }
}
