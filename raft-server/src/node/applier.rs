//! Runs the state machine: applies batches, answers queries between them.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, StateMachine, StorageFailure};
use raft_core::{ApplyFailure, CommittedEntry, LogId, LogIndex, Payload, RequestId};

use super::error::StopReason;
use super::mailbox::Mailbox;
use super::status::{Counters, nanos};
use super::work_queue::WorkQueue;
use super::worker::panic_message;

/// Effects and outputs that may be held back before they are flushed, in bytes; one command may
/// exceed it. What a state machine stages for one command is for it to bound.
const UNFLUSHED_BYTES_MAX: u64 = 16 << 20;

/// Something for the state machine to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Apply these.
    Apply(Vec<CommittedEntry>),
    /// The core has heard of the last failure: what follows was emitted after it.
    Resume,
    /// Answer this.
    Query(RequestId, Bytes),
}

/// What the state machine has done.
#[derive(Debug)]
pub(super) enum Report {
    /// Everything up to here is applied and flushed, with these outputs.
    Applied { last: LogIndex, outputs: Vec<(RequestId, Bytes)> },
    /// It failed at an entry; everything before it is applied.
    Failed { failure: ApplyFailure, request: Option<RequestId> },
    /// Queries and their answers.
    Answered(Vec<(RequestId, Result<Bytes, QueryError>)>),
}

/// The thread that owns the state machine.
pub(super) struct Applier {
    pub(super) state_machine: Box<dyn StateMachine>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
    mood: Mood,
    run: Run,
}

/// Whether entries are applied or passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Applying,
    /// After a failure, until [`Job::Resume`]: the core emits the dropped entries again.
    Dropping,
}

/// Entries that were applied and are not flushed yet.
#[derive(Debug, Default)]
struct Run {
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
        Self { state_machine, mailbox, counters, mood: Mood::Applying, run: Run::default() }
    }

    /// Works until the queue ends or the state machine cannot go on. A panic of the state machine
    /// is final: the entry it was at is neither applied nor skipped, so nothing after it can be.
    pub(super) fn run(mut self, queue: &WorkQueue<Job>) {
        let mut batch = Vec::new();
        while queue.take(&mut batch) {
            let mut at = None;
            let worked =
                panic::catch_unwind(AssertUnwindSafe(|| self.work_through(&mut batch, &mut at)));
            let reason = match worked {
                Ok(Ok(())) => continue,
                Ok(Err(reason)) => reason,
                Err(panic) => {
                    let message = panic_message(panic.as_ref());
                    match at {
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

    /// Applies all entries of the batch, with one flush unless that would hold back too much, then
    /// answers its queries. `at` names the entry at which the state machine is.
    fn work_through(
        &mut self,
        batch: &mut Vec<Job>,
        at: &mut Option<LogIndex>,
    ) -> Result<(), StopReason> {
        let mut queries = Vec::new();
        let started = Instant::now();
        let mut applies = false;
        for job in batch.drain(..) {
            match job {
                Job::Apply(entries) => {
                    applies = true;
                    self.apply(entries, at)?;
                }
                Job::Resume => self.mood = Mood::Applying,
                Job::Query(id, query) => queries.push((id, query)),
            }
        }
        self.flush(at)?;
        *at = None;
        if applies {
            self.counters.apply_nanos.add(nanos(started.elapsed()));
        }
        if !queries.is_empty() {
            let answer = |(id, query)| (id, self.state_machine.query(&query));
            let answers = queries.into_iter().map(answer).collect();
            self.report(Report::Answered(answers));
        }
        Ok(())
    }

    fn apply(
        &mut self,
        entries: Vec<CommittedEntry>,
        at: &mut Option<LogIndex>,
    ) -> Result<(), StopReason> {
        for CommittedEntry { entry, request } in entries {
            if self.mood == Mood::Dropping {
                return Ok(());
            }
            *at = Some(entry.index());
            let output = match &entry.payload {
                Payload::Command(command) => Some(self.state_machine.apply(entry.id, command)),
                Payload::Empty | Payload::Membership(_) => None,
            };
            match output {
                Some(Ok(output)) => self.run.applied(entry.id, request, Some(output)),
                None => self.run.applied(entry.id, request, None),
                Some(Err(ApplyError::Command { reason })) => {
                    self.flush(at)?;
                    self.failed(entry.index(), request, reason);
                }
                Some(Err(ApplyError::Unsupported { reason })) => {
                    self.flush(at)?;
                    return Err(StopReason::UnsupportedCommand { index: entry.index(), reason });
                }
                // Entries before it are applied again after a restart.
                Some(Err(ApplyError::Storage(failure))) => return Err(failure.into()),
            }
            if self.run.output_bytes + self.state_machine.staged_bytes() > UNFLUSHED_BYTES_MAX {
                self.flush(at)?;
            }
        }
        Ok(())
    }

    /// Ends the run, if there is one. Its outputs are reported only after that.
    fn flush(&mut self, at: &mut Option<LogIndex>) -> Result<(), StorageFailure> {
        let run = std::mem::take(&mut self.run);
        if run.entries == 0 {
            return Ok(());
        }
        *at = Some(run.last.index);
        self.state_machine.flush(run.last)?;
        self.counters.apply_batches.add(1);
        self.counters.applied_entries.add(run.entries);
        self.report(Report::Applied { last: run.last.index, outputs: run.outputs });
        Ok(())
    }

    fn failed(&mut self, index: LogIndex, request: Option<RequestId>, reason: String) {
        self.mood = Mood::Dropping;
        self.counters.apply_failures.add(1);
        self.report(Report::Failed { failure: ApplyFailure { index, reason }, request });
    }

    fn report(&self, report: Report) {
        self.mailbox.post(|arrivals| arrivals.reports.push(report));
    }
}

impl Run {
    fn applied(&mut self, id: LogId, request: Option<RequestId>, output: Option<Bytes>) {
        self.last = id;
        self.entries += 1;
        if let (Some(request), Some(output)) = (request, output) {
            self.output_bytes += output.len() as u64;
            self.outputs.push((request, output));
        }
    }
}
