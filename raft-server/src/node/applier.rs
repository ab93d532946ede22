//! The thread that runs the state machine.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use raft_core::ports::{ApplyError, StateMachine, StorageFailure};
use raft_core::{
    ApplyFailure, CommittedEntry, CompactionPolicy, LogId, LogIndex, Payload, RequestId,
    SnapshotTaken,
};

use super::arrivals::ApplierReport;
use super::clock::nanos;
use super::counters::Counters;
use super::error::StopReason;
use super::mailbox::Mailbox;
use super::snapshots::capture::{CapturePurpose, Captured};
use super::snapshots::recovery::Position;
use super::snapshots::report::SnapshotReport;
use super::snapshots::unsecured::Unsecured;
use super::snapshots::{RestoreError, SnapshotRequestError, Snapshots};
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
    /// Restore the state machine to the snapshot with this last entry.
    Restore(LogId),
    /// Capture the state machine, once everything that is queued is applied.
    Capture(CapturePurpose),
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
    /// The last entry that is flushed or restored.
    flushed: LogId,
    /// `None` in a node without a snapshot store.
    snapshots: Option<Arc<Snapshots>>,
    unsecured: Unsecured,
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
        position: &Position,
        snapshots: Option<Arc<Snapshots>>,
        policy: &CompactionPolicy,
        mailbox: Arc<Mailbox>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            state_machine,
            mailbox,
            counters,
            state: ApplyState::Applying,
            unflushed: Unflushed::default(),
            flushed: position.applied,
            snapshots,
            unsecured: Unsecured::new(position.durable, policy),
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

    /// Applies all entries of the batch, flushes them, captures the state machine if requested, and
    /// runs the queries of the batch.
    fn process(&mut self, batch: &mut Vec<ApplierTask>) -> Result<(), StopReason> {
        let (mut queries, mut captures) = (Vec::new(), Vec::new());
        let started = Instant::now();
        let mut applies = false;
        for task in batch.drain(..) {
            match task {
                ApplierTask::Apply(entries) => {
                    applies = true;
                    self.apply(entries)?;
                }
                ApplierTask::Resume => self.state = ApplyState::Applying,
                ApplierTask::Restore(last) => self.restore(last)?,
                ApplierTask::Capture(purpose) => captures.push(purpose),
                ApplierTask::Query(id, query) => queries.push((id, query)),
            }
        }
        self.flush()?;
        self.current = None;
        if applies {
            self.counters.apply_nanos.add(nanos(started.elapsed()));
        }
        self.report_durable()?;
        if self.snapshots.is_some() && self.unsecured.take_due() {
            captures.push(CapturePurpose::Durability);
        }
        for purpose in captures {
            self.capture(purpose)?;
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
            self.unsecured.add(entry.weight_bytes());
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
        self.flushed = unflushed.last;
        let last = unflushed.last.index;
        self.current = Some(last);
        self.state_machine.flush(unflushed.last)?;
        self.counters.apply_batches.add(1);
        self.counters.applied_entries.add(unflushed.entries);
        if let Some(snapshots) = &self.snapshots {
            snapshots.on_flushed(last);
        }
        self.report(ApplierReport::Applied { last, outputs: unflushed.outputs });
        Ok(())
    }

    /// Replaces the state by a snapshot. Entries that were discarded before are part of it.
    fn restore(&mut self, last: LogId) -> Result<(), StopReason> {
        self.flush()?;
        self.state = ApplyState::Applying;
        self.current = Some(last.index);
        let restored = match &self.snapshots {
            Some(snapshots) => snapshots.restore(last, &mut *self.state_machine),
            None => Err(RestoreError::Missing),
        };
        restored.map_err(|error| StopReason::Restore { last, error: Arc::new(error) })?;
        self.flushed = last;
        let last = last.index;
        self.report(ApplierReport::Applied { last, outputs: Vec::new() });
        self.snapshot_report(SnapshotReport::Taken(SnapshotTaken::Durable { last: self.flushed }));
        Ok(())
    }

    /// Reports how far the state machine is durable, if that rose. A node without a snapshot store
    /// reports nothing, because it could not replace the entries that the core then removes.
    fn report_durable(&mut self) -> Result<(), StorageFailure> {
        if self.snapshots.is_none() {
            return Ok(());
        }
        let durable = self.state_machine.durable_applied()?;
        if self.unsecured.on_durable(durable) {
            self.report(ApplierReport::Durable(durable));
        }
        Ok(())
    }

    /// Captures the state, which is flushed. A failure does not stop the node: the core or the
    /// caller requests another capture later.
    fn capture(&mut self, purpose: CapturePurpose) -> Result<(), StopReason> {
        let last = self.flushed;
        let secures = matches!(purpose, CapturePurpose::Durability);
        if secures && self.unsecured.is_durable(last.index) {
            self.snapshot_report(SnapshotReport::Secured);
            return Ok(());
        }
        let source = match self.state_machine.capture() {
            Ok(source) => source,
            Err(failure) => {
                self.capture_failed(purpose, &failure);
                return Ok(());
            }
        };
        // Capturing makes the state of some state machines durable.
        self.report_durable()?;
        if secures && self.unsecured.is_durable(last.index) {
            self.snapshot_report(SnapshotReport::Secured);
        } else {
            self.snapshot_report(SnapshotReport::Captured(Captured { last, source, purpose }));
        }
        Ok(())
    }

    fn capture_failed(&self, purpose: CapturePurpose, failure: &StorageFailure) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.on_capture_failed(self.flushed, failure);
        }
        match purpose {
            CapturePurpose::ForFollowers | CapturePurpose::Durability => {
                self.snapshot_report(SnapshotReport::Taken(SnapshotTaken::Failed));
            }
            CapturePurpose::Caller(outcome) => {
                let error = SnapshotRequestError::Failed(failure.to_string());
                let _ = outcome.send(Err(error));
            }
        }
    }

    fn snapshot_report(&self, report: SnapshotReport) {
        self.mailbox.post(|arrivals| arrivals.snapshot_reports.push(report));
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
