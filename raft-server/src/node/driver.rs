//! The loop that owns the core.

use std::future::poll_fn;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use raft_core::ports::Transport;
use raft_core::{Body, Effect, HaltReason, Input, ReadConsistency, RequestId, RoleKind, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::clock::{Clock, Timer};
use super::counters::Counters;
use super::error::{ChangeMembershipError, ProposeError, ReadError, StopReason, TransferError};
use super::event_log::EventLog;
use super::peer_set::{Connections, PeerSet};
use super::pending_requests::{AdmittedRead, PendingRequests};
use super::request::{QueuedProposal, QueuedRead};
use super::shared::{PublishedStatus, Shared, StopGuard};
use super::snapshots::dispatch::SnapshotDispatch;
use super::status::Leadership;
use super::threads::Threads;
use super::worker::panic_message;

/// Steps the core with everything that arrives and dispatches the effects, until the node stops.
///
/// Fields are dropped in the order of declaration: the transport is closed and the threads have
/// ended when the guard reports that the node has stopped.
pub(super) struct Driver {
    core: raft_core::Node,
    clock: Clock,
    /// The core's time in the current cycle.
    now: Timestamp,
    timer: Timer,
    /// The content of the mailbox; empty between cycles.
    arrivals: Arrivals,
    /// Empty between steps.
    effects: Vec<Effect>,
    /// Notified at the end of the cycle in which the core has taken their admin commands.
    taken_commands: Vec<oneshot::Sender<()>>,
    requests: PendingRequests,
    transport: Arc<dyn Transport>,
    peers: PeerSet,
    threads: Threads,
    snapshots: SnapshotDispatch,
    events: EventLog,
    counters: Arc<Counters>,
    /// The leadership that was published last.
    leadership: Leadership,
    /// Set when the core has halted.
    halt: Option<HaltReason>,
    drain_time_max: Duration,
    /// When a shutdown no longer waits for pending requests; set once a shutdown was requested.
    drain_deadline: Option<Instant>,
    shared: Arc<Shared>,
    stop: StopGuard,
}

impl Driver {
    /// A driver for a core that has not made a step. A shutdown waits at most `drain_time_max` for
    /// pending requests.
    pub(super) fn new(
        shared: Arc<Shared>,
        core: raft_core::Node,
        clock: Clock,
        connections: Connections,
        threads: Threads,
        requests: PendingRequests,
        drain_time_max: Duration,
    ) -> Self {
        let Connections { transport, peers } = connections;
        let counters = Arc::clone(&shared.counters);
        Self {
            leadership: Leadership::of(&core),
            core,
            clock,
            now: clock.now(),
            timer: Timer::new(),
            arrivals: Arrivals::default(),
            effects: Vec::new(),
            taken_commands: Vec::new(),
            requests,
            transport,
            peers,
            threads,
            snapshots: SnapshotDispatch::new(shared.snapshots.clone(), Arc::clone(&shared.mailbox)),
            events: EventLog::new(Arc::clone(&counters), shared.events.publisher()),
            counters,
            halt: None,
            drain_time_max,
            drain_deadline: None,
            stop: StopGuard::new(Arc::clone(&shared)),
            shared,
        }
    }

    /// Runs the node until it stops. A panic of the core or the transport stops this node only.
    pub(super) async fn run(mut self) {
        let reason = loop {
            self.receive().await;
            match panic::catch_unwind(AssertUnwindSafe(|| self.cycle())) {
                Ok(ControlFlow::Continue(())) => yield_to_tasks(self.requests.len()).await,
                Ok(ControlFlow::Break(reason)) => break reason,
                Err(panic) => {
                    let message = panic_message(panic.as_ref());
                    break StopReason::Panicked { part: "core or transport", message };
                }
            }
        };
        self.shut_down(reason).await;
    }

    /// Waits until the mailbox has content or the core's deadline has passed.
    async fn receive(&mut self) {
        let core_deadline = self.clock.instant(self.core.deadline());
        self.timer.set(self.drain_deadline.map_or(core_deadline, |drain| drain.min(core_deadline)));
        let Self { shared, arrivals, timer, .. } = self;
        poll_fn(|context| match shared.mailbox.poll_take(context, arrivals) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => timer.poll(context),
        })
        .await;
    }

    /// Steps the core with all arrivals, then passes the collected work to the threads. Completions
    /// and messages come before requests, so that one append carries the consequences of all.
    fn cycle(&mut self) -> ControlFlow<StopReason> {
        let mut arrivals = mem::take(&mut self.arrivals);
        self.now = self.clock.now();
        self.step_completions(&mut arrivals);
        self.step_snapshots(&mut arrivals);
        self.step_messages(&mut arrivals);
        self.step_transfers(&mut arrivals);
        self.step_admin_commands(&mut arrivals);
        self.step_proposals(&mut arrivals.proposals);
        self.step_reads(&mut arrivals.reads);
        self.step_tick();
        self.threads.submit();
        self.publish(&mut arrivals);
        let outcome = self.check_stop(&mut arrivals);
        arrivals.reset_weights();
        self.arrivals = arrivals;
        outcome
    }

    /// Steps the core with one input and dispatches the effects in their order. Messages are sent
    /// at once; work for the threads is collected until the end of the cycle.
    fn step(&mut self, input: Input) {
        self.core.step(self.now, input, &mut self.effects);
        let mut sent = 0;
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send(message) => {
                    sent += 1;
                    self.transport.send(message);
                }
                Effect::Persist(persist) => self.threads.persist(persist),
                Effect::FetchEntries(fetch) => self.threads.fetch(fetch),
                Effect::Apply(entries) => self.threads.apply(entries),
                Effect::Compact(up_to) => {
                    self.threads.compact(up_to);
                    self.snapshots.on_compacted(up_to.index, &mut self.threads);
                }
                Effect::TakeSnapshot => self.snapshots.take(&mut self.threads),
                Effect::SendSnapshot(message) => self.snapshots.send(message, &*self.transport),
                Effect::RestoreSnapshot(last) => self.threads.restore(last),
                Effect::Respond(response) => {
                    if let Some(query) = self.requests.respond(response) {
                        self.threads.query(response.id, query);
                    }
                }
                Effect::Event(event) => {
                    self.peers.on_event(&event);
                    self.events.record(event);
                }
                Effect::Halt(reason) => self.halt = Some(reason),
            }
        }
        self.counters.messages_sent.add(sent);
    }

    fn step_completions(&mut self, arrivals: &mut Arrivals) {
        if let Some(id) = arrivals.persisted.take() {
            self.step(Input::Persisted(id));
        }
        for fetched in arrivals.fetched.drain(..) {
            self.step(Input::EntriesFetched(fetched));
        }
        for report in arrivals.applier_reports.drain(..) {
            if let Some(input) = self.requests.complete(report) {
                if matches!(input, Input::ApplyFailed(_)) {
                    // Comes before the entries that the core emits again in this step or later.
                    self.threads.resume_apply();
                }
                self.step(input);
            }
        }
    }

    /// Comes after the completions: a snapshot covers entries whose application they report.
    fn step_snapshots(&mut self, arrivals: &mut Arrivals) {
        for report in arrivals.snapshot_reports.drain(..) {
            for input in self.snapshots.complete(report, &self.core, &mut self.threads) {
                self.step(input);
            }
        }
        for request in arrivals.snapshot_requests.drain(..) {
            self.snapshots.request(request, &mut self.threads);
        }
    }

    fn step_messages(&mut self, arrivals: &mut Arrivals) {
        self.counters.messages_received.add(arrivals.messages.len() as u64);
        for message in arrivals.messages.drain(..) {
            // A snapshot is installed once this host holds its data: `SnapshotReport::Received`.
            if !matches!(message.body(), Body::InstallSnapshot(_)) {
                self.step(Input::Message(message));
            }
        }
        for peer in arrivals.unreachable.drain(..) {
            self.step(Input::PeerUnreachable(peer));
        }
    }

    fn step_transfers(&mut self, arrivals: &mut Arrivals) {
        for transfer in arrivals.transfers.drain(..) {
            if let Some(input) = self.requests.admit_transfer(transfer) {
                self.step(input);
            }
        }
        for change in arrivals.membership_changes.drain(..) {
            if let Some(input) = self.requests.admit_membership_change(change) {
                self.step(input);
            }
        }
    }

    fn step_admin_commands(&mut self, arrivals: &mut Arrivals) {
        for command in arrivals.admin_commands.drain(..) {
            self.step(command.input);
            self.taken_commands.push(command.taken);
        }
    }

    /// All proposals are one input, so that they are persisted and sent together.
    fn step_proposals(&mut self, queued: &mut Vec<QueuedProposal>) {
        if queued.is_empty() {
            return;
        }
        self.counters.proposals.add(queued.len() as u64);
        let mut admitted = Vec::with_capacity(queued.len());
        for proposal in queued.drain(..) {
            admitted.extend(self.requests.admit_proposal(proposal));
        }
        if !admitted.is_empty() {
            self.step(Input::Propose(admitted));
        }
    }

    /// All reads of one consistency are one input, so that they share one round of heartbeats.
    fn step_reads(&mut self, queued: &mut Vec<QueuedRead>) {
        if queued.is_empty() {
            return;
        }
        self.counters.reads.add(queued.len() as u64);
        // Few different consistencies are in use at a time.
        let mut admitted: Vec<(ReadConsistency, Vec<RequestId>)> = Vec::new();
        for read in queued.drain(..) {
            match self.requests.admit_read(read) {
                Some(AdmittedRead::Confirm(id, consistency)) => {
                    match admitted.iter_mut().find(|(same, _)| *same == consistency) {
                        Some((_, requests)) => requests.push(id),
                        None => admitted.push((consistency, vec![id])),
                    }
                }
                Some(AdmittedRead::Query(id, query)) => self.threads.query(id, query),
                None => {}
            }
        }
        for (consistency, requests) in admitted {
            self.step(Input::Read { requests, consistency });
        }
    }

    fn step_tick(&mut self) {
        if self.core.deadline() <= self.now {
            self.step(Input::Tick);
        }
    }

    /// Publishes the leadership if it has changed, and the status if it was requested. Admin
    /// commands return after that, so that their callers find the leadership that they cause.
    fn publish(&mut self, arrivals: &mut Arrivals) {
        self.counters.pending.set(self.requests.len() as u64);
        let leadership = Leadership::of(&self.core);
        if leadership != self.leadership {
            if leadership.leader != self.leadership.leader {
                self.counters.leader_changes.add(1);
            }
            self.leadership = leadership;
            self.snapshots.on_role(leadership.role, &*self.transport);
            self.shared.leadership.send_replace(leadership);
        }
        self.snapshots.finish_cycle();
        self.peers.settle(&self.core);
        if !arrivals.status_requests.is_empty() {
            self.shared.status.send_replace(PublishedStatus::of(&self.core, self.now));
        }
        for waiting in arrivals.status_requests.drain(..).chain(self.taken_commands.drain(..)) {
            let _ = waiting.send(());
        }
    }

    /// Whether the node stops: a part of it has failed, the core has halted, or a shutdown was
    /// requested and no request is pending or the time for that is over.
    fn check_stop(&mut self, arrivals: &mut Arrivals) -> ControlFlow<StopReason> {
        if let Some(reason) = arrivals.failure.take() {
            return ControlFlow::Break(reason);
        }
        if let Some(reason) = self.halt.take() {
            return ControlFlow::Break(StopReason::Halted(reason));
        }
        if mem::take(&mut arrivals.shutdown) {
            self.drain_deadline.get_or_insert_with(|| Instant::now() + self.drain_time_max);
        }
        match self.drain_deadline {
            Some(deadline) if self.requests.is_empty() || deadline <= Instant::now() => {
                ControlFlow::Break(StopReason::Shutdown)
            }
            Some(_) | None => ControlFlow::Continue(()),
        }
    }

    /// Waits until the threads have finished their work, and ends all requests.
    async fn shut_down(mut self, reason: StopReason) {
        self.publish_last_status();
        self.shared.mailbox.stop();
        self.snapshots.on_role(RoleKind::Follower, &*self.transport);
        self.threads.finish().await;
        let remaining = self.shared.mailbox.close();
        for report in remaining.applier_reports {
            // The core takes no further inputs.
            drop(self.requests.complete(report));
        }
        self.requests.abandon_all(self.leadership.leader);
        self.counters.pending.set(0);
        for proposal in remaining.proposals {
            let _ = proposal.outcome.send(Err(ProposeError::Stopped));
        }
        for read in remaining.reads {
            read.fail(ReadError::Stopped);
        }
        for change in remaining.membership_changes {
            let _ = change.outcome.send(Err(ChangeMembershipError::Stopped));
        }
        for transfer in remaining.transfers {
            let _ = transfer.outcome.send(Err(TransferError::Stopped));
        }
        if matches!(reason, StopReason::Shutdown) {
            tracing::info!("the node has shut down");
        } else {
            let error: &dyn std::error::Error = &reason;
            tracing::error!(error, "the node has stopped");
        }
        self.stop.reason = Some(reason);
    }

    fn publish_last_status(&self) {
        // A core that has panicked in a step may panic again.
        let status =
            panic::catch_unwind(AssertUnwindSafe(|| PublishedStatus::of(&self.core, self.now)));
        if let Ok(status) = status {
            self.shared.status.send_replace(status);
        }
    }
}

/// Lets other tasks run. With several pending requests that happens after every cycle, so that the
/// next one finds the requests of all callers; otherwise when the task's budget is used up.
async fn yield_to_tasks(pending: usize) {
    if pending > 1 {
        tokio::task::yield_now().await;
    } else {
        tokio::task::coop::consume_budget().await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The runtime drops a driver that has not shut down.
        if self.stop.reason.is_none() {
            self.publish_last_status();
        }
    }
}
