//! Letting virtual time pass.

use std::time::Duration;

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{Input, Timestamp};

use super::settings::Timers;
use super::sim_cluster::Cluster;
use crate::trace::record::RecordKind;

/// What the passing of time brings about at a node, named by its place in the list.
#[derive(Clone, Copy, Debug)]
enum TimedEvent {
    /// A slow write ends.
    Write(usize),
    /// The node's timer fires.
    Timer(usize),
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Lets time pass: timers fire and slow writes end in the order of their times, and after each
    /// of them every message is delivered. Messages take no time.
    ///
    /// # Panics
    /// If the timers are off.
    pub fn run_for(&mut self, duration: Duration) {
        self.start();
        assert!(self.settings.timers == Timers::On, "run_for needs .timers(Timers::On)");
        let end = self.now.after(duration);
        self.deliver_all();
        while let Some((due, event)) = self.next_event()
            && due <= end
        {
            self.run_timed_event(due, event);
            self.deliver_all();
        }
        self.now = end;
    }

    /// Lets time pass until this holds, at most this long.
    ///
    /// # Panics
    /// If the timers are off, or it does not hold in time.
    pub fn run_until(&mut self, duration: Duration, mut holds: impl FnMut(&Self) -> bool) {
        self.start();
        assert!(self.settings.timers == Timers::On, "run_until needs .timers(Timers::On)");
        let end = self.now.after(duration);
        self.deliver_all();
        while !holds(self) {
            match self.next_event() {
                Some((due, event)) if due <= end => self.run_timed_event(due, event),
                Some(_) | None => {
                    self.fail(&format!("{duration:?} passed without what was waited for"));
                }
            }
            self.deliver_all();
        }
    }

    /// Moves the clock without anybody looking at it.
    pub fn advance(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// What happens next as time passes, and when. A write ends before a timer of the same time
    /// fires.
    fn next_event(&self) -> Option<(Timestamp, TimedEvent)> {
        let writes = self.nodes.iter().enumerate().filter(|(_, node)| node.is_up());
        let writes =
            writes.filter_map(|(at, node)| Some((node.slow_write?.0, TimedEvent::Write(at))));
        let timers = self.next_timer().map(|(at, due)| (due, TimedEvent::Timer(at)));
        writes.chain(timers).min_by_key(|&(due, _)| due)
    }

    fn run_timed_event(&mut self, due: Timestamp, event: TimedEvent) {
        match event {
            TimedEvent::Write(at) => self.end_slow_write(at),
            TimedEvent::Timer(at) => self.fire_timer(at, due),
        }
    }

    /// The node whose timer comes due first; of several, the one with the lowest id.
    pub(crate) fn next_timer(&self) -> Option<(usize, Timestamp)> {
        let due = |node: &crate::sim_node::SimNode<M, S>| {
            node.core.as_ref().filter(|_| node.is_up()).map(raft_core::Node::deadline)
        };
        let timers = self.nodes.iter().enumerate();
        timers.filter_map(|(at, node)| Some((at, due(node)?))).min_by_key(|&(at, due)| (due, at))
    }

    pub(crate) fn fire_timer(&mut self, at: usize, due: Timestamp) {
        self.now = self.now.max(due);
        self.step(at, Input::Tick, RecordKind::TimerFired, None);
        self.settle(at);
    }
}
