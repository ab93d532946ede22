//! Tells the core what has arrived.

use bytes::Bytes;
use raft_core::{Effect, Input, Node, Proposal, Refusal, RequestId, Timestamp};

use super::applier::Report;
use super::error::{ProposeError, ReadError};
use super::executor::Executor;
use super::mailbox::{Arrivals, ProposeAnswer, Read};
use super::waiters::Waiter;

/// One cycle of the driver at work: each arrival is an input, each step's effects are carried out
/// before the next.
pub(super) struct Stepper<'a> {
    pub(super) core: &'a mut Node,
    pub(super) now: Timestamp,
    pub(super) executor: &'a mut Executor,
    /// Empty between steps.
    pub(super) effects: &'a mut Vec<Effect>,
    /// How many requests may be under way.
    pub(super) waiting_max: usize,
    /// How many bytes requests under way may take.
    pub(super) waiting_bytes_max: u64,
}

impl Stepper<'_> {
    /// What the threads have finished.
    pub(super) fn completions(&mut self, arrivals: &mut Arrivals) {
        if let Some(id) = arrivals.persisted.take() {
            self.step(Input::Persisted(id));
        }
        for fetched in arrivals.fetched.drain(..) {
            self.step(Input::EntriesFetched(fetched));
        }
        for report in arrivals.reports.drain(..) {
            self.report(report);
        }
    }

    /// What the transport brought.
    pub(super) fn peers(&mut self, arrivals: &mut Arrivals) {
        self.executor.counters.messages_received.add(arrivals.messages.len() as u64);
        for message in arrivals.messages.drain(..) {
            self.step(Input::Message(message));
        }
        for peer in arrivals.unreachable.drain(..) {
            self.step(Input::PeerUnreachable(peer));
        }
    }

    /// What an operator asked for.
    pub(super) fn orders(&mut self, arrivals: &mut Arrivals) {
        for (input, taken) in arrivals.orders.drain(..) {
            self.step(input);
            // Whoever asked may be gone.
            let _ = taken.send(());
        }
    }

    /// All proposals in one batch; those whose caller has gone already are never made.
    pub(super) fn proposals(&mut self, queued: &mut Vec<(Bytes, ProposeAnswer)>) {
        if queued.is_empty() {
            return;
        }
        self.executor.counters.proposals.add(queued.len() as u64);
        let mut batch = Vec::with_capacity(queued.len());
        for (command, answer) in queued.drain(..) {
            if answer.is_closed() {
                self.executor.counters.proposals_failed.add(1);
            } else if !self.has_room_for(0) {
                self.executor.counters.proposals_failed.add(1);
                let _ = answer.send(Err(ProposeError::Refused(Refusal::Busy)));
            } else {
                let id = self.executor.waiters.insert(Waiter::Proposal(answer), 0);
                batch.push(Proposal { id, command });
            }
        }
        if !batch.is_empty() {
            self.step(Input::Propose(batch));
        }
    }

    /// All reads in one batch, which shares one confirmation.
    pub(super) fn reads(&mut self, queued: &mut Vec<Read>) {
        if queued.is_empty() {
            return;
        }
        self.executor.counters.reads.add(queued.len() as u64);
        let mut batch = Vec::with_capacity(queued.len());
        for read in queued.drain(..) {
            if read.is_abandoned() {
                self.executor.counters.reads_failed.add(1);
            } else if !self.has_room_for(read.query_bytes()) {
                self.executor.counters.reads_failed.add(1);
                read.refuse(ReadError::Refused(Refusal::Busy));
            } else {
                batch.extend(self.admit(read));
            }
        }
        if !batch.is_empty() {
            self.step(Input::Read(batch));
        }
    }

    /// The passing of time, if the core waits for it.
    pub(super) fn tick(&mut self) {
        if self.core.deadline() <= self.now {
            self.step(Input::Tick);
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Applied { last, outputs } => {
                self.executor.outputs(outputs);
                self.step(Input::Applied(last));
            }
            Report::Failed { failure, request } => {
                self.executor.apply_failed(&failure, request);
                self.step(Input::ApplyFailed(failure));
            }
            Report::Answered(answers) => self.executor.answers(answers),
        }
    }

    /// The request with which the core is asked, if it has to be.
    fn admit(&mut self, read: Read) -> Option<RequestId> {
        let query_bytes = read.query_bytes();
        let waiter = match read {
            Read::Barrier(answer) => Waiter::Barrier(answer),
            Read::Query { query, answer } => Waiter::Query { query, answer },
            Read::Local { query, answer } => {
                self.executor.ask(answer, query);
                return None;
            }
        };
        Some(self.executor.waiters.insert(waiter, query_bytes))
    }

    /// Whether another request may be taken, whose query has this many bytes.
    fn has_room_for(&self, query_bytes: u64) -> bool {
        let waiters = &self.executor.waiters;
        let bytes = waiters.bytes_with(query_bytes);
        waiters.len() < self.waiting_max && (waiters.is_empty() || bytes <= self.waiting_bytes_max)
    }

    fn step(&mut self, input: Input) {
        self.core.step(self.now, input, self.effects);
        self.executor.execute(self.effects);
    }
}
