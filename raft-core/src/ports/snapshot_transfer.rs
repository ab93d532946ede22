//! The transfer of a snapshot's data from the host of one node to that of another.
//!
//! The core never sees the data. A host passes a [`SnapshotTransfer`] to
//! [`Transport::send_snapshot`](super::Transport::send_snapshot). The transport of the receiver
//! passes the offer to [`Inbox::snapshot_offered`](super::Inbox::snapshot_offered), whose response
//! decides from which offset on the data is sent. The message that installs the snapshot is part of
//! the offer: the receiving host passes it to its node once the data is complete, verified and
//! durable.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU64;

use super::state_machine::StorageFailure;
use crate::message::Message;
use crate::types::LogId;

/// What a sender offers: the description of a snapshot's data, and the message that installs it.
///
/// Two offers describe the same data if `last`, `size_bytes` and `checksum` are equal. Only then
/// may a receiver resume a transfer that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotOffer {
    /// The message that installs the snapshot. Its envelope names the sender and the receiver. No
    /// transport delivers it.
    pub message: Message,
    /// The last entry that the snapshot contains.
    pub last: LogId,
    /// The size of the data in bytes.
    pub size_bytes: u64,
    /// The CRC-32C of the data. The receiving host verifies it; transports only verify chunks.
    pub checksum: u32,
}

/// The transfer of one snapshot to one peer, as the sending host starts it.
pub struct SnapshotTransfer {
    /// What the peer receives first. It is sent to `offer.message.to`.
    pub offer: SnapshotOffer,
    /// The data.
    pub data: Box<dyn OutgoingSnapshot>,
    /// The most bytes of data that are sent in one second; `None` for no limit.
    pub bytes_per_second_max: Option<NonZeroU64>,
}

impl SnapshotTransfer {
    /// The size of the chunks of this transfer: at most `bytes_max`, and at most what the limit
    /// permits in a quarter of a second, so that a slow transfer is not taken for a stalled one.
    #[must_use]
    pub fn chunk_bytes(&self, bytes_max: u32) -> u32 {
        let rate = self.bytes_per_second_max.map_or(u64::MAX, NonZeroU64::get);
        let in_time = u32::try_from(rate / 4).unwrap_or(u32::MAX).max(1);
        bytes_max.min(in_time)
    }
}

impl fmt::Debug for SnapshotTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotTransfer")
            .field("offer", &self.offer)
            .field("bytes_per_second_max", &self.bytes_per_second_max)
            .finish_non_exhaustive()
    }
}

/// The data of a snapshot at the sending host.
pub trait OutgoingSnapshot: Send + 'static {
    /// Fills `buffer` with the data from `offset` on. The offsets of a transfer increase. Called on
    /// a thread that may block.
    ///
    /// # Errors
    /// When the data cannot be read. The transfer is broken then.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageFailure>;

    /// The transfer has ended. Called exactly once, on any thread; must not block. A transport that
    /// is dropped during a transfer may call it afterwards.
    fn ended(self: Box<Self>, outcome: SnapshotOutcome);
}

/// The data of a snapshot at the receiving host.
///
/// All methods are called on a thread that may block: the sender sends no more than a bounded
/// number of chunks ahead. If it is dropped before [`finish`](Self::finish), the transfer was
/// broken or cancelled; what was written may be kept for a resumed transfer.
pub trait IncomingSnapshot: Send + 'static {
    /// Writes a chunk. The first one begins at the offset of the
    /// [response](SnapshotResponse::Receive), each later one at the end of the previous one.
    ///
    /// # Errors
    /// When the data is not wanted any more or cannot be written. The transfer ends, and the sender
    /// learns the reason.
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), SnapshotRefusal>;

    /// All data has been written. Verifies the checksum of the offer and makes the data durable.
    ///
    /// # Errors
    /// When the data is wrong or cannot be made durable. The sender learns the reason.
    fn finish(self: Box<Self>) -> Result<(), SnapshotRefusal>;
}

/// The response of a host to an offer.
pub enum SnapshotResponse {
    /// The data is received.
    Receive {
        /// The offset from which the data is sent: 0, or what the host has from a broken transfer
        /// of the same data. At most the size of the data.
        offset: u64,
        /// Takes the data.
        into: Box<dyn IncomingSnapshot>,
    },
    /// The host has all of the data, durable and verified.
    Complete,
    /// The data is not received.
    Refuse(SnapshotRefusal),
}

impl fmt::Debug for SnapshotResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receive { offset, .. } => write!(f, "Receive from {offset}"),
            Self::Complete => f.write_str("Complete"),
            Self::Refuse(refusal) => write!(f, "Refuse: {refusal}"),
        }
    }
}

/// Why a receiver does not take a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotRefusal {
    /// The receiver takes other snapshots. The sender may offer it again later.
    #[error("the receiver takes other snapshots")]
    Busy,
    /// The receiver does not need this snapshot. The sender must not offer it again.
    #[error("not wanted: {0}")]
    NotWanted(String),
    /// The data was altered: the checksum of a chunk or of the whole is wrong.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// The receiver could not store the data.
    #[error("the receiver failed: {0}")]
    Failed(String),
}

/// How a transfer ended, for the sending host.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotOutcome {
    /// The receiving host has all of the data, verified and durable.
    #[error("accepted")]
    Accepted,
    /// The receiving host refused the snapshot.
    #[error("refused: {0}")]
    Refused(SnapshotRefusal),
    /// The connection was lost, or the data could not be read. A new transfer of the same data
    /// continues from where the receiver stopped.
    #[error("broken at offset {offset}: {reason}")]
    Broken {
        /// The end of the data that was passed to the connection. The receiver may have less.
        offset: u64,
        /// The cause, for logs.
        reason: String,
    },
    /// The sending host cancelled it or started another one to the same peer.
    #[error("cancelled")]
    Cancelled,
    /// The release of the peer, or this transport, does not support transfers of snapshots.
    #[error("transfers of snapshots are not supported")]
    Unsupported,
}
