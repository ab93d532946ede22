//! One random step.

use std::time::Duration;

use super::Run;
use crate::cluster::{Cluster, Crash, CutOff};
use crate::network::{InFlight, Link, place};
use crate::trace::record::{Liveness, Loss};

/// What can happen next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Send,
    Handle,
    Disk,
    Machine,
    Lose,
    Duplicate,
    Crash,
    Restart,
    Delay,
    Release,
    Partition,
    Isolate,
    Heal,
    Pause,
    Resume,
    DiskFault,
    MachineFault,
    Lever,
    Timer,
    Command,
    Read,
}

impl Run {
    pub(super) fn act(&mut self) {
        let act = self.draw_act();
        // Time passes between any two events, but seldom enough for a timeout.
        let nanos = self.prng.below(2_000_000);
        self.cluster.advance(Duration::from_nanos(nanos));
        match act {
            Act::Send => self.send(),
            Act::Handle => self.handle(),
            Act::Disk => self.work_disk(),
            Act::Machine => self.work_machine(),
            Act::Lose => self.lose(),
            Act::Duplicate => self.duplicate(),
            Act::Crash => self.crash(),
            Act::Restart => self.restart(),
            Act::Delay => self.delay(),
            Act::Release => self.release(),
            Act::Partition => self.partition(),
            Act::Isolate => self.isolate(),
            Act::Heal => self.cluster.heal(),
            Act::Pause => self.pause(),
            Act::Resume => self.resume(),
            Act::DiskFault => self.disk_fault(),
            Act::MachineFault => self.machine_fault(),
            Act::Lever => self.lever(),
            Act::Timer => self.timer(),
            Act::Command => self.command(),
            Act::Read => self.read(),
        }
    }

    fn draw_act(&mut self) -> Act {
        let plan = &self.plan;
        // An action without effect now is seldom drawn, or most of a run would have no events.
        let if_any = |any: bool, weight: u64| if any { weight } else { weight / 100 };
        let nodes = &self.cluster.nodes;
        let to_send = (0..nodes.len()).any(|at| self.sendable(at).next().is_some());
        let to_handle = self.movable().next().is_some();
        let disk = nodes.iter().any(|node| !node.persists.is_empty() || !node.fetches.is_empty());
        let machine = nodes.iter().any(|node| !node.applies.is_empty());
        let cut_offs = plan.partitions.weight() + plan.isolations.weight();
        let weights = [
            (Act::Send, if_any(to_send, 1_000)),
            (Act::Handle, if_any(to_handle, 1_600)),
            (Act::Disk, if_any(disk, 800)),
            (Act::Machine, if_any(machine, 800)),
            (Act::Lose, 5 * plan.losses.weight()),
            (Act::Duplicate, 5 * plan.duplicates.weight()),
            (Act::Crash, plan.crashes.weight()),
            (Act::Restart, 4 * plan.crashes.weight() + 4 * plan.disk_faults.weight()),
            (Act::Delay, 12 * plan.delays.weight()),
            (Act::Release, 12 * plan.delays.weight()),
            (Act::Partition, plan.partitions.weight()),
            (Act::Isolate, 4 * plan.isolations.weight()),
            (Act::Heal, 2 * cut_offs),
            (Act::Pause, plan.pauses.weight()),
            (Act::Resume, 4 * plan.pauses.weight()),
            (Act::DiskFault, plan.disk_faults.weight()),
            (Act::MachineFault, 2 * plan.machine_faults.weight()),
            (Act::Lever, plan.levers.weight()),
            (Act::Timer, 8 * plan.timers.weight()),
            (Act::Command, 8 * plan.commands.weight()),
            (Act::Read, 8 * plan.reads.weight()),
        ];
        let total = weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.prng.below(total);
        for (act, weight) in weights {
            if drawn < weight {
                return act;
            }
            drawn -= weight;
        }
        Act::Handle
    }

    fn any_node(&mut self) -> u64 {
        self.prng.below(self.plan.nodes as u64) + 1
    }

    /// The messages that this node can send now.
    fn sendable(&self, at: usize) -> impl Iterator<Item = &InFlight> {
        let Cluster { nodes, network, .. } = &self.cluster;
        let blocked = nodes[at].liveness == Liveness::Blocked;
        network.outboxes[at].iter().filter(move |in_flight| {
            !blocked && network.links_of(&in_flight.message) != Link::Holding
        })
    }

    /// The messages that can be handled now, by their places on the wire.
    fn movable(&self) -> impl Iterator<Item = (usize, &InFlight)> {
        let Cluster { nodes, network, .. } = &self.cluster;
        network.wire.iter().enumerate().filter(|(_, in_flight)| {
            let to = &nodes[place(in_flight.message.to)];
            !in_flight.held
                && to.liveness != Liveness::Blocked
                && network.links_of(&in_flight.message) != Link::Holding
        })
    }

