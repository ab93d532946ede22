//! Virtual time.

use std::time::Duration;

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{Input, Timestamp};

use super::settings::Timers;
use super::sim_cluster::Cluster;
use crate::trace::record::RecordKind;

/// An event of the clock at a node, given by its position in the list.
#[derive(Clone, Copy, Debug)]
enum TimedEvent {
    /// A write of a slow disk is complete.
    Write(usize),
    /// The node's timer fires.
    Timer(usize),
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Advances the virtual time. Timers fire and writes of slow disks complete in the order of
    /// their times; after each of them all messages are delivered. Messages take no time.
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

    /// Advances the virtual time like [`Cluster::run_for`], until `holds` returns true. It is
    /// called after each event.
    ///
    /// # Panics
    /// If the timers are off, or `holds` does not return true within `duration`.
    pub fn run_until(&mut self, duration: Duration, mut holds: impl FnMut(&Self) -> bool) {
        self.start();
        assert!(self.settings.timers == Timers::On, "run_until needs .timers(Timers::On)");
        let end = self.now.after(duration);
        self.deliver_all();
        while !holds(self) {
            match self.next_event() {
                Some((due, event)) if due <= end => self.run_timed_event(due, event),
                Some(_) | None => {
                    self.fail(&format!("the condition does not hold after {duration:?}"));
                }
            }
            self.deliver_all();
        }
    }

    /// Advances the virtual time without any other event: no timer fires.
    pub fn advance(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    /// Sets the rate of a node's clock, in thousandths of the virtual time: 1,000 is exact, 0 stands
    /// still. What the clock shows does not jump.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn clock_rate(&mut self, node: u64, rate: u64) {
        let at = self.slot(node);
        let now = self.now;
        self.nodes[at].clock.set_rate(now, rate);
        self.observe_lease(at);
        self.record_at(at, RecordKind::TestAction { action: format!("clock rate {rate}") }, None);
    }

    /// The next event of the clock and its time. A write completes before a timer of the same time
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

    /// The node with the earliest timer; of several, the one with the lowest id.
    pub(crate) fn next_timer(&self) -> Option<(usize, Timestamp)> {
        let due = |node: &crate::sim_node::SimNode<M, S>| {
            let core = node.core.as_ref().filter(|_| node.is_up())?;
            Some(node.clock.when(core.deadline()))
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
