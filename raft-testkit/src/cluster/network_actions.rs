//! Actions on messages, links and partitions.

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{Message, NodeId, SendOutcome, majority_of};

use super::sim_cluster::Cluster;
use crate::network::{InFlight, Link};
use crate::selector::Selector;
use crate::trace::record::{Loss, RecordKind, Side};

/// What a cut link does with messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CutOff {
    /// Messages are lost.
    Lose,
    /// Messages wait until the link works again; [`Cluster::heal_without_held`] drops them.
    Hold,
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Drops the selected messages from the outboxes and from the wire. Returns their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn drop(&mut self, selector: Selector) -> usize {
        let ids = self.ids_anywhere(&selector);
        self.require_any(&ids, "drop", &selector);
        for &id in &ids {
            self.drop_id(id, Loss::Dropped);
        }
        ids.len()
    }

    /// Drops all messages. Returns their number.
    pub fn drop_all(&mut self) -> usize {
        let ids = self.ids_anywhere(&Selector::default());
        for &id in &ids {
            self.drop_id(id, Loss::Dropped);
        }
        ids.len()
    }

    /// Holds the selected messages: only actions with a selector that matches move them. Returns
    /// their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn hold(&mut self, selector: Selector) -> usize {
        let ids = self.ids_anywhere(&selector);
        self.require_any(&ids, "hold", &selector);
        self.set_held(&ids, true);
        ids.len()
    }

    /// Ends [`Cluster::hold`] for the selected messages. Returns their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn release(&mut self, selector: Selector) -> usize {
        let ids = self.ids_anywhere(&selector);
        self.require_any(&ids, "release", &selector);
        self.set_held(&ids, false);
        ids.len()
    }

    /// Puts a copy of each selected message at the end of the wire. Returns their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn duplicate(&mut self, selector: Selector) -> usize {
        let ids = self.ids_anywhere(&selector);
        self.require_any(&ids, "duplicate", &selector);
        for &id in &ids {
            self.duplicate_id(id);
        }
        ids.len()
    }

    /// Moves the selected messages on the wire to the end of the wire. Returns their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn delay(&mut self, selector: Selector) -> usize {
        let ids = self.ids_on_wire(&selector);
        self.require_any(&ids, "delay", &selector);
        for &id in &ids {
            let at = self.network.wire.iter().position(|in_flight| in_flight.id == id);
            if let Some(in_flight) = at.and_then(|at| self.network.wire.remove(at)) {
                self.network.wire.push_back(in_flight);
            }
        }
        ids.len()
    }

    /// Changes the selected messages, in the outboxes and on the wire. Returns their number.
    ///
    /// # Panics
    /// If no message matches.
    pub fn alter(&mut self, selector: Selector, mut change: impl FnMut(&mut Message)) -> usize {
        let ids = self.ids_anywhere(&selector);
        self.require_any(&ids, "alter", &selector);
        for &id in &ids {
            let Some(in_flight) = self.in_flight_mut(id) else { continue };
            change(&mut in_flight.message);
            let in_flight = in_flight.clone();
            let at = crate::network::slot_of(in_flight.message.from).min(self.nodes.len() - 1);
            let view = self.view_of(&in_flight);
            self.record_with(at, RecordKind::MessageAltered, in_flight.cause, view);
        }
        ids.len()
    }

    /// From now on the messages that the selector matches are lost when they are sent.
    pub fn lose(&mut self, selector: Selector) {
        self.network.loss_rules.push(selector);
    }

    /// Ends [`Cluster::lose`].
    pub fn lose_nothing(&mut self) {
        self.network.loss_rules.clear();
    }

    pub(super) fn is_lossy(&self, message: &Message) -> bool {
        self.network.loss_rules.iter().any(|selector| selector.matches(message))
    }

    /// Splits the nodes into groups. Messages between groups are lost. Links inside a group work,
    /// also those that were cut before. Nodes that are not listed form one more group.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn partition(&mut self, groups: &[&[u64]]) {
        self.partition_with(groups, CutOff::Lose);
    }

    /// Splits the nodes into groups, see [`Cluster::partition`]. Messages between groups are lost
    /// or wait.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn partition_with(&mut self, groups: &[&[u64]], cut_off: CutOff) {
        self.start();
        let size = self.nodes.len();
        let mut group_of = vec![usize::MAX; size];
        for (group, members) in groups.iter().enumerate() {
            for &member in *members {
                let at = self.slot(member);
                group_of[at] = group;
            }
        }
        let link = match cut_off {
            CutOff::Lose => Link::Losing,
            CutOff::Hold => Link::Holding,
        };
        for from in 0..size {
            for to in 0..size {
                if from != to {
                    if group_of[from] == group_of[to] {
                        self.open_link(from, to);
                    } else {
                        self.network.set_link(from, to, link);
                    }
                }
            }
        }
        for at in 0..size {
            let peers = group_of.iter().filter(|&&group| group == group_of[at]).count();
            let side = if peers < majority_of(size) { Side::Minority } else { Side::Majority };
            self.set_side(at, side);
        }
    }

    /// Cuts all links of a node in both directions, without a partition in the trace.
    ///
    /// # Panics
    /// If there is no such node; the other actions on links likewise.
    pub fn cut_off(&mut self, node: u64) {
        for peer in 1..=self.size() as u64 {
            if peer != node {
                self.cut(node, peer);
                self.cut(peer, node);
            }
        }
    }

    /// From now on messages from `from` to `to` are lost. The opposite direction is not affected.
    pub fn cut(&mut self, from: u64, to: u64) {
        self.cut_with(from, to, CutOff::Lose);
    }

    /// From now on messages from `from` to `to` are lost or wait. The opposite direction is not
    /// affected.
    pub fn cut_with(&mut self, from: u64, to: u64, cut_off: CutOff) {
        let link = match cut_off {
            CutOff::Lose => Link::Losing,
            CutOff::Hold => Link::Holding,
        };
        let (from_at, to_at) = (self.slot(from), self.slot(to));
        self.network.set_link(from_at, to_at, link);
        self.network.cut_links.insert((from_at, to_at));
        self.record_at(from_at, RecordKind::LinkCut { to: NodeId(to) }, None);
    }

    /// Ends [`Cluster::cut`] for this direction. Messages that waited can be moved again.
    pub fn reconnect(&mut self, from: u64, to: u64) {
        let (from_at, to_at) = (self.slot(from), self.slot(to));
        self.network.set_link(from_at, to_at, Link::Open);
        self.network.cut_links.remove(&(from_at, to_at));
        self.record_at(from_at, RecordKind::LinkHealed { to: NodeId(to) }, None);
    }

    /// Ends all partitions and cuts. Messages that waited can be moved again.
    pub fn heal(&mut self) {
        self.start();
        let size = self.nodes.len();
        for from in 0..size {
            for to in 0..size {
                if from != to {
                    self.open_link(from, to);
                }
            }
        }
        for at in 0..size {
            self.set_side(at, Side::Majority);
        }
    }

    /// Ends all partitions and cuts. Messages that waited are lost.
    pub fn heal_without_held(&mut self) {
        let stuck = |in_flight: &&InFlight, links: &crate::network::Network| {
            links.link_of(&in_flight.message) == Link::Holding
        };
        let network = &self.network;
        let waiting = network.wire.iter().chain(network.outboxes.iter().flatten());
        let ids: Vec<u64> =
            waiting.filter(|in_flight| stuck(in_flight, network)).map(|f| f.id).collect();
        for id in ids {
            self.drop_id(id, Loss::CutOff);
        }
        self.heal();
    }

    /// Opens a link. The trace has a record of it if it has one of the cut.
    fn open_link(&mut self, from: usize, to: usize) {
        self.network.set_link(from, to, Link::Open);
        if self.network.cut_links.remove(&(from, to)) {
            let to = self.nodes[to].id;
            self.record_at(from, RecordKind::LinkHealed { to }, None);
        }
    }

    fn set_side(&mut self, at: usize, side: Side) {
        if self.nodes[at].side != side {
            self.nodes[at].side = side;
            let kind = match side {
                Side::Minority => RecordKind::NetSplit,
                Side::Majority => RecordKind::NetJoin,
            };
            self.record_at(at, kind, None);
        }
    }

    pub(super) fn ids_anywhere(&mut self, selector: &Selector) -> Vec<u64> {
        self.start();
        let network = &self.network;
        let all: Vec<&InFlight> =
            network.wire.iter().chain(network.outboxes.iter().flatten()).collect();
        let places = selector.pick(all.iter().map(|in_flight| &in_flight.message));
        places.into_iter().map(|at| all[at].id).collect()
    }

    pub(super) fn in_flight_mut(&mut self, id: u64) -> Option<&mut InFlight> {
        let network = &mut self.network;
        let all = network.wire.iter_mut().chain(network.outboxes.iter_mut().flatten());
        all.into_iter().find(|in_flight| in_flight.id == id)
    }

    fn set_held(&mut self, ids: &[u64], held: bool) {
        for &id in ids {
            if let Some(in_flight) = self.in_flight_mut(id) {
                in_flight.held = held;
            }
        }
    }

    pub(crate) fn duplicate_id(&mut self, id: u64) {
        let Some(mut copy) = self.in_flight_mut(id).map(|in_flight| in_flight.clone()) else {
            return;
        };
        copy.id = self.network.next_id();
        copy.held = false;
        if let Some(transfer) = &mut copy.transfer {
            transfer.starts = None;
        }
        let from = crate::network::slot_of(copy.message.from).min(self.nodes.len() - 1);
        let view = self.view_of(&copy);
        let kind = RecordKind::MessageDuplicated { of: id };
        copy.cause = Some(self.record_with(from, kind, copy.cause, view));
        self.network.wire.push_back(copy);
    }

    pub(crate) fn drop_id(&mut self, id: u64, why: Loss) {
        let Some((in_flight, sent)) = self.network.take(id) else { return };
        let node = if sent { in_flight.message.to } else { in_flight.message.from };
        let at = crate::network::slot_of(node).min(self.nodes.len() - 1);
        let view = self.view_of(&in_flight);
        let lost = self.record_with(at, RecordKind::MessageLost { why }, in_flight.cause, view);
        self.end_transfer(&in_flight, SendOutcome::Failed, lost);
    }
}