    /// A node empties its outbox, or sends one message of it.
    fn send(&mut self) {
        let at = place(raft_core::NodeId(self.any_node()));
        let all = self.prng.one_in(2);
        loop {
            let drawn = if self.plan.in_order { 0 } else { self.prng.place(3) };
            let next = self.sendable(at).take(drawn + 1).last();
            let Some(id) = next.map(|in_flight| in_flight.id) else { return };
            self.cluster.send_id(id);
            if !all {
                return;
            }
        }
    }

    fn handle(&mut self) {
        let in_order = self.plan.in_order || self.prng.one_in(2);
        let drawn = if in_order { 0 } else { self.prng.place(self.cluster.network.wire.len()) };
        let next = self.movable().find(|&(at, _)| at >= drawn);
        let Some((at, id)) = next.map(|(at, in_flight)| (at, in_flight.id)) else { return };
        if at > 0 {
            self.tally.overtakings += 1;
        }
        self.cluster.handle_id(id);
    }

    fn work_disk(&mut self) {
        let node = self.any_node();
        let at = place(raft_core::NodeId(node));
        let slot = &self.cluster.nodes[at];
        if !matches!(slot.liveness, Liveness::Up | Liveness::Halted) || slot.core.is_none() {
            return;
        }
        let waiting = slot.persists.len();
        match self.prng.below(8) {
            0 => self.cluster.write_persists(node, waiting.min(1)),
            1 => self.cluster.report_persisted(node),
            2 => self.cluster.complete_persists(node, waiting.min(1)),
            3 if slot.status.persisted_index.get() > 0 => self.report_late(node, at),
            4 if !slot.fetches.is_empty() => {
                self.tally.fetches += 1;
                self.cluster.complete_fetch(node);
            }
            _ => {
                if !slot.fetches.is_empty() {
                    self.tally.fetches += 1;
                    self.cluster.complete_fetch(node);
                }
                self.cluster.complete_all_persists(node);
            }
        }
    }

    /// A report of an earlier change comes a second time.
    fn report_late(&mut self, node: u64, at: usize) {
        let slot = &self.cluster.nodes[at];
        let known = slot.last_reported.get();
        if known > 0 && slot.is_up() {
            let persist = self.prng.below(known) + 1;
            self.cluster.report_again(node, persist);
        }
    }

    fn work_machine(&mut self) {
        let node = self.any_node();
        if self.cluster.nodes[place(raft_core::NodeId(node))].is_up() {
            self.cluster.complete_apply(node);
        }
    }

    fn lose(&mut self) {
        let wire = &self.cluster.network.wire;
        if !wire.is_empty() {
            let id = wire[self.prng.place(wire.len())].id;
            self.cluster.drop_id(id, Loss::Network);
            self.tally.losses += 1;
        }
    }

    fn duplicate(&mut self) {
        let wire = &self.cluster.network.wire;
        if !wire.is_empty() && wire.len() < 200 {
            let id = wire[self.prng.place(wire.len())].id;
            self.cluster.duplicate_id(id);
            self.tally.duplicates += 1;
        }
    }

    /// A message on the wire waits until it is released.
    fn delay(&mut self) {
        let wire = &mut self.cluster.network.wire;
        if !wire.is_empty() {
            let at = self.prng.place(wire.len());
            wire[at].held = true;
            self.tally.delays += 1;
        }
    }

    /// The message at the front of those that wait is moved like all others again.
    fn release(&mut self) {
        let wire = &mut self.cluster.network.wire;
        if let Some(in_flight) = wire.iter_mut().find(|in_flight| in_flight.held) {
            in_flight.held = false;
        }
    }

    fn crash(&mut self) {
        let node = self.any_node();
        let slot = &self.cluster.nodes[place(raft_core::NodeId(node))];
        if slot.liveness == Liveness::Down {
            return;
        }
        let waiting = slot.persists.len();
        let keep = self.prng.place(waiting + 1);
        self.tally.crashes += 1;
        self.tally.lost_writes += (waiting - keep) as u64;
        self.tally.unknown_writes += keep as u64;
        self.cluster.crash(node, Crash::Keep(keep));
    }

    fn restart(&mut self) {
        let node = self.any_node();
        let slot = &self.cluster.nodes[place(raft_core::NodeId(node))];
        if matches!(slot.liveness, Liveness::Down | Liveness::Halted) {
            self.bring_back(node);
        }
    }

    fn bring_back(&mut self, node: u64) {
        self.tally.restarts += 1;
        self.damage_before_restart(node);
        if self.cluster.try_restart(node).is_err() {
            // The log is marked broken: an operator mends the cause and says so.
            self.cluster.disarm(node);
            self.cluster.mark_fixed(node);
            self.cluster.restart(node);
        }
    }

