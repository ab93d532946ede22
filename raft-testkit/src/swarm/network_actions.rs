//! Random actions on messages and links.

use raft_core::NodeId;

use super::run::Run;
use crate::cluster::{Cluster, CutOff};
use crate::network::{InFlight, Link, slot_of};
use crate::trace::record::{Liveness, Loss};

impl Run {
    /// The messages that this node can send now.
    pub(super) fn sendable(&self, at: usize) -> impl Iterator<Item = &InFlight> {
        let Cluster { nodes, network, .. } = &self.cluster;
        let blocked = nodes[at].liveness == Liveness::Blocked;
        network.outboxes[at].iter().filter(move |in_flight| {
            !blocked && network.link_of(&in_flight.message) != Link::Holding
        })
    }

    /// The messages that can be handled now, with their positions on the wire.
    pub(super) fn movable(&self) -> impl Iterator<Item = (usize, &InFlight)> {
        let Cluster { nodes, network, .. } = &self.cluster;
        network.wire.iter().enumerate().filter(|(_, in_flight)| {
            let to = &nodes[slot_of(in_flight.message.to)];
            !in_flight.held
                && to.liveness != Liveness::Blocked
                && network.link_of(&in_flight.message) != Link::Holding
        })
    }

    /// Sends one message of a random node, or all of them.
    pub(super) fn send(&mut self) {
        let at = slot_of(NodeId(self.random_node()));
        let all = self.prng.one_in(2);
        loop {
            let drawn = if self.plan.in_order { 0 } else { self.prng.index_below(3) };
            let next = self.sendable(at).take(drawn + 1).last();
            let Some(id) = next.map(|in_flight| in_flight.id) else { return };
            self.cluster.send_id(id);
            if !all {
                return;
            }
        }
    }

    pub(super) fn handle(&mut self) {
        let in_order = self.plan.in_order || self.prng.one_in(2);
        let drawn =
            if in_order { 0 } else { self.prng.index_below(self.cluster.network.wire.len()) };
        let next = self.movable().find(|&(at, _)| at >= drawn);
        let Some((at, id)) = next.map(|(at, in_flight)| (at, in_flight.id)) else { return };
        if at > 0 {
            self.statistics.overtakings += 1;
        }
        self.cluster.handle_id(id);
    }

    pub(super) fn lose(&mut self) {
        let wire = &self.cluster.network.wire;
        if !wire.is_empty() {
            let id = wire[self.prng.index_below(wire.len())].id;
            self.cluster.drop_id(id, Loss::Network);
            self.statistics.losses += 1;
        }
    }

    pub(super) fn duplicate(&mut self) {
        let wire = &self.cluster.network.wire;
        if !wire.is_empty() && wire.len() < 200 {
            let id = wire[self.prng.index_below(wire.len())].id;
            self.cluster.duplicate_id(id);
            self.statistics.duplicates += 1;
        }
    }

    /// Holds a message on the wire until it is released.
    pub(super) fn delay(&mut self) {
        let wire = &mut self.cluster.network.wire;
        if !wire.is_empty() {
            let at = self.prng.index_below(wire.len());
            wire[at].held = true;
            self.statistics.delays += 1;
        }
    }

    /// Releases the first held message on the wire.
    pub(super) fn release(&mut self) {
        let wire = &mut self.cluster.network.wire;
        if let Some(in_flight) = wire.iter_mut().find(|in_flight| in_flight.held) {
            in_flight.held = false;
        }
    }

    pub(super) fn partition(&mut self) {
        self.statistics.partitions += 1;
        let nodes = self.plan.nodes as u64;
        let cut_off = if self.prng.one_in(2) { CutOff::Lose } else { CutOff::Hold };
        if self.prng.one_in(3) && nodes > 1 {
            let (from, to) = (self.random_node(), self.random_node());
            if from != to {
                self.cluster.cut_with(from, to, cut_off);
            }
            return;
        }
        let mut groups: [Vec<u64>; 2] = [Vec::new(), Vec::new()];
        for node in 1..=nodes {
            groups[self.prng.index_below(2)].push(node);
        }
        let [first, second] = &groups;
        self.cluster.partition_with(&[first, second], cut_off);
    }

    /// Partitions a leader from the other nodes, alone or with another node. Clients still reach
    /// it.
    pub(super) fn isolate(&mut self) {
        let Some(leader) = self.random_leader() else { return };
        self.statistics.isolations += 1;
        let other = if self.prng.one_in(2) { self.random_node() } else { leader };
        let cut_off = if self.prng.one_in(2) { CutOff::Lose } else { CutOff::Hold };
        let nodes = 1..=self.plan.nodes as u64;
        let rest: Vec<u64> = nodes.filter(|&node| node != leader && node != other).collect();
        self.cluster.partition_with(&[&[leader, other][..], &rest], cut_off);
    }
}
