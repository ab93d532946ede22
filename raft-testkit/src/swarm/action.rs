//! One random step.

use std::time::Duration;

use super::Run;
use crate::cluster::{Cluster, Crash, CutOff};
use crate::network::{InFlight, Link, slot_of};
use crate::trace::record::{Liveness, Loss};

/// What can happen next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
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
    ForcedInput,
    Timer,
    Command,
    Read,
}

impl Run {
    pub(super) fn take_action(&mut self) {
        let action = self.draw_action();
        // Time passes between any two events, but seldom enough for a timeout.
        let nanos = self.prng.below(2_000_000);
        self.cluster.advance(Duration::from_nanos(nanos));
        match action {
            Action::Send => self.send(),
            Action::Handle => self.handle(),
            Action::Disk => self.advance_disk(),
            Action::Machine => self.advance_state_machine(),
            Action::Lose => self.lose(),
            Action::Duplicate => self.duplicate(),
            Action::Crash => self.crash(),
            Action::Restart => self.restart(),
            Action::Delay => self.delay(),
            Action::Release => self.release(),
            Action::Partition => self.partition(),
            Action::Isolate => self.isolate(),
            Action::Heal => self.cluster.heal(),
            Action::Pause => self.pause(),
            Action::Resume => self.resume(),
            Action::DiskFault => self.disk_fault(),
            Action::MachineFault => self.machine_fault(),
            Action::ForcedInput => self.forced_input(),
            Action::Timer => self.timer(),
            Action::Command => self.command(),
            Action::Read => self.read(),
        }
    }

