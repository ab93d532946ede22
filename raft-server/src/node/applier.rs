//! Runs the state machine: applies batches, answers queries between them.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, StateMachine};
use raft_core::{ApplyFailure, Committed, LogId, LogIndex, Payload, RequestId};

use super::error::StopReason;
use super::mailbox::Mailbox;
use super::status::{Counters, nanos};
use super::work_queue::WorkQueue;
use super::worker::panic_message;

/// Something for the state machine to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Apply these.
    Apply(Vec<Committed>),
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
    first: Option<(LogIndex, Option<RequestId>)>,
    last: LogId,
    entries: u64,
    outputs: Vec<(RequestId, Bytes)>,
}

impl Applier {
    pub(super) fn new(
        state_machine: Box<dyn StateMachine>,
        mailbox: Arc<Mailbox>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { state_machine, mailbox, counters, mood: Mood::Applying, run: Run::default() }
    }

    /// Works until the queue ends. A panic of the state machine is final: the entry it was at is
    /// neither applied nor skipped, so nothing after it can be.
    pub(super) fn run(mut self, queue: &WorkQueue<Job>) {
        let mut batch = Vec::new();
        while queue.take(&mut batch) {
            let mut at = None;
            let worked =
                panic::catch_unwind(AssertUnwindSafe(|| self.work_through(&mut batch, &mut at)));
            if let Err(panic) = worked {
                queue.close();
                let message = panic_message(panic.as_ref());
                self.mailbox.fail(match at {
                    Some(index) => StopReason::StateMachinePanicked { index, message },
                    None => StopReason::Panicked { part: "state machine", message },
                });
                return;
            }
        }
    }

    /// Applies all entries of the batch with one flush, then answers its queries. `at` names the
    /// entry at which the state machine is.
    fn work_through(&mut self, batch: &mut Vec<Job>, at: &mut Option<LogIndex>) {
        let mut queries = Vec::new();
        let mut reports = Vec::new();
        let started = Instant::now();
        for job in batch.drain(..) {
            match job {
                Job::Apply(entries) => self.apply(entries, at, &mut reports),
                Job::Resume => self.mood = Mood::Applying,
                Job::Query(id, query) => queries.push((id, query)),
            }
        }
        self.flush(at, &mut reports);
        *at = None;
        if !reports.is_empty() {
            self.counters.apply_nanos.add(nanos(started.elapsed()));
        }
        if !queries.is_empty() {
            let answer = |(id, query)| (id, self.state_machine.query(&query));
            reports.push(Report::Answered(queries.into_iter().map(answer).collect()));
        }
        if !reports.is_empty() {
            self.mailbox.post(|arrivals| arrivals.reports.append(&mut reports));
        }
    }

    fn apply(
        &mut self,
        entries: Vec<Committed>,
        at: &mut Option<LogIndex>,
        reports: &mut Vec<Report>,
    ) {
        for Committed { entry, request } in entries {
            if self.mood == Mood::Dropping {
                return;
            }
            *at = Some(entry.index());
            let output = match &entry.payload {
                Payload::Command(command) => Some(self.state_machine.apply(entry.id, command)),
                Payload::Empty | Payload::Membership(_) => None,
            };
            match output {
                Some(Err(error)) => {
                    self.flush(at, reports);
                    // A flush that failed too is the earlier failure, and the only one to tell.
                    if self.mood == Mood::Applying {
                        self.fail(entry.index(), request, error, reports);
                    }
                }
                Some(Ok(output)) => {
                    self.run.applied(entry.id, request);
                    self.run.outputs.extend(request.map(|request| (request, output)));
                }
                None => self.run.applied(entry.id, request),
            }
        }
    }

    /// Ends the run, if there is one. Only then may its outputs be told.
    fn flush(&mut self, at: &mut Option<LogIndex>, reports: &mut Vec<Report>) {
        let run = std::mem::take(&mut self.run);
        let Some((first, request)) = run.first else { return };
        *at = Some(run.last.index);
        match self.state_machine.flush(run.last) {
            Ok(()) => {
                self.counters.apply_batches.add(1);
                self.counters.applied_entries.add(run.entries);
                reports.push(Report::Applied { last: run.last.index, outputs: run.outputs });
            }
            Err(error) => self.fail(first, request, error, reports),
        }
    }

    fn fail(
        &mut self,
        index: LogIndex,
        request: Option<RequestId>,
        error: ApplyError,
        reports: &mut Vec<Report>,
    ) {
        self.mood = Mood::Dropping;
        self.counters.apply_failures.add(1);
        let failure = ApplyFailure { index, reason: error.reason };
        reports.push(Report::Failed { failure, request });
    }
}

impl Run {
    fn applied(&mut self, id: LogId, request: Option<RequestId>) {
        self.first.get_or_insert((id.index, request));
        self.last = id;
        self.entries += 1;
    }
}
