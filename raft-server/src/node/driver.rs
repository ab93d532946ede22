//! The loop that owns the core.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use raft_core::{Effect, Timestamp};
use tokio::time::{Instant, Sleep};

use super::applier::Report;
use super::error::{ProposeError, ReadError, StopReason};
use super::executor::Executor;
use super::handle::Shared;
use super::mailbox::Arrivals;
use super::status::{Leadership, nanos};
use super::stepper::Stepper;
use super::worker::panic_message;

/// Takes what has arrived, steps the core, hands on what the core wants done; again and again.
pub(super) struct Driver {
    shared: Arc<Shared>,
    executor: Executor,
    clock: Clock,
    pace: Pace,
    /// When a shutdown stops waiting, once one was asked for.
    drain_until: Option<Instant>,
    /// What was taken from the mailbox; empty between cycles.
    arrivals: Arrivals,
    effects: Vec<Effect>,
    alarm: Pin<Box<Sleep>>,
    end: End,
}

/// Says that the node has stopped, also when nobody lets the driver run to its end.
struct End(Arc<Shared>);

/// How much a driver takes on and how long it takes leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Requests that may be under way.
    pub(super) waiting_max: usize,
    /// Bytes that requests under way may take.
    pub(super) waiting_bytes_max: u64,
    /// How long a shutdown waits for what is under way.
    pub(super) drain_time_max: Duration,
}

/// Counts the core's time from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, executor: Executor, clock: Clock, pace: Pace) -> Self {
        Self {
            end: End(Arc::clone(&shared)),
            shared,
            executor,
            clock,
            pace,
            drain_until: None,
            arrivals: Arrivals::default(),
            effects: Vec::new(),
            alarm: Box::pin(tokio::time::sleep_until(clock.0)),
        }
    }

    /// Runs the node until it stops, and then its end.
    pub(super) async fn run(mut self) {
        let reason = loop {
            self.wait().await;
            // Whatever panics in here, be it an assertion of the core or a transport, ends this
            // node and nothing else.
            let cycle = panic::catch_unwind(AssertUnwindSafe(|| self.cycle()));
            match cycle {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(reason)) => break reason,
                Err(panic) => {
                    let message = panic_message(panic.as_ref());
                    break StopReason::Panicked { part: "core or transport", message };
                }
            }
            self.breathe().await;
        };
        self.wind_down(reason).await;
    }

    /// Lets other tasks run: with several callers at every chance, so that the next cycle finds
    /// what all of them want; else only when this node has kept its worker to itself for long.
    async fn breathe(&self) {
        if self.executor.waiters.len() > 1 {
            tokio::task::yield_now().await;
        } else {
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Waits until something has arrived or the core's deadline has come. An alarm that is set
    /// too early is left alone: waking for nothing once is cheaper than setting it every time.
    async fn wait(&mut self) {
        let core_deadline = self.clock.instant(self.shared.core().deadline());
        let deadline = self.drain_until.map_or(core_deadline, |until| until.min(core_deadline));
        if self.alarm.is_elapsed() || deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
        let Self { shared, arrivals, alarm, .. } = self;
        poll_fn(|context| match shared.mailbox.poll_take(context, arrivals) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => alarm.as_mut().poll(context),
        })
        .await;
    }

    /// Tells the core everything that has arrived: first what is done, then what peers say, then
    /// what callers want, so that one append carries the news of all of it.
    fn cycle(&mut self) -> ControlFlow<StopReason> {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let shared = Arc::clone(&self.shared);
        let mut core = shared.core();
        let mut stepper = Stepper {
            core: &mut core,
            now: self.clock.now(),
            executor: &mut self.executor,
            effects: &mut self.effects,
            waiting_max: self.pace.waiting_max,
            waiting_bytes_max: self.pace.waiting_bytes_max,
        };
        stepper.completions(&mut arrivals);
        stepper.peers(&mut arrivals);
        stepper.orders(&mut arrivals);
        stepper.proposals(&mut arrivals.proposals);
        stepper.reads(&mut arrivals.reads);
        stepper.tick();
        drop(core);
        self.arrivals = arrivals;
        self.arrivals.reset_weights();
        self.conclude()
    }

    /// Hands the cycle's work over and decides whether there is another.
    fn conclude(&mut self) -> ControlFlow<StopReason> {
        let news = self.executor.hand_over();
        if news.leadership {
            self.publish_leadership();
        }
        if let Some(reason) = self.arrivals.failure.take() {
            return ControlFlow::Break(reason);
        }
        if let Some(reason) = news.halt {
            return ControlFlow::Break(StopReason::Halted(reason));
        }
        if std::mem::take(&mut self.arrivals.shutdown) {
            self.drain_until.get_or_insert_with(|| Instant::now() + self.pace.drain_time_max);
        }
        match self.drain_until {
            Some(until) if self.executor.waiters.is_empty() || until <= Instant::now() => {
                ControlFlow::Break(StopReason::Shutdown)
            }
            Some(_) | None => ControlFlow::Continue(()),
        }
    }

    /// Ends the threads, answers everybody, closes the ports; says that it has stopped last.
    async fn wind_down(mut self, reason: StopReason) {
        let shared = Arc::clone(&self.shared);
        shared.mailbox.refuse_requests();
        self.executor.finish().await;
        let left = shared.mailbox.close();
        for report in left.reports {
            match report {
                Report::Applied { outputs, .. } => self.executor.outputs(outputs),
                Report::Answered(answers) => self.executor.answers(answers),
                Report::Failed { failure, request } => {
                    self.executor.apply_failed(&failure, request);
                }
            }
        }
        self.executor.abandon(shared.leadership.borrow().leader);
        for (_, answer) in left.proposals {
            // Whoever asked may be gone, here and below.
            let _ = answer.send(Err(ProposeError::Stopped));
        }
        for read in left.reads {
            read.refuse(ReadError::Stopped);
        }
        match &reason {
            StopReason::Shutdown => tracing::info!("the node has shut down"),
            StopReason::RuntimeEnded
            | StopReason::Storage(_)
            | StopReason::StateMachineStorage(_)
            | StopReason::UnsupportedCommand { .. }
            | StopReason::Halted(_)
            | StopReason::StateMachinePanicked { .. }
            | StopReason::Panicked { .. } => {
                let error: &dyn std::error::Error = &reason;
                tracing::error!(error, "the node has stopped");
            }
        }
        let Self { executor, end, .. } = self;
        drop(executor);
        shared.stopped.send_replace(Some(reason));
        drop(end);
    }

    fn publish_leadership(&self) {
        let status = self.shared.core().status();
        let now = Leadership { term: status.term, role: status.role, leader: status.leader };
        self.shared.leadership.send_if_modified(|before| {
            if before.leader != now.leader {
                self.executor.counters.leader_changes.add(1);
            }
            std::mem::replace(before, now) != now
        });
    }
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.0.mailbox.close());
        self.0.stopped.send_if_modified(|reason| {
            let untold = reason.is_none();
            reason.get_or_insert(StopReason::RuntimeEnded);
            untold
        });
    }
}

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Timestamp {
        Timestamp(nanos(self.0.elapsed()))
    }

    /// When the core's time is `timestamp`, or a day from now if that is later: a core without a
    /// deadline names the end of time, which the runtime's timer does not know.
    fn instant(self, timestamp: Timestamp) -> Instant {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        self.0 + timestamp.since(Timestamp(0)).min(self.0.elapsed() + DAY)
    }
}
