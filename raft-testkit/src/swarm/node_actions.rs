//! Random actions on nodes, disks, state machines and timers.

use raft_core::NodeId;

use super::run::Run;
use crate::cluster::Crash;
use crate::network::slot_of;
use crate::trace::record::Liveness;

impl Run {
    pub(super) fn advance_disk(&mut self) {
        let node = self.random_node();
        let at = slot_of(NodeId(node));
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

    /// Reports an earlier change as durable a second time.
    pub(super) fn repeat_report(&mut self, node: u64, at: usize) {
        let slot = &self.cluster.nodes[at];
        let known = slot.last_reported.get();
        if known > 0 && slot.is_up() {
            let persist = self.prng.below(known) + 1;
            self.cluster.report_again(node, persist);
        }
    }

    pub(super) fn advance_state_machine(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(NodeId(node))].is_up() {
            self.cluster.complete_apply(node);
        }
    }

    pub(super) fn crash(&mut self) {
        let node = self.random_node();
        let slot = &self.cluster.nodes[slot_of(NodeId(node))];
        if slot.liveness == Liveness::Down {
            return;
        }
        let waiting = slot.persists.len();
        let keep = self.prng.index_below(waiting + 1);
        self.statistics.crashes += 1;
        self.statistics.lost_writes += (waiting - keep) as u64;
        self.statistics.unknown_writes += keep as u64;
        self.cluster.crash(node, Crash::Keep(keep));
    }

    pub(super) fn restart(&mut self) {
        let node = self.random_node();
        let slot = &self.cluster.nodes[slot_of(NodeId(node))];
        if matches!(slot.liveness, Liveness::Down | Liveness::Halted) {
            self.restart_stopped(node);
        }
    }

    pub(super) fn restart_stopped(&mut self, node: u64) {
        self.statistics.restarts += 1;
        self.inject_bug_before_restart(node);
        if self.cluster.try_restart(node).is_err() {
            // The log is marked broken: an operator corrects the cause and removes the mark.
            self.cluster.clear_command_failures(node);
            self.cluster.mark_fixed(node);
            self.cluster.restart(node);
        }
    }

    pub(super) fn pause(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(NodeId(node))].is_up() {
            self.statistics.pauses += 1;
            self.cluster.block(node);
        }
    }

    pub(super) fn resume(&mut self) {
        let node = self.random_node();
        self.cluster.unblock(node);
    }

    pub(super) fn disk_fault(&mut self) {
        let node = self.random_node();
        if self.prng.one_in(4) {
            self.statistics.disk_faults += 1;
            self.cluster.fail_next_write(node);
        } else {
            self.statistics.read_faults += 1;
            self.cluster.fail_next_read(node);
        }
    }

    pub(super) fn state_machine_fault(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(NodeId(node))].command_fault.is_some() {
            self.cluster.clear_command_failures(node);
        } else {
            self.statistics.state_machine_faults += 1;
            self.cluster.fail_commands(node);
        }
    }

    pub(super) fn forced_input(&mut self) {
        let node = self.random_node();
        if !self.cluster.nodes[slot_of(NodeId(node))].is_up() {
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

    /// Fires the next timer, or gives a tick to a random node.
    pub(super) fn timer(&mut self) {
        self.statistics.timers += 1;
        if self.prng.one_in(4) {
            let node = self.random_node();
            self.cluster.tick(node);
        } else if let Some((at, due)) = self.cluster.next_timer() {
            self.cluster.fire_timer(at, due);
        }
    }

    /// Ends all faults and starts the nodes that are not up.
    pub(super) fn end_faults(&mut self) {
        self.cluster.heal();
        for in_flight in &mut self.cluster.network.wire {
            in_flight.held = false;
        }
        for node in 1..=self.plan.nodes as u64 {
            let at = slot_of(NodeId(node));
            self.cluster.unblock(node);
            self.cluster.clear_command_failures(node);
            self.cluster.nodes[at].write_fault = false;
            self.cluster.nodes[at].read_fault = false;
            self.cluster.disk_at_once(node);
            self.cluster.apply_at_once(node);
            self.cluster.snapshots_at_once(node);
            if !self.cluster.nodes[at].is_up() {
                self.restart_stopped(node);
            }
        }
    }
}
