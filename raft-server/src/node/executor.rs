//! Carries out what the core wants done.

use std::sync::Arc;

use bytes::Bytes;
use raft_core::ports::{QueryError, Transport};
use raft_core::{
    ApplyFailure, Effect, Event, FetchEntries, HaltReason, NodeId, Persist, RequestId, Response,
    RoleCause, Term,
};
use tokio::time::Instant;

use super::applier::Job;
use super::log_limit::LogLimit;
use super::mailbox::ReadAnswer;
use super::status::Counters;
use super::waiters::{Next, Waiter, Waiters};
use super::worker::Worker;

/// The hands of the driver. Messages leave at once; work for the threads is collected over a
/// cycle and handed over by [`Executor::hand_over`], with one wake-up a thread.
pub(super) struct Executor {
    transport: Arc<dyn Transport>,
    workers: Workers,
    pub(super) waiters: Waiters,
    pub(super) counters: Arc<Counters>,
    persists: Vec<Persist>,
    fetches: Vec<FetchEntries>,
    jobs: Vec<Job>,
    refusal_lines: LogLimit,
    apply_failure_lines: LogLimit,
    apply_retry_lines: LogLimit,
    /// The latest term that was handed to the log.
    term: Term,
    news: News,
}

/// What a cycle's effects mean for the driver itself.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The role or the leader may be another.
    pub(super) leadership: bool,
    /// The core wants to stop.
    pub(super) halt: Option<HaltReason>,
}

/// The threads of a node.
pub(super) struct Workers {
    pub(super) persister: Worker<Persist>,
    pub(super) log_reader: Worker<FetchEntries>,
    pub(super) applier: Worker<Job>,
}

impl Workers {
    /// Lets the threads finish what they were given and waits for their end.
    pub(super) async fn finish(&mut self) {
        self.persister.finish().await;
        self.log_reader.finish().await;
        self.applier.finish().await;
    }
}

impl Executor {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        workers: Workers,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            transport,
            workers,
            waiters: Waiters::default(),
            counters,
            persists: Vec::new(),
            fetches: Vec::new(),
            jobs: Vec::new(),
            refusal_lines: LogLimit::default(),
            apply_failure_lines: LogLimit::default(),
            apply_retry_lines: LogLimit::default(),
            term: Term::default(),
            news: News::default(),
        }
    }

    /// Carries out the effects of a step, in order.
    pub(super) fn execute(&mut self, effects: &mut Vec<Effect>) {
        let mut sent = 0;
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(message) => {
                    sent += 1;
                    self.transport.send(message);
                }
                Effect::Persist(persist) => self.persist(persist),
                Effect::FetchEntries(fetch) => self.fetches.push(fetch),
                Effect::Apply(entries) => self.jobs.push(Job::Apply(entries)),
                Effect::Respond(reply) => self.reply(reply),
                Effect::Event(event) => self.event(event),
                Effect::Halt(reason) => self.news.halt = Some(reason),
            }
        }
        self.counters.messages_sent.add(sent);
    }

    /// Hands the collected work to the threads and returns what the driver should know.
    pub(super) fn hand_over(&mut self) -> News {
        self.workers.persister.push_all(&mut self.persists);
        self.workers.log_reader.push_all(&mut self.fetches);
        self.workers.applier.push_all(&mut self.jobs);
        self.counters.waiting.set(self.waiters.len() as u64);
        std::mem::take(&mut self.news)
    }

    /// Puts a query to the state machine, for a caller that wants it as it is.
    pub(super) fn ask(&mut self, answer: ReadAnswer<Bytes>, query: Bytes) {
        let id = self.waiters.insert(Waiter::Asked(answer), query.len() as u64);
        self.jobs.push(Job::Query(id, query));
    }

    /// Answers the callers whose commands are applied.
    pub(super) fn outputs(&mut self, outputs: Vec<(RequestId, Bytes)>) {
        for (id, output) in outputs {
            self.waiters.applied(id, output);
        }
    }

    /// Answers the callers whose queries the state machine has looked at.
    pub(super) fn answers(&mut self, answers: Vec<(RequestId, Result<Bytes, QueryError>)>) {
        for (id, answer) in answers {
            if !self.waiters.answered(id, answer) {
                self.counters.reads_failed.add(1);
            }
        }
    }

    /// Answers the caller at whose command the state machine failed, and lets entries through to
    /// it again: those that the core emits from here on.
    pub(super) fn apply_failed(&mut self, failure: &ApplyFailure, request: Option<RequestId>) {
        if let Some(id) = request {
            self.waiters.apply_failed(id, failure.index, &failure.reason);
            self.counters.proposals_failed.add(1);
        }
        self.jobs.push(Job::Resume);
    }

    /// Ends the threads, after what they were given.
    pub(super) async fn finish(&mut self) {
        self.workers.finish().await;
    }

    /// Answers everybody who still waits.
    pub(super) fn abandon(&mut self, leader: Option<NodeId>) {
        let (proposals, reads) = self.waiters.abandon(leader);
        self.counters.proposals_failed.add(proposals);
        self.counters.reads_failed.add(reads);
        self.counters.waiting.set(0);
    }

    fn persist(&mut self, persist: Persist) {
        // A follower enters a term without an event when it merely hears of one.
        if let Some(hard_state) = persist.hard_state
            && hard_state.term != self.term
        {
            self.term = hard_state.term;
            self.news.leadership = true;
        }
        self.persists.push(persist);
    }

    fn reply(&mut self, Response { id, outcome }: Response) {
        match self.waiters.ended(id, outcome) {
            Next::Nothing => {}
            Next::ProposalFailed => self.counters.proposals_failed.add(1),
            Next::ReadFailed => self.counters.reads_failed.add(1),
            Next::Ask(query) => self.jobs.push(Job::Query(id, query)),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::RoleChanged { role, term, cause } => {
                self.news.leadership = true;
                if cause == RoleCause::StorageStalled {
                    self.counters.storage_stalls.add(1);
                    tracing::error!(
                        ?role, %term,
                        "the disk of the log makes no progress: leadership or candidacy is given up"
                    );
                }
                tracing::info!(?role, %term, ?cause, "role changed");
            }
            Event::LeaderDiscovered { leader, term } => {
                self.news.leadership = true;
                tracing::info!(%leader, %term, "leader known");
            }
            Event::Truncated { from, last } => {
                tracing::info!(%from, %last, "conflicting suffix of the log removed");
            }
            Event::MessageRefused { from, kind, reason } => {
                self.counters.messages_refused.add(1);
                if let Some(suppressed) = self.refusal_lines.permit(Instant::now()) {
                    tracing::warn!(%from, kind, ?reason, suppressed, "message refused");
                }
            }
            Event::ApplyFailed { index, reason } => {
                if let Some(suppressed) = self.apply_failure_lines.permit(Instant::now()) {
                    tracing::error!(%index, reason, suppressed, "the state machine failed");
                }
            }
            Event::ApplyRetried { index } => {
                if let Some(suppressed) = self.apply_retry_lines.permit(Instant::now()) {
                    tracing::info!(%index, suppressed, "the state machine retries the failed entry");
                }
            }
        }
    }
}
