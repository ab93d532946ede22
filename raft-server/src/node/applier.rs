//! The thread that runs the state machine.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use raft_core::ports::{ApplyError, StateMachine, StorageFailure};
use raft_core::{ApplyFailure, CommittedEntry, LogId, LogIndex, Payload, RequestId};

use super::arrivals::ApplierReport;
use super::clock::nanos;
use super::counters::Counters;
use super::error::StopReason;
use super::mailbox::Mailbox;
use super::work_queue::WorkQueue;
use super::worker::panic_message;

/// Staged effects and outputs that cause a flush when they exceed this, in bytes. A state machine
/// bounds what it stages for one command itself.
const UNFLUSHED_BYTES_MAX: u64 = 16 << 20;

/// Work for the applier.
#[derive(Debug)]
pub(super) enum ApplierTask {
    /// Apply these entries.
    Apply(Vec<CommittedEntry>),
    /// Apply entries again: the core has taken the last failure, and emitted the entries that
    /// follow in the queue after it.
    Resume,
    /// Run this query.
    Query(RequestId, Bytes),
}

/// Owns the state machine on its thread.
pub(super) struct Applier {
    state_machine: Box<dyn StateMachine>,
    mailbox: Arc<Mailbox>,
    counters: Arc<Counters>,
    state: ApplyState,
    unflushed: Unflushed,
    /// The entry that the state machine applies or flushes, for the message of a panic.
    current: Option<LogIndex>,
}

/// Whether entries are applied or discarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ApplyState {
    Applying,
    /// After a failure, until [`ApplierTask::Resume`]: the core emits the discarded entries again.
    Discarding,
}

/// Entries that are applied and not flushed yet.
#[derive(Debug, Default)]
struct Unflushed {
    last: LogId,
    entries: u64,
    outputs: Vec<(RequestId, Bytes)>,
    output_bytes: u64,
}

impl Applier {
    pub(super) fn new(
        state_machine: Box<dyn StateMachine>,
        mailbox: Arc<Mailbox>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            state_machine,
            mailbox,
            counters,
            state: ApplyState::Applying,
            unflushed: Unflushed::default(),
            current: None,
        }
    }

    /// Runs until the queue is closed or the state machine cannot continue. After a panic of the
    /// state machine the entry counts as not applied, so that no later entry can be applied.
    pub(super) fn run(mut self, queue: &WorkQueue<ApplierTask>) {
        let mut batch = Vec::new();
        while queue.take(&mut batch) {
            let result = panic::catch_unwind(AssertUnwindSafe(|| self.process(&mut batch)));
            let reason = match result {
                Ok(Ok(())) => continue,
                Ok(Err(reason)) => reason,
                Err(panic) => {
                    let message = panic_message(panic.as_ref());
                    match self.current {
                        Some(index) => StopReason::StateMachinePanicked { index, message },
                        None => StopReason::Panicked { part: "state machine", message },
                    }
                }
            };
            queue.close();
            self.mailbox.fail(reason);
            return;
        }
    }

    /// Applies all entries of the batch, flushes them, and runs the queries of the batch.
    fn process(&mut self, batch: &mut Vec<ApplierTask>) -> Result<(), StopReason> {
        let mut queries = Vec::new();
        let started = Instant::now();
        let mut applies = false;
        for task in batch.drain(..) {
            match task {
                ApplierTask::Apply(entries) => {
                    applies = true;
                    self.apply(entries)?;
                }
                ApplierTask::Resume => self.state = ApplyState::Applying,
                ApplierTask::Query(id, query) => queries.push((id, query)),
            }
        }
        self.flush()?;
        self.current = None;
        if applies {
            self.counters.apply_nanos.add(nanos(started.elapsed()));
        }
        if !queries.is_empty() {
            let run = |(id, query)| (id, self.state_machine.query(&query));
            let results = queries.into_iter().map(run).collect();
            self.report(ApplierReport::Queried(results));
        }
        Ok(())
    }

    fn apply(&mut self, entries: Vec<CommittedEntry>) -> Result<(), StopReason> {
        for CommittedEntry { entry, request } in entries {
            if self.state == ApplyState::Discarding {
                return Ok(());
            }
            self.current = Some(entry.index());
            let output = match &entry.payload {
                Payload::Command(command) => Some(self.state_machine.apply(entry.id, command)),
                Payload::Empty | Payload::Membership(_) => None,
            };
            match output {
                Some(Ok(output)) => self.unflushed.add(entry.id, request, Some(output)),
                None => self.unflushed.add(entry.id, request, None),
                Some(Err(ApplyError::Command { reason })) => {
                    self.flush()?;
                    self.fail(entry.index(), request, reason);
                }
                Some(Err(ApplyError::Unsupported { reason })) => {
                    self.flush()?;
                    return Err(StopReason::UnsupportedCommand { index: entry.index(), reason });
                }
                // The entries that are not flushed are applied again after a restart.
                Some(Err(ApplyError::Storage(failure))) => return Err(failure.into()),
            }
            let unflushed_bytes = self.unflushed.output_bytes + self.state_machine.staged_bytes();
            if unflushed_bytes > UNFLUSHED_BYTES_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Flushes the applied entries, and then reports their outputs.
    fn flush(&mut self) -> Result<(), StorageFailure> {
        let unflushed = std::mem::take(&mut self.unflushed);
        if unflushed.entries == 0 {
            return Ok(());
        }
        let last = unflushed.last.index;
        self.current = Some(last);
        self.state_machine.flush(unflushed.last)?;
        self.counters.apply_batches.add(1);
        self.counters.applied_entries.add(unflushed.entries);
        self.report(ApplierReport::Applied { last, outputs: unflushed.outputs });
        Ok(())
    }

    fn fail(&mut self, index: LogIndex, request: Option<RequestId>, reason: String) {
        self.state = ApplyState::Discarding;
        self.counters.apply_failures.add(1);
        self.report(ApplierReport::Failed { failure: ApplyFailure { index, reason }, request });
    }

    fn report(&self, report: ApplierReport) {
        self.mailbox.post(|arrivals| arrivals.applier_reports.push(report));
    }
}

impl Unflushed {
    fn add(&mut self, id: LogId, request: Option<RequestId>, output: Option<Bytes>) {
        self.last = id;
        self.entries += 1;
        if let (Some(request), Some(output)) = (request, output) {
            self.output_bytes += output.len() as u64;
            self.outputs.push((request, output));
        }
    }
}
