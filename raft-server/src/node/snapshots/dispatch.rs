//! The driver's side of snapshots: passes on what the core requests, and prepares what it must know.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use raft_core::ports::Transport;
use raft_core::{Body, Input, LogIndex, Message, NodeId, RoleKind, SendOutcome, SnapshotTaken};

use super::super::mailbox::Mailbox;
use super::super::threads::Threads;
use super::capture::{CapturePurpose, Captured, CapturedState};
use super::error::SnapshotRequestError;
use super::host::Snapshots;
use super::report::{CompactionSender, SnapshotReport, SnapshotRequest};
use super::writer::SnapshotTask;

/// Executes the core's effects that concern snapshots.
#[derive(Debug)]
pub(in crate::node) struct SnapshotDispatch {
    /// `None` in a node without a snapshot store.
    snapshots: Option<Arc<Snapshots>>,
    mailbox: Arc<Mailbox>,
    /// The followers to which a transfer is in progress.
    sending: BTreeSet<NodeId>,
    /// Callers that wait until the applied entries are durable outside of the log.
    compactions: Vec<CompactionSender>,
    /// Callers whose compaction the core has taken in this cycle.
    compacted: Vec<CompactionSender>,
}

impl SnapshotDispatch {
    pub(in crate::node) const fn new(
        snapshots: Option<Arc<Snapshots>>,
        mailbox: Arc<Mailbox>,
    ) -> Self {
        Self {
            snapshots,
            mailbox,
            sending: BTreeSet::new(),
            compactions: Vec::new(),
            compacted: Vec::new(),
        }
    }

    /// Captures the state machine for the followers.
    pub(in crate::node) fn take(&self, threads: &mut Threads) {
        if self.snapshots.is_some() {
            threads.capture(CapturePurpose::ForFollowers);
        } else {
            self.report(SnapshotReport::Taken(SnapshotTaken::Failed));
        }
    }

    /// Sends the snapshot that this message installs.
    pub(in crate::node) fn send(&mut self, message: Message, transport: &dyn Transport) {
        let Body::InstallSnapshot(install) = message.body() else { return };
        let (to, last) = (message.to, install.last);
        let Some(snapshots) = &self.snapshots else { return };
        match snapshots.transfer(message) {
            Some(transfer) => {
                self.sending.insert(to);
                transport.send_snapshot(transfer);
            }
            None => snapshots.report_sent(to, last, SendOutcome::Failed),
        }
    }

    /// The log is compacted: snapshots that end before its base can neither be sent nor restored.
    pub(in crate::node) fn on_compacted(&self, base: LogIndex, threads: &mut Threads) {
        if self.snapshots.is_some() {
            threads.snapshot(SnapshotTask::RemoveBefore(base));
        }
    }

    /// A node that does not lead sends no snapshots.
    pub(in crate::node) fn on_role(&mut self, role: RoleKind, transport: &dyn Transport) {
        if role != RoleKind::Leader {
            for to in mem::take(&mut self.sending) {
                transport.cancel_snapshot(to);
            }
        }
    }

    /// Begins what a caller requests.
    pub(in crate::node) fn request(&mut self, request: SnapshotRequest, threads: &mut Threads) {
        match request {
            SnapshotRequest::Capture(outcome) => threads.capture(CapturePurpose::Caller(outcome)),
            SnapshotRequest::Compact(outcome) if self.snapshots.is_none() => {
                let _ = outcome.send(Err(SnapshotRequestError::NoStore));
            }
            SnapshotRequest::Compact(outcome) => {
                self.compactions.push(outcome);
                threads.capture(CapturePurpose::Durability);
            }
        }
    }

    /// The inputs by which the core learns of a report.
    pub(in crate::node) fn complete(
        &mut self,
        report: SnapshotReport,
        core: &raft_core::Node,
        threads: &mut Threads,
    ) -> Vec<Input> {
        match report {
            SnapshotReport::Captured(captured) => {
                self.write(captured, core, threads);
                Vec::new()
            }
            SnapshotReport::Secured => self.compact(),
            SnapshotReport::Taken(taken @ SnapshotTaken::Durable { last }) => {
                let mut inputs =
                    vec![Input::SnapshotTaken(taken), Input::DurablyApplied(last.index)];
                inputs.append(&mut self.compact());
                inputs
            }
            SnapshotReport::Taken(SnapshotTaken::Failed) => {
                for outcome in self.compactions.drain(..) {
                    let reason = "see the log of the node".to_owned();
                    let _ = outcome.send(Err(SnapshotRequestError::Failed(reason)));
                }
                vec![Input::SnapshotTaken(SnapshotTaken::Failed)]
            }
            SnapshotReport::Sent(sent) => {
                self.sending.remove(&sent.to);
                vec![Input::SnapshotSent(sent)]
            }
            SnapshotReport::Received(message) => vec![Input::Message(message)],
        }
    }

    /// Ends the requests for a compaction that the core has executed.
    pub(in crate::node) fn finish_cycle(&mut self) {
        for outcome in self.compacted.drain(..) {
            let _ = outcome.send(Ok(()));
        }
    }

    fn compact(&mut self) -> Vec<Input> {
        if self.compactions.is_empty() {
            return Vec::new();
        }
        self.compacted.append(&mut self.compactions);
        vec![Input::Compact]
    }

    /// Passes a captured state on, with the configuration in force at its last entry.
    fn write(&self, captured: Captured, core: &raft_core::Node, threads: &mut Threads) {
        let last = captured.last;
        let in_log = core.term_at(last.index) == Some(last.term);
        let in_force = core.membership_at(last.index).filter(|_| in_log);
        let membership = in_force.map(|(index, membership)| (index, membership.clone()));
        let missing = "the log begins after it: a snapshot of the leader was installed meanwhile";
        match (captured.purpose, membership) {
            (CapturePurpose::Caller(outcome), membership) => {
                let state = membership
                    .map(|membership| CapturedState { last, membership, source: captured.source })
                    .ok_or_else(|| SnapshotRequestError::Failed(missing.to_owned()));
                let _ = outcome.send(state);
            }
            (purpose, Some(membership)) => {
                threads.snapshot(SnapshotTask::Write(Captured { purpose, ..captured }, membership));
            }
            (CapturePurpose::ForFollowers | CapturePurpose::Durability, None) => {
                tracing::info!(%last, missing, "captured state discarded");
                self.report(SnapshotReport::Taken(SnapshotTaken::Failed));
            }
        }
    }

    fn report(&self, report: SnapshotReport) {
        self.mailbox.post(|arrivals| arrivals.snapshot_reports.push(report));
    }
}
