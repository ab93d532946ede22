//! The format of a captured state, to the byte.
//!
//! ```text
//! captured state = header, frame *, end
//! header = title, format: u32, cluster: u128, group: u64, state record, crc: u32
//! frame  = kind: u8, length: u32, record *, crc: u32
//! record = key length: u32, value length: u32, key, value
//! end    = 0: u8, 24: u32, records of `current`, `history` and `sessions`: u64 each, crc: u32
//! ```
//!
//! Numbers are big-endian. The state record, the keys and the values are those of
//! [`layout`](super::super::layout). A frame holds records of one column family: kind 1 is
//! `current`, 2 is `history`, 3 is `sessions`. The column families follow in this order, each in
//! the order of its keys. `crc` is the CRC-32C of every byte before it from the title on, without the
//! earlier checksums: a frame that is missing, repeated or at another place is detected as well.
//!
//! Versions that were superseded at the compact revision or before are not part of it, because
//! nodes remove them at different times. So every node captures the same bytes at the same entry.

use raft_core::{ClusterId, GroupId, Identity};

use super::super::database::Family;
use super::super::layout::State;

/// The first bytes of every format.
pub(super) const TITLE: &[u8] = b"raft-kv snapshot\n";
/// The format that this release writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
/// The kind of the end.
pub(super) const END: u8 = 0;
/// Bytes of records after which a frame ends. Only one larger record makes a larger frame.
pub(super) const FRAME_BYTES: usize = 512 << 10;
/// The most bytes of records in a frame: far more than the largest record that a command can write.
pub(super) const FRAME_BYTES_MAX: usize = 128 << 20;
/// Bytes of the two lengths before a record.
pub(super) const RECORD_HEAD_BYTES: usize = 8;
/// The families in the order of their frames.
pub(super) const FAMILIES: [Family; 3] = [Family::Current, Family::History, Family::Sessions];

/// What identifies a captured state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Header {
    pub(super) cluster: ClusterId,
    pub(super) group: GroupId,
    pub(super) state: State,
}

impl Header {
    /// The header of a state of this node. The node itself is not part of it.
    pub(in super::super) const fn new(identity: &Identity, state: State) -> Self {
        Self { cluster: identity.cluster, group: identity.group, state }
    }
}

/// The number of records in each family, in the order of [`FAMILIES`].
pub(super) type Counts = [u64; FAMILIES.len()];

/// The kind of the frames of a family.
pub(super) const fn kind_of(family: Family) -> u8 {
    match family {
        Family::Current => 1,
        Family::History => 2,
        Family::Sessions => 3,
    }
}

/// The family of a kind, and its place in [`FAMILIES`].
pub(super) fn family_of(kind: u8) -> Option<(usize, Family)> {
    FAMILIES.into_iter().enumerate().find(|(_, family)| kind_of(*family) == kind)
}
