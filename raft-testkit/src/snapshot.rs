//! The snapshots of a simulated host.

use std::sync::Arc;

use bytes::Bytes;
use raft_core::ports::{StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex, TermRuns};

/// A snapshot on the disk of a node, or on its way to another one.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The last entry that it covers.
    pub(crate) last: LogId,
    /// The captured state.
    pub(crate) data: Bytes,
    /// The commands that the state machine had applied, for the comparison with the committed
    /// entries. `None` if the state machine recovered a state of its own.
    pub(crate) commands: Option<Arc<[(LogId, Bytes)]>>,
    /// The test damaged the data on the way: the checksum of the receiver fails.
    pub(crate) damaged: bool,
}

impl Snapshot {
    /// Restores a state machine to the snapshot.
    pub(crate) fn restore<M: StateMachine>(&self, machine: &mut M) -> Result<(), StorageFailure> {
        machine.restore(self.last, &mut self.data.clone())
    }
}

/// The most bytes of a captured state.
const CAPTURED_BYTES_MAX: usize = 1 << 30;

/// The snapshots that a host holds and what it needs to take the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotStore {
    /// The durable snapshots, ascending by their last entry.
    durable: Vec<Snapshot>,
    /// The state that the state machine itself has made durable. It is not sent to other nodes.
    state: Option<Snapshot>,
    /// The commands that the state machine has applied. `None` if it recovered a state of its own.
    history: Option<Vec<(LogId, Bytes)>>,
    /// The last entry that the state machine has applied.
    applied: LogId,
}

impl SnapshotStore {
    /// The store of a new node.
    pub(crate) fn new() -> Self {
        Self { history: Some(Vec::new()), ..Self::default() }
    }

    /// The state machine has applied an entry, and this command if the entry carries one.
    pub(crate) fn on_applied(&mut self, id: LogId, command: Option<&Bytes>) {
        self.applied = id;
        if let (Some(history), Some(command)) = (&mut self.history, command) {
            history.push((id, command.clone()));
        }
    }

    /// Captures the state machine as it is. `None` if it has applied nothing, or cannot be captured
    /// now.
    pub(crate) fn capture<M: StateMachine>(&self, machine: &mut M) -> Option<Snapshot> {
        if self.applied.index == LogIndex::ZERO {
            return None;
        }
        let mut source = machine.capture().ok()?;
        let data = source.read_to_end(CAPTURED_BYTES_MAX).ok()?.into();
        let commands = self.history.as_ref().map(|history| history.as_slice().into());
        Some(Snapshot { last: self.applied, data, commands, damaged: false })
    }

    /// Makes a snapshot durable, in place of one with the same last entry.
    pub(crate) fn publish(&mut self, snapshot: Snapshot) {
        let at = self.durable.partition_point(|known| known.last.index < snapshot.last.index);
        if self.durable.get(at).is_none_or(|known| known.last != snapshot.last) {
            self.durable.insert(at, snapshot);
        }
    }

    /// The durable snapshot with this last entry.
    pub(crate) fn get(&self, last: LogId) -> Option<&Snapshot> {
        self.durable.iter().find(|snapshot| snapshot.last == last)
    }

    /// The last entries of the durable snapshots.
    pub(crate) fn held(&self) -> Vec<LogId> {
        self.durable.iter().map(|snapshot| snapshot.last).collect()
    }

    /// Removes the snapshots before this one, which the state machine no longer needs.
    pub(crate) fn remove_before(&mut self, last: LogId) {
        self.durable.retain(|snapshot| snapshot.last.index >= last.index);
    }

    /// The state machine is restored to this snapshot.
    pub(crate) fn on_restored(&mut self, snapshot: &Snapshot) {
        self.applied = snapshot.last;
        self.history = snapshot.commands.as_ref().map(|commands| commands.to_vec());
    }

    /// Makes the state of the state machine durable.
    pub(crate) fn flush(&mut self, state: Snapshot) {
        self.state = Some(state);
    }

    /// The process starts again with this log. An interrupted install is dropped: a snapshot that
    /// the log does not continue. Returns the latest state or snapshot.
    pub(crate) fn on_restart(&mut self, applied: LogIndex, terms: &TermRuns) -> Option<Snapshot> {
        self.durable.retain(|snapshot| terms.contains(snapshot.last));
        self.state = self.state.take().filter(|state| terms.contains(state.last));
        self.applied = LogId::new(terms.term_at(applied).unwrap_or_default(), applied);
        self.history = (applied == LogIndex::ZERO).then(Vec::new);
        let all = self.durable.last().into_iter().chain(&self.state);
        all.max_by_key(|snapshot| snapshot.last.index).cloned()
    }
}
