//! Snapshots and compaction: what a test controls, and what the simulated host does.

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{
    Body, Effect, Input, LogId, LogIndex, Message, NodeId, SendOutcome, SnapshotSent, SnapshotTaken,
};

use super::sim_cluster::Cluster;
use crate::network::{InFlight, Transfer, slot_of};
use crate::selector::Selector;
use crate::sim_node::{ApplyWork, Completion};
use crate::snapshot::Snapshot;
use crate::trace::record::RecordKind;

/// Actions.
impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Takes a snapshot of the node's state machine, makes it durable and reports it: from now on
    /// the entries that it covers are durably applied. Has no effect if nothing is applied.
    ///
    /// # Panics
    /// If there is no such node, or it is not up.
    pub fn take_snapshot(&mut self, node: u64) {
        let at = self.slot(node);
        if !self.nodes[at].is_up() {
            self.fail(&format!("node {node} cannot take a snapshot: it is not up"));
        }
        if let Some(snapshot) = self.nodes[at].capture() {
            self.publish_snapshot(at, snapshot, None);
        }
        self.settle(at);
    }

    /// Makes the state of the node's state machine durable and reports it: from now on the entries
    /// that it has applied are durably applied. There is no snapshot to send. Has no effect if
    /// nothing is applied.
    ///
    /// # Panics
    /// If there is no such node, or it is not up.
    pub fn flush(&mut self, node: u64) {
        let at = self.slot(node);
        if let Some(state) = self.nodes[at].capture() {
            let index = state.last.index;
            self.nodes[at].snapshots.flush(state);
            self.checker.on_durably_applied(at, index);
            self.force_input(node, "flush", Input::DurablyApplied(index));
        }
    }

    /// Compacts the node's log now: it removes the durably applied entries that no follower needs.
    ///
    /// # Panics
    /// If there is no such node, or it is not up.
    pub fn compact(&mut self, node: u64) {
        self.force_input(node, "compact", Input::Compact);
    }

    /// From now on a snapshot that the node requests is taken only at
    /// [`Cluster::complete_snapshot`].
    ///
    /// # Panics
    /// If there is no such node; the other actions on snapshots likewise.
    pub fn snapshots_by_hand(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].capture_completion = Completion::Manual;
    }

    /// From now on the node's snapshots are taken at once, including one that is requested.
    pub fn snapshots_at_once(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].capture_completion = Completion::Immediate;
        self.settle(at);
    }

    /// Takes the snapshot that the node has requested.
    pub fn complete_snapshot(&mut self, node: u64) {
        let at = self.slot(node);
        self.complete_capture(at);
        self.settle(at);
    }

    /// Reports to the node that the snapshot that it has requested cannot be taken.
    pub fn fail_snapshot(&mut self, node: u64) {
        let at = self.slot(node);
        if self.nodes[at].is_up()
            && let Some(record) = self.nodes[at].captures.pop_front()
        {
            self.report_no_snapshot(at, record);
            self.settle(at);
        }
    }

    /// Damages the data of the selected snapshots on their way: their receivers refuse them, and
    /// the transfers fail. Returns the number of snapshots.
    ///
    /// # Panics
    /// If no snapshot matches.
    pub fn corrupt(&mut self, selector: Selector) -> usize {
        let ids = self.ids_anywhere(&selector);
        let mut damaged = 0;
        for &id in &ids {
            if let Some(transfer) = self.in_flight_mut(id).and_then(|f| f.transfer.as_mut()) {
                transfer.snapshot.damaged = true;
                damaged += 1;
            }
        }
        if damaged == 0 {
            self.require_any(&[], "corrupt", &selector);
        }
        damaged
    }

    /// The last entries of the durable snapshots that a node holds, ascending.
    #[must_use]
    pub fn held_snapshots(&self, node: u64) -> Vec<LogId> {
        self.node(node).snapshots.held()
    }

    /// Expects that the node's log begins after this index.
    ///
    /// # Panics
    /// If it does not.
    pub fn expect_base(&self, node: u64, index: u64) {
        let base = self.status(node).first_index.previous();
        if base.get() != index {
            self.fail(&format!("node {node}'s log should begin after {index}, not after {base}"));
        }
    }
}

