//! One node of the cluster: the core, and a host whose disk and state machine the test controls.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{ApplyError, LogStore, StateMachine, StoreError};
use raft_core::{
    ApplyFailure, CommittedEntry, Config, EntriesFetched, FetchEntries, LogId, Node, NodeId,
    Payload, Persist, PersistId, RoleKind, SnapshotSent, Status, Timestamp,
};

use crate::node_clock::NodeClock;
use crate::snapshot::{Snapshot, SnapshotStore};
use crate::trace::record::{Liveness, NodeState, Side};

/// When the work that a host does beside the core is completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Completion {
    /// After the step that requested it, before any other event.
    #[default]
    Immediate,
    /// When the test completes it.
    Manual,
}

/// Work of a state machine, in its order.
#[derive(Clone, Debug)]
pub(crate) enum ApplyWork {
    Apply(Vec<CommittedEntry>),
    /// Restore the snapshot with this last entry.
    Restore(LogId),
}

/// The commands at which a state machine fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CommandFault {
    /// Every command.
    Every,
    /// Every command that equals this one.
    Matching(Bytes),
}

/// A node with its disk and its state machine.
#[derive(Clone)]
pub(crate) struct SimNode<M, S> {
    pub(crate) id: NodeId,
    pub(crate) config: Config,
    pub(crate) clock: NodeClock,
    /// `None` while the process is down.
    pub(crate) core: Option<Node>,
    /// `None` only during a restart.
    pub(crate) store: Option<S>,
    pub(crate) machine: M,
    pub(crate) liveness: Liveness,
    pub(crate) side: Side,
    /// The status after the last step.
    pub(crate) status: Status,
    /// The role in the last record of the node.
    pub(crate) recorded_role: RoleKind,
    pub(crate) disk_completion: Completion,
    /// How long a write takes in virtual time if the disk is slow; its completion is manual then.
    pub(crate) write_time: Option<Duration>,
    /// The write in progress of a slow disk: its end, and how many changes it covers.
    pub(crate) slow_write: Option<(Timestamp, usize)>,
    pub(crate) apply_completion: Completion,
    /// Submitted to the disk and not durable, each with the record of its start.
    pub(crate) persists: VecDeque<(Persist, u64)>,
    /// Durable and not reported to the node.
    pub(crate) unreported: Option<(PersistId, u64)>,
    /// The last change that was reported as durable since the node started.
    pub(crate) last_reported: PersistId,
    pub(crate) fetches: VecDeque<(FetchEntries, u64)>,
    pub(crate) applies: VecDeque<(ApplyWork, u64)>,
    pub(crate) snapshots: SnapshotStore,
    /// Requests for a snapshot, each with its record.
    pub(crate) captures: VecDeque<u64>,
    pub(crate) capture_completion: Completion,
    /// Transfers that have ended and are not reported to the node.
    pub(crate) transfer_reports: VecDeque<(SnapshotSent, u64)>,
    /// How often the process was started.
    pub(crate) starts: u64,
    pub(crate) command_fault: Option<CommandFault>,
    /// The disk fails at the next write, or at the next read.
    pub(crate) write_fault: bool,
    pub(crate) read_fault: bool,
}

/// The result of applying a batch.
pub(crate) struct BatchResult {
    /// The entries that were applied, each with its output if it carried a command.
    pub(crate) done: Vec<(CommittedEntry, Option<Bytes>)>,
    pub(crate) failure: Option<(CommittedEntry, ApplyFailure)>,
}

impl<M: StateMachine, S: LogStore> SimNode<M, S> {
    pub(crate) fn state(&self, role: RoleKind) -> NodeState {
        NodeState::of(&self.status, role.into(), self.liveness, self.side)
    }

    /// Whether the configuration in force at this node names the current incarnation of the other.
    pub(crate) fn admits(&self, other: &Self) -> bool {
        let membership = &self.status.membership;
        let current = other.config.identity().incarnation;
        membership.contains(other.id)
            && membership.incarnation(other.id).is_none_or(|pinned| pinned == current)
    }