    fn draw_action(&mut self) -> Action {
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
            (Action::Send, if_any(to_send, 1_000)),
            (Action::Handle, if_any(to_handle, 1_600)),
            (Action::Disk, if_any(disk, 800)),
            (Action::Machine, if_any(machine, 800)),
            (Action::Lose, 5 * plan.losses.weight()),
            (Action::Duplicate, 5 * plan.duplicates.weight()),
            (Action::Crash, plan.crashes.weight()),
            (Action::Restart, 4 * plan.crashes.weight() + 4 * plan.disk_faults.weight()),
            (Action::Delay, 12 * plan.delays.weight()),
            (Action::Release, 12 * plan.delays.weight()),
            (Action::Partition, plan.partitions.weight()),
            (Action::Isolate, 4 * plan.isolations.weight()),
            (Action::Heal, 2 * cut_offs),
            (Action::Pause, plan.pauses.weight()),
            (Action::Resume, 4 * plan.pauses.weight()),
            (Action::DiskFault, plan.disk_faults.weight()),
            (Action::MachineFault, 2 * plan.machine_faults.weight()),
            (Action::ForcedInput, plan.forced_inputs.weight()),
            (Action::Timer, 8 * plan.timers.weight()),
            (Action::Command, 8 * plan.commands.weight()),
            (Action::Read, 8 * plan.reads.weight()),
        ];
        let total = weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.prng.below(total);
        for (action, weight) in weights {
            if drawn < weight {
                return action;
            }
            drawn -= weight;
        }
        Action::Handle
    }

    fn random_node(&mut self) -> u64 {
        self.prng.below(self.plan.nodes as u64) + 1
    }

    /// The messages that this node can send now.
    fn sendable(&self, at: usize) -> impl Iterator<Item = &InFlight> {
        let Cluster { nodes, network, .. } = &self.cluster;
        let blocked = nodes[at].liveness == Liveness::Blocked;
        network.outboxes[at].iter().filter(move |in_flight| {
            !blocked && network.link_of(&in_flight.message) != Link::Holding
        })
    }

    /// The messages that can be handled now, by their places on the wire.
    fn movable(&self) -> impl Iterator<Item = (usize, &InFlight)> {
        let Cluster { nodes, network, .. } = &self.cluster;
        network.wire.iter().enumerate().filter(|(_, in_flight)| {
            let to = &nodes[slot_of(in_flight.message.to)];
            !in_flight.held
                && to.liveness != Liveness::Blocked
                && network.link_of(&in_flight.message) != Link::Holding
        })
    }

    /// A node empties its outbox, or sends one message of it.
    fn send(&mut self) {
        let at = slot_of(raft_core::NodeId(self.random_node()));
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
            self.statistics.overtakings += 1;
        }
        self.cluster.handle_id(id);
    }

    fn advance_disk(&mut self) {
        let node = self.random_node();
        let at = slot_of(raft_core::NodeId(node));
        let slot = &self.cluster.nodes[at];
        if !matches!(slot.liveness, Liveness::Up | Liveness::Halted) || slot.core.is_none() {
            return;
        }
        let waiting = slot.persists.len();
        match self.prng.below(8) {
            0 => self.cluster.write_persists(node, waiting.min(1)),
            1 => self.cluster.report_persisted(node),
            2 => self.cluster.complete_persists(node, waiting.min(1)),
            3 if slot.status.persisted_index.get() > 0 => self.repeat_report(node, at),
            4 if !slot.fetches.is_empty() => {
                self.statistics.fetches += 1;
                self.cluster.complete_fetch(node);
            }
            _ => {
                if !slot.fetches.is_empty() {
                    self.statistics.fetches += 1;
                    self.cluster.complete_fetch(node);
                }
                self.cluster.complete_all_persists(node);
            }
        }
    }

    /// A report of an earlier change comes a second time.
    fn repeat_report(&mut self, node: u64, at: usize) {
        let slot = &self.cluster.nodes[at];
        let known = slot.last_reported.get();
        if known > 0 && slot.is_up() {
            let persist = self.prng.below(known) + 1;
            self.cluster.report_again(node, persist);
        }
    }

    fn advance_state_machine(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(raft_core::NodeId(node))].is_up() {
            self.cluster.complete_apply(node);
        }
    }

    fn lose(&mut self) {
        let wire = &self.cluster.network.wire;
        if !wire.is_empty() {
            let id = wire[self.prng.place(wire.len())].id;
            self.cluster.drop_id(id, Loss::Network);
            self.statistics.losses += 1;
        }
    }

    fn duplicate(&mut self) {
        let wire = &self.cluster.network.wire;
        if !wire.is_empty() && wire.len() < 200 {
            let id = wire[self.prng.place(wire.len())].id;
            self.cluster.duplicate_id(id);
            self.statistics.duplicates += 1;
        }
    }

    /// A message on the wire waits until it is released.
    fn delay(&mut self) {
        let wire = &mut self.cluster.network.wire;
        if !wire.is_empty() {
            let at = self.prng.place(wire.len());
            wire[at].held = true;
            self.statistics.delays += 1;
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
        let node = self.random_node();
        let slot = &self.cluster.nodes[slot_of(raft_core::NodeId(node))];
        if slot.liveness == Liveness::Down {
            return;
        }
        let waiting = slot.persists.len();
        let keep = self.prng.place(waiting + 1);
        self.statistics.crashes += 1;
        self.statistics.lost_writes += (waiting - keep) as u64;
        self.statistics.unknown_writes += keep as u64;
        self.cluster.crash(node, Crash::Keep(keep));
    }

    fn restart(&mut self) {
        let node = self.random_node();
        let slot = &self.cluster.nodes[slot_of(raft_core::NodeId(node))];
        if matches!(slot.liveness, Liveness::Down | Liveness::Halted) {
            self.restart_stopped(node);
        }
    }

    fn restart_stopped(&mut self, node: u64) {
        self.statistics.restarts += 1;
        self.inject_bug_before_restart(node);
        if self.cluster.try_restart(node).is_err() {
            // The log is marked broken: an operator mends the cause and says so.
            self.cluster.clear_command_failures(node);
            self.cluster.mark_fixed(node);
            self.cluster.restart(node);
        }
    }

    fn partition(&mut self) {
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
            groups[self.prng.place(2)].push(node);
        }
        let [first, second] = &groups;
        self.cluster.partition_with(&[first, second], cut_off);
    }

    /// A node that leads is cut off, alone or with another one. Clients still reach it.
    fn isolate(&mut self) {
        let Some(leader) = self.random_leader() else { return };
        self.statistics.isolations += 1;
        let other = if self.prng.one_in(2) { self.random_node() } else { leader };
        let cut_off = if self.prng.one_in(2) { CutOff::Lose } else { CutOff::Hold };
        let nodes = 1..=self.plan.nodes as u64;
        let rest: Vec<u64> = nodes.filter(|&node| node != leader && node != other).collect();
        self.cluster.partition_with(&[&[leader, other][..], &rest], cut_off);
    }

    fn pause(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(raft_core::NodeId(node))].is_up() {
            self.statistics.pauses += 1;
            self.cluster.block(node);
        }
    }

    fn resume(&mut self) {
        let node = self.random_node();
        self.cluster.unblock(node);
    }

    fn disk_fault(&mut self) {
        let node = self.random_node();
        if self.prng.one_in(4) {
            self.statistics.disk_faults += 1;
            self.cluster.fail_next_write(node);
        } else {
            self.statistics.read_faults += 1;
            self.cluster.fail_next_read(node);
        }
    }

    fn machine_fault(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(raft_core::NodeId(node))].command_fault.is_some() {
            self.cluster.clear_command_failures(node);
        } else {
            self.statistics.machine_faults += 1;
            self.cluster.fail_commands(node);
        }
    }

    fn forced_input(&mut self) {
        let node = self.random_node();
        if !self.cluster.nodes[slot_of(raft_core::NodeId(node))].is_up() {
            return;
        }
        self.statistics.forced_inputs += 1;
        match self.prng.below(4) {
            0 | 1 => self.cluster.campaign(node),
            2 => self.cluster.step_down(node),
            _ => {
                let peer = self.random_node();
                self.cluster.peer_unreachable(node, peer);
            }
        }
    }

    /// The next timer fires, or some node's, late or early.
    fn timer(&mut self) {
        self.statistics.timers += 1;
        if self.prng.one_in(4) {
            let node = self.random_node();
            self.cluster.tick(node);
        } else if let Some((at, due)) = self.cluster.next_timer() {
            self.cluster.fire_timer(at, due);
        }
    }

    fn command(&mut self) {
        let leader = self.leader().filter(|_| !self.prng.one_in(6));
        let node = leader.unwrap_or_else(|| self.random_node());
        let amount = self.prng.below(100);
        self.cluster.propose(node, format!("add {amount}"));
    }

    /// Clients read at any node that leads, superseded or not: only such nodes answer reads.
    fn read(&mut self) {
        let leader = self.random_leader().filter(|_| !self.prng.one_in(6));
        let node = leader.unwrap_or_else(|| self.random_node());
        if leader.is_some() && leader != self.leader() {
            self.statistics.reads_at_superseded_leaders += 1;
        }
        let read = self.cluster.read(node);
        self.respond_to_unconfirmed_read(read);
    }

    /// One of the nodes that lead, of whatever term.
    fn random_leader(&mut self) -> Option<u64> {
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
            let at = slot_of(raft_core::NodeId(node));
            self.cluster.unblock(node);
            self.cluster.clear_command_failures(node);
            self.cluster.nodes[at].write_fault = false;
            self.cluster.nodes[at].read_fault = false;
            self.cluster.disk_at_once(node);
            self.cluster.apply_at_once(node);
            if !self.cluster.nodes[at].is_up() {
                self.restart_stopped(node);
            }
        }
    }
}
