//! Sending snapshots to followers.

use std::sync::Arc;

use raft_core::ports::{
    OutgoingSnapshot, SnapshotError, SnapshotOffer, SnapshotOutcome, SnapshotReader,
    SnapshotTransfer, StorageFailure,
};
use raft_core::{Body, LogId, Message, NodeId, SendOutcome, SnapshotSent};

use super::host::Snapshots;
use super::report::SnapshotReport;

/// The data of a transfer. The snapshot is opened by the first read, on a thread that may block.
struct Outgoing {
    snapshots: Arc<Snapshots>,
    to: NodeId,
    last: LogId,
    /// The open snapshot, and the offset of its next read.
    reader: Option<(Box<dyn SnapshotReader>, u64)>,
}

impl Snapshots {
    /// The transfer of the snapshot that this message installs; `None` if the store does not hold
    /// it, or if the message installs none.
    pub(super) fn transfer(self: &Arc<Self>, message: Message) -> Option<SnapshotTransfer> {
        let Body::InstallSnapshot(install) = message.body() else { return None };
        let (to, last) = (message.to, install.last);
        let metadata = self.store().list().into_iter().find(|snapshot| snapshot.last == last)?;
        let (size_bytes, checksum) = (metadata.size_bytes, metadata.checksum);
        let data = Outgoing { snapshots: Arc::clone(self), to, last, reader: None };
        Some(SnapshotTransfer {
            offer: SnapshotOffer { message, last, size_bytes, checksum },
            data: Box::new(data),
            bytes_per_second_max: self.options.bytes_per_second_max,
        })
    }

    /// Reports the end of a transfer.
    pub(super) fn report_sent(&self, to: NodeId, last: LogId, outcome: SendOutcome) {
        self.report(SnapshotReport::Sent(SnapshotSent { to, last, outcome }));
    }
}

impl Outgoing {
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        let (mut reader, mut at) = match self.reader.take() {
            Some(open) => open,
            None => (self.open()?, 0),
        };
        if at != offset {
            reader.seek(offset)?;
            at = offset;
        }
        let mut filled = 0;
        while filled < buffer.len() {
            let read =
                reader.read(&mut buffer[filled..]).map_err(|failure| self.damaged(failure))?;
            if read == 0 {
                let reason = "it ends before the size that was offered".to_owned();
                return Err(self.damaged(StorageFailure { reason }));
            }
            filled += read;
            at += read as u64;
        }
        self.reader = Some((reader, at));
        Ok(())
    }

    fn open(&self) -> Result<Box<dyn SnapshotReader>, SnapshotError> {
        let removed = || SnapshotError::Invalid(format!("the snapshot {} is removed", self.last));
        self.snapshots.store().open(self.last)?.ok_or_else(removed)
    }

    fn damaged(&self, failure: StorageFailure) -> SnapshotError {
        let what = format!("the snapshot up to entry {}", self.last);
        SnapshotError::Corrupt { what, detail: failure.reason }
    }
}

impl OutgoingSnapshot for Outgoing {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageFailure> {
        self.read(offset, buffer).map_err(|error| StorageFailure { reason: error.to_string() })
    }

    fn ended(self: Box<Self>, outcome: SnapshotOutcome) {
        let (to, last) = (self.to, self.last);
        let sent = if outcome == SnapshotOutcome::Accepted {
            self.snapshots.counters.snapshots_sent.add(1);
            SendOutcome::Delivered
        } else {
            tracing::warn!(%to, %last, %outcome, "snapshot not delivered");
            SendOutcome::Failed
        };
        self.snapshots.report_sent(to, last, sent);
    }
}