    /// Whether the node takes inputs.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.liveness, Liveness::Up)
    }

    /// Makes the first `count` waiting changes durable with one call. Returns them.
    pub(crate) fn write(&mut self, count: usize) -> Result<Vec<(Persist, u64)>, StoreError> {
        let count = count.min(self.persists.len());
        let written: Vec<(Persist, u64)> = self.persists.drain(..count).collect();
        let Some((last, record)) = written.last() else { return Ok(written) };
        if std::mem::take(&mut self.write_fault) {
            return Err(StoreError::Poisoned("the test made the disk fail".to_owned()));
        }
        self.unreported = Some((last.id, *record));
        let store = self.store.as_mut().expect("a store is absent only while its node restarts");
        match written.as_slice() {
            [(change, _)] => store.persist(std::slice::from_ref(change))?,
            several => {
                let changes: Vec<Persist> =
                    several.iter().map(|(change, _)| change.clone()).collect();
                store.persist(&changes)?;
            }
        }
        Ok(written)
    }

    /// Completes the oldest fetch from the store. A failed read returns no entries.
    pub(crate) fn fetch(&mut self) -> Option<(EntriesFetched, u64)> {
        let (request, record) = self.fetches.pop_front()?;
        let store = self.store.as_ref().expect("a store is absent only while its node restarts");
        let entries = if std::mem::take(&mut self.read_fault) {
            Vec::new()
        } else {
            // A host reports the failure to its operator; the core retries.
            store.reader().read(request.from, request.last, request.bytes_max).unwrap_or_default()
        };
        Some((EntriesFetched { id: request.id, from: request.from, entries }, record))
    }

    /// Applies a batch. After an error the node stops.
    pub(crate) fn apply(&mut self, batch: Vec<CommittedEntry>) -> Result<BatchResult, ApplyError> {
        let mut result = BatchResult { done: Vec::with_capacity(batch.len()), failure: None };
        for committed in batch {
            match self.apply_one(&committed) {
                Ok(output) => result.done.push((committed, output)),
                Err(ApplyError::Command { reason }) => {
                    let index = committed.entry.index();
                    result.failure = Some((committed, ApplyFailure { index, reason }));
                    break;
                }
                Err(error @ (ApplyError::Unsupported { .. } | ApplyError::Storage(_))) => {
                    return Err(error);
                }
            }
        }
        if let Some((last, _)) = result.done.last() {
            self.machine.flush(last.entry.id)?;
        }
        for (committed, _) in &result.done {
            let command = match &committed.entry.payload {
                Payload::Command(command) => Some(command),
                Payload::Empty | Payload::Membership(_) => None,
            };
            self.snapshots.on_applied(committed.entry.id, command);
        }
        if result.failure.is_some() {
            // The core submits the later batches again, or a snapshot covers them.
            let restore = |(work, _): &(ApplyWork, u64)| matches!(work, ApplyWork::Restore(_));
            let kept = self.applies.iter().position(restore).unwrap_or(self.applies.len());
            self.applies.drain(..kept);
        }
        Ok(result)
    }

    fn apply_one(&mut self, committed: &CommittedEntry) -> Result<Option<Bytes>, ApplyError> {
        let Payload::Command(command) = &committed.entry.payload else { return Ok(None) };
        let fails = match &self.command_fault {
            None => false,
            Some(CommandFault::Every) => true,
            Some(CommandFault::Matching(target)) => target == command,
        };
        if fails {
            return Err(ApplyError::Command { reason: "the test injected a failure".to_owned() });
        }
        self.machine.apply(committed.entry.id, command).map(Some)
    }

    /// Captures the state machine for a snapshot.
    pub(crate) fn capture(&mut self) -> Option<Snapshot> {
        self.snapshots.capture(&mut self.machine)
    }

    /// Stops the process: its state in memory is lost. The first `keep` waiting changes become
    /// durable. Returns the number of the lost changes, and the kept ones.
    pub(crate) fn crash(
        &mut self,
        keep: usize,
    ) -> Result<(usize, Vec<(Persist, u64)>), StoreError> {
        self.write_fault = false;
        let kept = self.write(keep)?;
        let lost = self.persists.len();
        self.persists.clear();
        self.unreported = None;
        self.last_reported = PersistId(0);
        self.fetches.clear();
        self.applies.clear();
        self.captures.clear();
        self.transfer_reports.clear();
        self.slow_write = None;
        self.core = None;
        self.liveness = Liveness::Down;
        Ok((lost, kept))
    }
}

impl<M, S> fmt::Debug for SimNode<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNode")
            .field("id", &self.id)
            .field("liveness", &self.liveness)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
