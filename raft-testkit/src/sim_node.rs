//! One node of the cluster: the core, and the shell's part around it with every door held open
//! or shut by the test.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{ApplyError, LogStore, StateMachine, StoreError};
use raft_core::{
    ApplyFailure, CommittedEntry, Config, EntriesFetched, FetchEntries, Node, NodeId, Payload,
    Persist, PersistId, RoleKind, Status, Timestamp,
};

use crate::trace::record::{Liveness, NodeState, Side};

/// When work that a shell does beside the core gets done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Completion {
    /// Before anything else happens.
    #[default]
    Immediate,
    /// When the test says so.
    Manual,
}

/// Makes a state machine fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CommandFault {
    /// At every command, from the next one on.
    Every,
    /// At every command that reads like this.
    Matching(Bytes),
}

/// A node and what surrounds it.
#[derive(Clone)]
pub(crate) struct SimNode<M, S> {
    pub(crate) id: NodeId,
    pub(crate) config: Config,
    /// `None` while the process is down.
    pub(crate) core: Option<Node>,
    /// `None` only for the moment of a restart.
    pub(crate) store: Option<S>,
    pub(crate) machine: M,
    pub(crate) liveness: Liveness,
    pub(crate) side: Side,
    /// As of the last step, or of the moment of the crash.
    pub(crate) status: Status,
    /// The role that the trace showed last.
    pub(crate) recorded_role: RoleKind,
    pub(crate) disk_completion: Completion,
    /// How long a write takes in virtual time, if the disk is slow; its completion is by hand then.
    pub(crate) write_time: Option<Duration>,
    /// The write that a slow disk is at: its end, and how many changes it covers.
    pub(crate) slow_write: Option<(Timestamp, usize)>,
    pub(crate) apply_completion: Completion,
    /// Handed to the disk and not durable, each with the record of its start.
    pub(crate) persists: VecDeque<(Persist, u64)>,
    /// Durable, and the node does not know it yet.
    pub(crate) unreported: Option<(PersistId, u64)>,
    /// The last change that the node was told to be durable, in this life.
    pub(crate) last_reported: PersistId,
    pub(crate) fetches: VecDeque<(FetchEntries, u64)>,
    pub(crate) applies: VecDeque<(Vec<CommittedEntry>, u64)>,
    pub(crate) command_fault: Option<CommandFault>,
    /// The disk fails at the next write, or the next read.
    pub(crate) write_fault: bool,
    pub(crate) read_fault: bool,
}

/// How a batch went through the state machine.
pub(crate) struct BatchResult {
    /// The entries that were applied, each with its output if it carried a command.
    pub(crate) done: Vec<(CommittedEntry, Option<Bytes>)>,
    pub(crate) failure: Option<(CommittedEntry, ApplyFailure)>,
}

impl<M: StateMachine, S: LogStore> SimNode<M, S> {
    pub(crate) fn state(&self, role: RoleKind) -> NodeState {
        NodeState::of(&self.status, role.into(), self.liveness, self.side)
    }

    /// Whether the node takes inputs.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.liveness, Liveness::Up)
    }

    /// Makes the first `count` waiting changes durable with one sync. Returns them.
    pub(crate) fn write(&mut self, count: usize) -> Result<Vec<(Persist, u64)>, StoreError> {
        let count = count.min(self.persists.len());
        let written: Vec<(Persist, u64)> = self.persists.drain(..count).collect();
        let Some((last, record)) = written.last() else { return Ok(written) };
        if std::mem::take(&mut self.write_fault) {
            return Err(StoreError::Poisoned("the test made the disk fail".to_owned()));
        }
        self.unreported = Some((last.id, *record));
        let store = self.store.as_mut().expect("a store is away only while its node restarts");
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

    /// Answers the oldest fetch from the store.
    pub(crate) fn fetch(&mut self) -> Option<(EntriesFetched, u64)> {
        let (request, record) = self.fetches.pop_front()?;
        let store = self.store.as_ref().expect("a store is away only while its node restarts");
        let entries = if std::mem::take(&mut self.read_fault) {
            Vec::new()
        } else {
            // A store that cannot read says so to its operator; the core asks again.
            store.reader().read(request.from, request.last, request.bytes_max).unwrap_or_default()
        };
        Some((EntriesFetched { id: request.id, from: request.from, entries }, record))
    }

    /// Puts the oldest batch through the state machine, and returns what became of it with the
    /// record that handed it out. An error is the reason why the node must stop.
    pub(crate) fn apply(&mut self) -> Option<(Result<BatchResult, ApplyError>, u64)> {
        let (batch, record) = self.applies.pop_front()?;
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
                    return Some((Err(error), record));
                }
            }
        }
        if let Some((last, _)) = result.done.last()
            && let Err(failure) = self.machine.flush(last.entry.id)
        {
            return Some((Err(failure.into()), record));
        }
        if result.failure.is_some() {
            // What was queued behind it is handed out again by the core.
            self.applies.clear();
        }
        Some((Ok(result), record))
    }

    fn apply_one(&mut self, committed: &CommittedEntry) -> Result<Option<Bytes>, ApplyError> {
        let Payload::Command(command) = &committed.entry.payload else { return Ok(None) };
        let fails = match &self.command_fault {
            None => false,
            Some(CommandFault::Every) => true,
            Some(CommandFault::Matching(target)) => target == command,
        };
        if fails {
            return Err(ApplyError::Command { reason: "rigged to fail by the test".to_owned() });
        }
        self.machine.apply(committed.entry.id, command).map(Some)
    }

    /// Forgets everything that a process forgets when it dies. The first `keep` waiting changes
    /// reach the disk all the same. Returns (lost, kept changes, requests without an answer).
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
