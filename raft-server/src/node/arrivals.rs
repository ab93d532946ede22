//! What the driver takes from the mailbox in one cycle.

use bytes::Bytes;
use raft_core::ports::QueryError;
use raft_core::{ApplyFailure, EntriesFetched, LogIndex, Message, NodeId, PersistId, RequestId};
use tokio::sync::oneshot;

use super::error::StopReason;
use super::request::{
    AdminCommand, QueuedMembershipChange, QueuedProposal, QueuedRead, QueuedTransfer,
};
use super::snapshots::report::{SnapshotReport, SnapshotRequest};

/// Everything that has arrived since the driver's last cycle.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// From peers, in the order of arrival.
    pub(super) messages: Vec<Message>,
    /// The weight of `messages`.
    pub(super) message_bytes: u64,
    /// Peers that the transport cannot reach, without duplicates.
    pub(super) unreachable: Vec<NodeId>,
    pub(super) proposals: Vec<QueuedProposal>,
    /// The length of the commands in `proposals`.
    pub(super) proposal_bytes: u64,
    pub(super) reads: Vec<QueuedRead>,
    /// The length of the queries in `reads`.
    pub(super) read_bytes: u64,
    pub(super) transfers: Vec<QueuedTransfer>,
    pub(super) membership_changes: Vec<QueuedMembershipChange>,
    pub(super) admin_commands: Vec<AdminCommand>,
    pub(super) snapshot_requests: Vec<SnapshotRequest>,
    /// Notified when the driver has published the status.
    pub(super) status_requests: Vec<oneshot::Sender<()>>,
    /// The highest persist that is durable.
    pub(super) persisted: Option<PersistId>,
    pub(super) fetched: Vec<EntriesFetched>,
    pub(super) applier_reports: Vec<ApplierReport>,
    pub(super) snapshot_reports: Vec<SnapshotReport>,
    /// Whether the node shuts down once its pending requests have an outcome.
    pub(super) shutdown: bool,
    /// Why the node must stop now.
    pub(super) failure: Option<StopReason>,
}

/// A completion of the applier.
#[derive(Debug)]
pub(super) enum ApplierReport {
    /// Everything up to `last` is applied and flushed, with these outputs.
    Applied { last: LogIndex, outputs: Vec<(RequestId, Bytes)> },
    /// The effect of every entry up to this one is durable in the state machine.
    Durable(LogIndex),
    /// The state machine failed at an entry; everything before it is applied.
    Failed { failure: ApplyFailure, request: Option<RequestId> },
    /// Results of queries.
    Queried(Vec<(RequestId, Result<Bytes, QueryError>)>),
}

impl Arrivals {
    /// Prepares the processed content for reuse: its vectors are empty and keep their capacity.
    pub(super) const fn reset_weights(&mut self) {
        self.message_bytes = 0;
        self.proposal_bytes = 0;
        self.read_bytes = 0;
    }
}
