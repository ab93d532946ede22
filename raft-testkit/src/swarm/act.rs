//! One random step.

use std::time::Duration;

use super::Run;
use crate::cluster::{Crash, CutOff};
use crate::network::{Link, place};
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
    Partition,
    Heal,
    Pause,
    Resume,
    DiskFault,
    MachineFault,
    Lever,
    Timer,
    Command,
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
            Act::Partition => self.partition(),
            Act::Heal => self.cluster.heal(),
            Act::Pause => self.pause(),
            Act::Resume => self.resume(),
            Act::DiskFault => self.disk_fault(),
            Act::MachineFault => self.machine_fault(),
            Act::Lever => self.lever(),
            Act::Timer => self.timer(),
            Act::Command => self.command(),
        }
    }

    fn draw_act(&mut self) -> Act {
        let plan = &self.plan;
        let by_hand = |by_hand: bool| if by_hand { 800 } else { 0 };
        let weights = [
            (Act::Send, 1_000),
            (Act::Handle, 1_600),
            (Act::Disk, by_hand(plan.disks_by_hand)),
            (Act::Machine, by_hand(plan.machines_by_hand)),
            (Act::Lose, 5 * plan.losses.weight()),
            (Act::Duplicate, 5 * plan.duplicates.weight()),
            (Act::Crash, plan.crashes.weight()),
            (Act::Restart, 4 * plan.crashes.weight() + 4 * plan.disk_faults.weight()),
            (Act::Partition, plan.partitions.weight()),
            (Act::Heal, 3 * plan.partitions.weight()),
            (Act::Pause, plan.pauses.weight()),
            (Act::Resume, 4 * plan.pauses.weight()),
            (Act::DiskFault, plan.disk_faults.weight()),
            (Act::MachineFault, 2 * plan.machine_faults.weight()),
            (Act::Lever, plan.levers.weight()),
            (Act::Timer, 2 * plan.timers.weight() + 6),
            (Act::Command, 12 * plan.commands.weight()),
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

    /// A node empties its outbox, or sends one message of it.
    fn send(&mut self) {
        let at = place(raft_core::NodeId(self.any_node()));
        if self.cluster.nodes[at].liveness == Liveness::Blocked {
            return;
        }
        let all = self.prng.one_in(2);
        loop {
            let outbox = &self.cluster.network.outboxes[at];
            if outbox.is_empty() {
                return;
            }
            let next = if self.plan.in_order { 0 } else { self.prng.place(outbox.len().min(3)) };
            let in_flight = &outbox[next];
            if self.cluster.network.links_of(&in_flight.message) == Link::Holding {
                return;
            }
            let id = in_flight.id;
            self.cluster.send_id(id);
            if !all {
                return;
            }
        }
    }

    fn handle(&mut self) {
        let wire = &self.cluster.network.wire;
        if wire.is_empty() {
            return;
        }
        let in_order = self.plan.in_order || self.prng.one_in(2);
        let at = if in_order { 0 } else { self.prng.place(wire.len()) };
        let in_flight = &wire[at];
        let to = &self.cluster.nodes[place(in_flight.message.to)];
        let holding = self.cluster.network.links_of(&in_flight.message) == Link::Holding;
        if to.liveness == Liveness::Blocked || holding {
            return;
        }
        if at > 0 {
            self.tally.overtakings += 1;
        }
        let id = in_flight.id;
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
        if self.prng.one_in(4) {
            self.cluster.read(node);
        } else {
            let amount = self.prng.below(100);
            self.cluster.propose(node, format!("add {amount}"));
        }
    }

    /// Whatever was broken, cut or held works again.
    pub(super) fn end_faults(&mut self) {
        self.cluster.heal();
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