    fn partition(&mut self) {
        self.tally.partitions += 1;
        let nodes = self.plan.nodes as u64;
        let cut_off = if self.prng.one_in(2) { CutOff::Lose } else { CutOff::Hold };
        if self.prng.one_in(3) && nodes > 1 {
            let (from, to) = (self.any_node(), self.any_node());
            if from != to {
                self.cluster.cut_with(from, to, cut_off);
            }
            return;
        }
        let mut groups: [Vec<u64>; 2] = [Vec::new(), Vec::new()];
        for node in 1..=nodes {
            groups[self.prng.place(2)].push(node);
        }
        let [first, second] = &groups;
        self.cluster.partition_with(&[first, second], cut_off);
    }

    /// A node that leads is cut off, alone or with another one. Clients still reach it.
    fn isolate(&mut self) {
        let Some(leader) = self.any_leader() else { return };
        self.tally.isolations += 1;
        let other = if self.prng.one_in(2) { self.any_node() } else { leader };
        let cut_off = if self.prng.one_in(2) { CutOff::Lose } else { CutOff::Hold };
        let nodes = 1..=self.plan.nodes as u64;
        let rest: Vec<u64> = nodes.filter(|&node| node != leader && node != other).collect();
        self.cluster.partition_with(&[&[leader, other][..], &rest], cut_off);
    }

    fn pause(&mut self) {
        let node = self.any_node();
        if self.cluster.nodes[place(raft_core::NodeId(node))].is_up() {
            self.tally.pauses += 1;
            self.cluster.block(node);
        }
    }

    fn resume(&mut self) {
        let node = self.any_node();
        self.cluster.unblock(node);
    }

    fn disk_fault(&mut self) {
        let node = self.any_node();
        if self.prng.one_in(4) {
            self.tally.disk_faults += 1;
            self.cluster.fail_next_write(node);
        } else {
            self.tally.read_faults += 1;
            self.cluster.fail_next_read(node);
        }
    }

    fn machine_fault(&mut self) {
        let node = self.any_node();
        if self.cluster.nodes[place(raft_core::NodeId(node))].rig.is_some() {
            self.cluster.disarm(node);
        } else {
            self.tally.machine_faults += 1;
            self.cluster.rig(node);
        }
    }

    fn lever(&mut self) {
        let node = self.any_node();
        if !self.cluster.nodes[place(raft_core::NodeId(node))].is_up() {
            return;
        }
        self.tally.levers += 1;
        match self.prng.below(4) {
            0 | 1 => self.cluster.campaign(node),
            2 => self.cluster.step_down(node),
            _ => {
                let peer = self.any_node();
                self.cluster.peer_unreachable(node, peer);
            }
        }
    }

    /// The next timer fires, or some node's, late or early.
    fn timer(&mut self) {
        self.tally.timers += 1;
        if self.prng.one_in(4) {
            let node = self.any_node();
            self.cluster.tick(node);
        } else if let Some((at, due)) = self.cluster.next_timer() {
            self.cluster.fire(at, due);
        }
    }

    fn command(&mut self) {
        let leader = self.leader().filter(|_| !self.prng.one_in(6));
        let node = leader.unwrap_or_else(|| self.any_node());
        let amount = self.prng.below(100);
        self.cluster.propose(node, format!("add {amount}"));
    }

    /// Clients read at any node that leads, superseded or not: only such nodes answer reads.
    fn read(&mut self) {
        let leader = self.any_leader().filter(|_| !self.prng.one_in(6));
        let node = leader.unwrap_or_else(|| self.any_node());
        if leader.is_some() && leader != self.leader() {
            self.tally.reads_at_deposed += 1;
        }
        let read = self.cluster.read(node);
        self.answer_read_unconfirmed(read);
    }

    /// One of the nodes that lead, of whatever term.
    fn any_leader(&mut self) -> Option<u64> {
        let leaders: Vec<u64> = self.leaders().map(|node| node.id.get()).collect();
        (!leaders.is_empty()).then(|| *self.prng.pick(&leaders))
    }

    /// Whatever was broken, cut or held works again.
    pub(super) fn end_faults(&mut self) {
        self.cluster.heal();
        for in_flight in &mut self.cluster.network.wire {
            in_flight.held = false;
        }
        for node in 1..=self.plan.nodes as u64 {
            let at = place(raft_core::NodeId(node));
            self.cluster.unblock(node);
            self.cluster.disarm(node);
            self.cluster.nodes[at].write_fault = false;
            self.cluster.nodes[at].read_fault = false;
            self.cluster.disk_at_once(node);
            self.cluster.apply_at_once(node);
            if !self.cluster.nodes[at].is_up() {
                self.bring_back(node);
            }
        }
    }
}
