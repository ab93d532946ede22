//! Receiving snapshots of the leader.

use std::sync::Arc;

use raft_core::ports::{
    IncomingSnapshot, SnapshotError, SnapshotMetadata, SnapshotOffer, SnapshotRefusal,
    SnapshotResponse, SnapshotWriter,
};
use raft_core::{Body, Message, NodeId};

use super::host::Snapshots;
use super::reception::ReceptionGuard;
use super::report::SnapshotReport;

/// Writes a snapshot into the store while it is received.
struct Incoming {
    writer: Box<dyn SnapshotWriter>,
    /// Installs the snapshot.
    message: Message,
    reception: ReceptionGuard,
    snapshots: Arc<Snapshots>,
}

impl Snapshots {
    /// Decides about an offer of a peer.
    pub(in crate::node) fn offered(
        self: &Arc<Self>,
        from: NodeId,
        offer: &SnapshotOffer,
    ) -> SnapshotResponse {
        let response = self.respond(from, offer).unwrap_or_else(SnapshotResponse::Refuse);
        tracing::info!(%from, last = %offer.last, size_bytes = offer.size_bytes, ?response, "snapshot offered");
        response
    }

    fn respond(
        self: &Arc<Self>,
        from: NodeId,
        offer: &SnapshotOffer,
    ) -> Result<SnapshotResponse, SnapshotRefusal> {
        let message = &offer.message;
        let Body::InstallSnapshot(install) = message.body() else {
            return Err(not_wanted("the message of the offer installs no snapshot"));
        };
        if message.from != from || install.last != offer.last {
            return Err(not_wanted("the message of the offer is that of another snapshot"));
        }
        let held = self.store().list();
        if offer.last.index <= self.applied() || held.iter().any(|held| held.last == offer.last) {
            // The core discards a snapshot of applied entries, and its response reports to the leader
            // how far this node is.
            self.report(SnapshotReport::Received(message.clone()));
            return Ok(SnapshotResponse::Complete);
        }
        let metadata = SnapshotMetadata {
            last: offer.last,
            membership: (install.membership_index, install.membership.clone()),
            size_bytes: offer.size_bytes,
            checksum: offer.checksum,
        };
        // The data is stored, and then the state machine builds its new state beside the old one.
        self.options
            .check_space(offer.size_bytes.saturating_mul(2))
            .map_err(|error| SnapshotRefusal::Failed(error.to_string()))?;
        let reception = self.receptions.begin(message.rpc.term())?;
        let writer = self.store().receive(&metadata).map_err(|error| refusal(&error))?;
        let (message, snapshots) = (message.clone(), Arc::clone(self));
        Ok(SnapshotResponse::Receive {
            offset: writer.offset(),
            into: Box::new(Incoming { writer, message, reception, snapshots }),
        })
    }
}

impl Incoming {
    fn check_wanted(&self) -> Result<(), SnapshotRefusal> {
        if self.reception.is_superseded() {
            return Err(not_wanted("a leader of a later term sends another snapshot"));
        }
        if self.snapshots.mailbox.is_stopping() {
            return Err(SnapshotRefusal::Failed("the node has stopped".to_owned()));
        }
        Ok(())
    }
}

impl IncomingSnapshot for Incoming {
    fn write_at(&mut self, offset: u64, chunk: &[u8]) -> Result<(), SnapshotRefusal> {
        self.check_wanted()?;
        let at = self.writer.offset();
        if offset != at {
            let reason = format!("a chunk begins at {offset} instead of {at}");
            return Err(SnapshotRefusal::Corrupt(reason));
        }
        self.writer.write(chunk).map_err(|error| refusal(&error))
    }

    /// The message goes to the core only after the snapshot is published: a crash before that leaves
    /// the old log, a crash afterwards finds the snapshot.
    fn finish(self: Box<Self>) -> Result<(), SnapshotRefusal> {
        self.check_wanted()?;
        let Self { writer, message, reception: _reception, snapshots } = *self;
        let metadata = writer.finish().map_err(|error| refusal(&error))?;
        tracing::info!(last = %metadata.last, size_bytes = metadata.size_bytes, "snapshot received");
        snapshots.counters.snapshots_received.add(1);
        snapshots.report(SnapshotReport::Received(message));
        Ok(())
    }
}

fn not_wanted(reason: &str) -> SnapshotRefusal {
    SnapshotRefusal::NotWanted(reason.to_owned())
}

fn refusal(error: &SnapshotError) -> SnapshotRefusal {
    match error {
        SnapshotError::Busy(_) => SnapshotRefusal::Busy,
        SnapshotError::Corrupt { .. } => SnapshotRefusal::Corrupt(error.to_string()),
        SnapshotError::Io { .. } | SnapshotError::Invalid(_) | _ => {
            SnapshotRefusal::Failed(error.to_string())
        }
    }
}
