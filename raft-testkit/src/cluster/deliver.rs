//! Sending and handling of messages.

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{Input, Message, SendOutcome};

use super::sim_cluster::Cluster;
use crate::condition::Condition;
use crate::condition_tracker::{ConditionTracker, MessageEvent};
use crate::network::{InFlight, Link, slot_of};
use crate::selector::Selector;
use crate::trace::record::{Liveness, Loss, MessageView, RecordKind, Side};

/// How many messages [`Cluster::deliver_all`] handles, in addition to 200 for each message that
/// waits at its start, before it fails.
const EVENTS_MAX: u64 = 20_000;

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Sends the selected messages: moves them from their outboxes onto the wire. Returns their
    /// number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn send(&mut self, selector: Selector) -> usize {
        let ids = self.ids_in_outboxes(&selector);
        self.require_any(&ids, "send", &selector);
        for &id in &ids {
            self.send_id(id);
        }
        ids.len()
    }

    /// Passes the selected messages on the wire to their receivers. Returns their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn handle(&mut self, selector: Selector) -> usize {
        let ids = self.ids_on_wire(&selector);
        self.require_any(&ids, "handle", &selector);
        for &id in &ids {
            self.handle_id(id);
        }
        ids.len()
    }

    /// Sends the selected messages and passes them to their receivers, including those that are on
    /// the wire already. Returns their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn deliver(&mut self, selector: Selector) -> usize {
        self.start();
        let on_wire = self.network.wire.iter().map(|f| (f.id, &f.message));
        let in_outboxes = self.network.outboxes.iter().flatten().map(|f| (f.id, &f.message));
        let all: Vec<(u64, &Message)> = on_wire.chain(in_outboxes).collect();
        let places = selector.pick(all.iter().map(|&(_, message)| message));
        let ids: Vec<u64> = places.into_iter().map(|at| all[at].0).collect();
        self.require_any(&ids, "deliver", &selector);
        for &id in &ids {
            self.send_id(id);
            self.handle_id(id);
        }
        ids.len()
    }

    /// Moves messages until none is left. All outboxes are sent, then the oldest message on the
    /// wire is handled, and so on. Messages that are held or wait for a cut link stay, and so do
    /// messages to or from a blocked node. Returns the number of the handled messages.
    ///
    /// # Panics
    /// After 20,000 messages and 200 more for each message that waited.
    pub fn deliver_all(&mut self) -> u64 {
        self.start();
        let outboxes = self.network.outboxes.iter().map(|outbox| outbox.len() as u64);
        let waiting = self.network.wire.len() as u64 + outboxes.sum::<u64>();
        let events_max = EVENTS_MAX + 200 * waiting;
        let mut handled = 0;
        loop {
            self.send_outboxes();
            if !self.handle_next() {
                return handled;
            }
            handled += 1;
            if handled == events_max {
                self.fail(&format!(
                    "{handled} messages were handled and the nodes still send messages"
                ));
            }
        }
    }

    /// Moves messages one at a time, in the order of [`Cluster::deliver_all`], until the condition
    /// holds.
    ///
    /// # Panics
    /// If no message is left, or the bound of the condition is reached
    /// ([`Condition::within`]).
    pub fn deliver_until(&mut self, condition: Condition) {
        self.start();
        let mut tracker = ConditionTracker::new(&condition);
        let mut moved = 0;
        loop {
            if tracker.holds(self, MessageEvent::Nothing) {
                return;
            }
            if moved >= tracker.events_max() {
                self.fail(&format!(
                    "{moved} messages moved, and the condition does not hold: {condition}"
                ));
            }
            let holds = if let Some(message) = self.send_next() {
                tracker.holds(self, MessageEvent::Sent(&message))
            } else if let Some(message) = self.handle_next_message() {
                tracker.holds(self, MessageEvent::Handled(&message))
            } else {
                self.fail(&format!(
                    "no message is left to move, and the condition does not hold: {condition}"
                ));
            };
            if holds {
                return;
            }
            moved += 1;
        }
    }

    /// Sends all messages in the outboxes.
    pub fn send_all(&mut self) {
        self.start();
        self.send_outboxes();
    }

    /// Handles all messages on the wire. Sends none.
    pub fn handle_all(&mut self) {
        self.start();
        while self.handle_next() {}
    }

    /// The selected messages: first those on the wire, then those in the outboxes.
    #[must_use]
    pub fn messages(&self, selector: &Selector) -> Vec<&Message> {
        let all: Vec<&Message> = self
            .network
            .wire
            .iter()
            .chain(self.network.outboxes.iter().flatten())
            .map(|in_flight| &in_flight.message)
            .collect();
        selector.pick(all.iter().copied()).into_iter().map(|at| all[at]).collect()
    }

    /// The selected message.
    ///
    /// # Panics
    /// If no message matches, or more than one.
    #[must_use]
    pub fn message(&self, selector: &Selector) -> &Message {
        match self.messages(selector).as_slice() {
            [one] => one,
            several => {
                self.fail(&format!("{} messages match instead of one: {selector}", several.len()))
            }
        }
    }

    pub(super) fn ids_in_outboxes(&mut self, selector: &Selector) -> Vec<u64> {
        self.start();
        let all: Vec<&InFlight> = self.network.outboxes.iter().flatten().collect();
        let places = selector.pick(all.iter().map(|in_flight| &in_flight.message));
        places.into_iter().map(|at| all[at].id).collect()
    }

    pub(super) fn ids_on_wire(&mut self, selector: &Selector) -> Vec<u64> {
        self.start();
        let places = selector.pick(self.network.wire.iter().map(|in_flight| &in_flight.message));
        places.into_iter().map(|at| self.network.wire[at].id).collect()
    }

    pub(super) fn require_any(&self, ids: &[u64], verb: &str, selector: &Selector) {
        if ids.is_empty() {
            self.fail(&format!("no message to {verb}: {selector}\n{}", self.waiting_messages()));
        }
    }

    /// The messages in the outboxes and on the wire, a line each; at most 12.
    fn waiting_messages(&self) -> String {
        let wire = self.network.wire.iter().map(|in_flight| ("on the wire", in_flight));
        let outboxes = self.network.outboxes.iter().flatten().map(|f| ("in an outbox", f));
        let lines: Vec<String> = wire
            .chain(outboxes)
            .take(12)
            .map(|(place, in_flight)| {
                let message = &in_flight.message;
                let (from, to) = (message.from, message.to);
                format!(
                    "  {place}: {} {from} -> {to} term {}",
                    message.body().kind(),
                    message.term()
                )
            })
            .collect();
        if lines.is_empty() { "  no message is in flight".to_owned() } else { lines.join("\n") }
    }

    pub(crate) fn send_outboxes(&mut self) {
        while self.send_next().is_some() {}
    }

    /// Sends the first message of the first node that has one. Returns the message, also if it was
    /// lost.
    fn send_next(&mut self) -> Option<Message> {
        for at in 0..self.nodes.len() {
            let blocked = self.nodes[at].liveness == Liveness::Blocked;
            let next = self.network.outboxes[at].iter().position(|in_flight| {
                !blocked
                    && !in_flight.held
                    && self.network.link_of(&in_flight.message) != Link::Holding
            });
            if let Some(next) = next
                && let Some(in_flight) = self.network.outboxes[at].remove(next)
            {
                let message = in_flight.message.clone();
                self.put_on_wire(at, in_flight);
                return Some(message);
            }
        }
        None
    }

    /// Sends one message.
    pub(crate) fn send_id(&mut self, id: u64) {
        for at in 0..self.nodes.len() {
            let outbox = &mut self.network.outboxes[at];
            if let Some(place) = outbox.iter().position(|in_flight| in_flight.id == id)
                && let Some(in_flight) = outbox.remove(place)
            {
                self.put_on_wire(at, in_flight);
                return;
            }
        }
    }

    fn put_on_wire(&mut self, at: usize, mut in_flight: InFlight) {
        let link = self.network.link_of(&in_flight.message);
        let view = self.view_of(&in_flight);
        let cut_off = self.nodes[at].side == Side::Minority || self.network.is_cut_off(at);
        if link == Link::Losing && cut_off {
            let why = RecordKind::MessageLost { why: Loss::CutOff };
            let lost = self.record_with(at, why, in_flight.cause, view);
            self.end_transfer(&in_flight, SendOutcome::Failed, lost);
            return;
        }
        let sent = self.record_with(at, RecordKind::MessageSent, in_flight.cause, view.clone());
        in_flight.cause = Some(sent);
        in_flight.held = false;
        let to = slot_of(in_flight.message.to);
        if link == Link::Losing || self.is_lossy(&in_flight.message) {
            let why = if link == Link::Losing { Loss::CutOff } else { Loss::Dropped };
            let at_node = if to < self.nodes.len() { to } else { at };
            let kind = RecordKind::MessageLost { why };
            let lost = self.record_with(at_node, kind, Some(sent), view);
            self.end_transfer(&in_flight, SendOutcome::Failed, lost);
            return;
        }
        self.network.wire.push_back(in_flight);
    }

    pub(crate) fn handle_next(&mut self) -> bool {
        self.next_on_wire().is_some_and(|id| {
            self.handle_id(id);
            true
        })
    }

    fn handle_next_message(&mut self) -> Option<Message> {
        let id = self.next_on_wire()?;
        let in_flight = self.network.wire.iter().find(|in_flight| in_flight.id == id)?;
        let message = in_flight.message.clone();
        self.handle_id(id);
        Some(message)
    }

    fn next_on_wire(&self) -> Option<u64> {
        let movable = |in_flight: &&InFlight| {
            let to = self.nodes.get(slot_of(in_flight.message.to));
            !in_flight.held
                && self.network.link_of(&in_flight.message) != Link::Holding
                && to.is_none_or(|node| node.liveness != Liveness::Blocked)
        };
        self.network.wire.iter().find(movable).map(|in_flight| in_flight.id)
    }

    /// Passes one message on the wire to its receiver.
    pub(crate) fn handle_id(&mut self, id: u64) {
        let wire = &mut self.network.wire;
        let Some(at) = wire.iter().position(|in_flight| in_flight.id == id) else { return };
        let Some(in_flight) = wire.remove(at) else { return };
        let to = slot_of(in_flight.message.to);
        let Some(node) = self.nodes.get(to) else { return };
        let view = self.view_of(&in_flight);
        let lost = if !node.is_up() {
            Some(Loss::ReceiverDown)
        } else if self.network.link_of(&in_flight.message) == Link::Losing {
            Some(Loss::CutOff)
        } else {
            None
        };
        if let Some(why) = lost {
            let lost = self.record_with(to, RecordKind::MessageLost { why }, in_flight.cause, view);
            self.end_transfer(&in_flight, SendOutcome::Failed, lost);
            return;
        }
        if !self.receive_snapshot(to, &in_flight) {
            let why = RecordKind::MessageLost { why: Loss::Damaged };
            let lost = self.record_with(to, why, in_flight.cause, view);
            self.end_transfer(&in_flight, SendOutcome::Failed, lost);
            return;
        }
        let input = Input::Message(in_flight.message.clone());
        let handled = self.step_with(to, input, RecordKind::MessageHandled, in_flight.cause, view);
        self.settle(to);
        self.end_transfer(&in_flight, SendOutcome::Delivered, handled);
    }

    pub(super) fn view_of(&self, in_flight: &InFlight) -> Option<MessageView> {
        self.recorder.is_enabled().then(|| MessageView::of(in_flight.id, &in_flight.message))
    }
}