/// The host.
impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Executes an effect that is about snapshots or compaction.
    pub(super) fn dispatch_snapshot_effect(&mut self, at: usize, effect: Effect, record: u64) {
        if let Effect::TakeSnapshot = effect {
            self.nodes[at].captures.push_back(record);
        } else if let Effect::RestoreSnapshot(last) = effect {
            self.nodes[at].applies.push_back((ApplyWork::Restore(last), record));
        } else if let Effect::Compact(up_to) = effect {
            self.compact_store(at, up_to, record);
        } else if let Effect::SendSnapshot(message) = effect {
            self.begin_transfer(at, message, record);
        }
    }

    fn compact_store(&mut self, at: usize, up_to: LogId, record: u64) {
        self.checker.on_compact(at, up_to.index, record);
        self.snapshot_counts.compactions += 1;
        let store = self.nodes[at].store.as_mut();
        let store = store.expect("a store is absent only while its node restarts");
        if let Err(error) = store.compact(up_to) {
            self.fail(&format!("the store does not compact its log to {up_to}: {error}"));
        }
        self.record_at(at, RecordKind::Compacted { base: up_to }, Some(record));
    }

    fn begin_transfer(&mut self, at: usize, message: Message, record: u64) {
        let Some(last) = snapshot_of(&message) else { return };
        self.checker.on_send(&message, record);
        let node = &mut self.nodes[at];
        if let Some(snapshot) = node.snapshots.get(last) {
            let transfer = Transfer { snapshot: snapshot.clone(), starts: Some(node.starts) };
            self.network.emit_snapshot(message, transfer, record);
        } else {
            let sent = SnapshotSent { to: message.to, last, outcome: SendOutcome::Failed };
            node.transfer_reports.push_back((sent, record));
        }
    }

    /// Takes the snapshot that the node requested first.
    pub(super) fn complete_capture(&mut self, at: usize) {
        if !self.nodes[at].is_up() {
            return;
        }
        let Some(record) = self.nodes[at].captures.pop_front() else { return };
        match self.nodes[at].capture() {
            Some(snapshot) => self.publish_snapshot(at, snapshot, Some(record)),
            None => self.report_no_snapshot(at, record),
        }
    }

    fn report_no_snapshot(&mut self, at: usize, record: u64) {
        let action = "no snapshot".to_owned();
        let kind = RecordKind::TestAction { action };
        self.step(at, Input::SnapshotTaken(SnapshotTaken::Failed), kind, Some(record));
    }

    /// Makes a snapshot of the own state machine durable and reports it.
    fn publish_snapshot(&mut self, at: usize, snapshot: Snapshot, cause: Option<u64>) {
        let last = snapshot.last;
        let kind = RecordKind::SnapshotTaken { last };
        let record = self.record_at(at, kind, cause);
        self.checker.on_snapshot(at, &snapshot, record);
        self.snapshot_counts.taken += 1;
        self.nodes[at].snapshots.publish(snapshot);
        self.nodes[at].snapshots.remove_before(last);
        self.report_snapshot(at, last, record);
    }

    /// Reports the latest durable snapshot, and that its entries are durably applied.
    pub(super) fn report_snapshot(&mut self, at: usize, last: LogId, record: u64) {
        self.checker.on_durably_applied(at, last.index);
        self.step_as(at, Input::SnapshotTaken(SnapshotTaken::Durable { last }), record);
        self.step_as(at, Input::DurablyApplied(last.index), record);
    }

    /// Reports what a restarted node holds: its latest snapshot, and the state up to `applied`.
    pub(super) fn report_restored(&mut self, at: usize, applied: LogIndex, record: u64) {
        self.checker.on_durably_applied(at, applied);
        if let Some(&last) = self.nodes[at].snapshots.held().last() {
            self.step_as(at, Input::SnapshotTaken(SnapshotTaken::Durable { last }), record);
        }
        self.step_as(at, Input::DurablyApplied(applied), record);
    }

    /// Reports how much of the state machine is durable by itself, if that has increased.
    pub(super) fn report_durably_applied(&mut self, at: usize, record: u64) {
        let node = &mut self.nodes[at];
        let durable = match node.machine.durable_applied() {
            Ok(durable) => durable,
            Err(failure) => return self.stop_applying(at, &failure.into(), record),
        };
        if node.is_up() && durable > node.status.durably_applied_index {
            self.checker.on_durably_applied(at, durable);
            self.step_as(at, Input::DurablyApplied(durable), record);
        }
    }

    /// Restores the state machine to a snapshot that the host holds.
    pub(super) fn restore_snapshot(&mut self, at: usize, last: LogId, record: u64) {
        let Some(snapshot) = self.nodes[at].snapshots.get(last).cloned() else {
            self.fail(&format!("node {} holds no snapshot {last} to restore", at + 1));
        };
        self.snapshot_counts.restored += 1;
        self.checker.on_snapshot(at, &snapshot, record);
        self.checker.on_restore(at, last, record);
        let node = &mut self.nodes[at];
        if let Err(failure) = snapshot.restore(&mut node.machine) {
            return self.stop_applying(at, &failure.into(), record);
        }
        node.snapshots.on_restored(&snapshot);
        node.snapshots.remove_before(last);
        self.checker.on_durably_applied(at, last.index);
        let kind = RecordKind::SnapshotRestored { last };
        self.step(at, Input::Applied(last.index), kind, Some(record));
        self.panic_if_violated();
    }

    /// A transfer has ended: its sender is notified, if it is still the same process.
    pub(super) fn end_transfer(&mut self, in_flight: &InFlight, outcome: SendOutcome, record: u64) {
        let Some(Transfer { starts: Some(starts), .. }) = in_flight.transfer else { return };
        let Some(last) = snapshot_of(&in_flight.message) else { return };
        match outcome {
            SendOutcome::Delivered => self.snapshot_counts.delivered += 1,
            SendOutcome::Failed => self.snapshot_counts.failed_transfers += 1,
        }
        let at = slot_of(in_flight.message.from);
        let Some(sender) = self.nodes.get_mut(at) else { return };
        if sender.starts == starts && sender.core.is_some() {
            let sent = SnapshotSent { to: in_flight.message.to, last, outcome };
            sender.transfer_reports.push_back((sent, record));
            self.settle(at);
        }
    }

    /// Reports the end of a transfer to its sender.
    pub(super) fn report_transfer(&mut self, at: usize) {
        let Some((sent, record)) = self.nodes[at].transfer_reports.pop_front() else { return };
        let SnapshotSent { to, last, outcome } = sent;
        let delivered = outcome == SendOutcome::Delivered;
        let kind = RecordKind::SnapshotSent { to, last, delivered };
        self.step(at, Input::SnapshotSent(sent), kind, Some(record));
    }

    /// The receiver of a complete snapshot makes it durable. Returns false if it is damaged.
    pub(super) fn receive_snapshot(&mut self, to: usize, in_flight: &InFlight) -> bool {
        let Some(Transfer { snapshot, .. }) = &in_flight.transfer else { return true };
        if snapshot.damaged {
            return false;
        }
        self.nodes[to].snapshots.publish(snapshot.clone());
        true
    }
}

/// The last entry of the snapshot that a message offers.
fn snapshot_of(message: &Message) -> Option<LogId> {
    if let Body::InstallSnapshot(install) = message.body() { Some(install.last) } else { None }
}

/// The nodes to which a snapshot is on its way.
impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// The receivers of the snapshots in flight, ascending.
    #[must_use]
    pub fn snapshots_in_flight(&self) -> Vec<u64> {
        let all = self.network.wire.iter().chain(self.network.outboxes.iter().flatten());
        let mut receivers: Vec<u64> = all
            .filter(|in_flight| in_flight.transfer.is_some())
            .map(|in_flight| in_flight.message.to)
            .map(NodeId::get)
            .collect();
        receivers.sort_unstable();
        receivers
    }
}
