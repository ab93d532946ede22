//! Control of disks and state machines.

use std::time::Duration;

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{Input, Persist, PersistId};

use super::sim_cluster::Cluster;
use crate::sim_node::{CommandFault, Completion};
use crate::trace::record::{Liveness, RecordKind, command_text};

/// Which of the changes that are not durable survive a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// None.
    LoseUnsynced,
    /// The first `n`: they became durable without a report to the node.
    Keep(usize),
    /// All: they became durable without a report to the node.
    KeepAll,
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// From now on the test completes the writes and reads of the node's disk:
    /// [`Cluster::complete_persists`], [`Cluster::complete_fetch`].
    ///
    /// # Panics
    /// If there is no such node; the other actions on disks and state machines likewise.
    pub fn disk_by_hand(&mut self, node: u64) {
        let at = self.slot(node);
        self.set_disk(at, Completion::Manual, None);
    }

    /// From now on each write of the node's disk takes `write_time` of virtual time.
    /// [`Cluster::run_for`] and [`Cluster::run_until`] complete it when the time has passed.
    /// Changes that arrive during a write share the next one. Reads take no time.
    pub fn disk_takes(&mut self, node: u64, write_time: Duration) {
        let at = self.slot(node);
        self.set_disk(at, Completion::Manual, Some(write_time));
        self.settle(at);
    }

    /// From now on the node's disk completes all writes and reads at once, including those that
    /// wait.
    pub fn disk_at_once(&mut self, node: u64) {
        let at = self.slot(node);
        self.set_disk(at, Completion::Immediate, None);
        self.settle(at);
    }

    /// From now on the node's state machine applies only at [`Cluster::complete_apply`].
    pub fn apply_by_hand(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].apply_completion = Completion::Manual;
    }

    /// From now on the node's state machine applies at once, including the batches that wait.
    pub fn apply_at_once(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].apply_completion = Completion::Immediate;
        self.settle(at);
    }

    /// Makes the first `count` waiting changes durable, without a report to the node.
    pub fn write_persists(&mut self, node: u64, count: usize) {
        let at = self.slot(node);
        self.write_persists_at(at, count);
    }

    /// Reports to the node the last change that is durable.
    pub fn report_persisted(&mut self, node: u64) {
        let at = self.slot(node);
        self.report_persisted_at(at);
        self.settle(at);
    }

    /// Reports an earlier change as durable once more, as a late report does.
    ///
    /// # Panics
    /// Also if the change was not reported before.
    pub fn report_again(&mut self, node: u64, persist: u64) {
        let at = self.slot(node);
        let known = self.nodes[at].last_reported;
        let persist = PersistId(persist);
        assert!(persist <= known, "persist {persist} of node {node} was not reported before");
        self.step(at, Input::Persisted(persist), RecordKind::PersistDone { persist }, None);
        self.settle(at);
    }

    /// Makes the first `count` waiting changes durable and reports that to the node.
    pub fn complete_persists(&mut self, node: u64, count: usize) {
        self.write_persists(node, count);
        self.report_persisted(node);
    }

    /// Makes all waiting changes durable and reports that to the node.
    pub fn complete_all_persists(&mut self, node: u64) {
        let at = self.slot(node);
        let count = self.nodes[at].persists.len();
        self.complete_persists(node, count);
    }

    /// Completes the node's oldest request for entries of its store.
    pub fn complete_fetch(&mut self, node: u64) {
        let at = self.slot(node);
        self.complete_fetch_at(at);
        self.settle(at);
    }

    /// Applies the oldest batch that waits for the node's state machine.
    pub fn complete_apply(&mut self, node: u64) {
        let at = self.slot(node);
        self.apply_batch(at);
        self.settle(at);
    }

    /// The node's next write fails, and the node stops: which of the changes are durable is
    /// unknown.
    pub fn fail_next_write(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].write_fault = true;
    }

    /// The node's next read of entries fails: it returns none, and the node retries later.
    pub fn fail_next_read(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].read_fault = true;
    }

    /// From now on the node's state machine fails at every command.
    pub fn fail_commands(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].command_fault = Some(CommandFault::Every);
        self.record_at(at, RecordKind::TestAction { action: "fail all commands".to_owned() }, None);
    }

    /// From now on the node's state machine fails at every command that equals this one.
    pub fn fail_command(&mut self, node: u64, command: impl AsRef<[u8]>) {
        let at = self.slot(node);
        let command = bytes::Bytes::copy_from_slice(command.as_ref());
        let action = format!("fail command: {}", command_text(&command));
        self.nodes[at].command_fault = Some(CommandFault::Matching(command));
        self.record_at(at, RecordKind::TestAction { action }, None);
    }

    /// Ends [`Cluster::fail_commands`] and [`Cluster::fail_command`].
    pub fn clear_command_failures(&mut self, node: u64) {
        let at = self.slot(node);
        self.nodes[at].command_fault = None;
        self.record_at(
            at,
            RecordKind::TestAction { action: "clear command failures".to_owned() },
            None,
        );
    }

    fn set_disk(&mut self, at: usize, completion: Completion, write_time: Option<Duration>) {
        let node = &mut self.nodes[at];
        node.disk_completion = completion;
        node.write_time = write_time;
        node.slow_write = None;
    }

    /// Begins a write of all waiting changes if the disk is slow and idle.
    pub(super) fn start_slow_write(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if let Some(write_time) = node.write_time
            && node.slow_write.is_none()
            && !node.persists.is_empty()
        {
            node.slow_write = Some((now.after(write_time), node.persists.len()));
        }
    }

    /// Completes the write in progress of a slow disk.
    pub(super) fn end_slow_write(&mut self, at: usize) {
        if let Some((end, count)) = self.nodes[at].slow_write.take() {
            self.now = self.now.max(end);
            self.write_persists_at(at, count);
            self.report_persisted_at(at);
            self.settle(at);
        }
    }

    pub(super) fn write_persists_at(&mut self, at: usize, count: usize) {
        match self.nodes[at].write(count) {
            Ok(written) => self.note_durable(at, &written),
            Err(error) => self.stop_node(at, &error.to_string()),
        }
    }

    pub(super) fn note_durable(&mut self, at: usize, written: &[(Persist, u64)]) {
        for (change, record) in written {
            self.checker.on_durable(at, change, *record);
        }
        self.panic_if_violated();
    }

    pub(super) fn report_persisted_at(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some((persist, record)) = node.unreported.take() else { return };
        node.last_reported = persist;
        let kind = RecordKind::PersistDone { persist };
        self.step(at, Input::Persisted(persist), kind, Some(record));
    }

    /// Stops a node whose disk failed.
    fn stop_node(&mut self, at: usize, reason: &str) {
        let node = &mut self.nodes[at];
        node.persists.clear();
        node.liveness = Liveness::Halted;
        let kind = RecordKind::PersistFailed { reason: reason.to_owned() };
        let record = self.record_at(at, kind, None);
        self.on_node_stopped(at, record);
    }
}
