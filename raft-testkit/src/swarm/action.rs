//! Random actions.

use std::time::Duration;

use raft_core::{ReadConsistency, RoleKind};

use super::run::Run;

/// A random action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Send,
    Handle,
    Disk,
    StateMachine,
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
    StateMachineFault,
    ForcedInput,
    Timer,
    Command,
    Read,
    Transfer,
    TakeSnapshot,
    Flush,
    Compact,
    Capture,
    Corrupt,
    ChangeMembership,
    Wipe,
}

impl Run {
    pub(super) fn take_action(&mut self) {
        let action = self.draw_action();
        // Time passes between any two actions, rarely enough for a timeout.
        let nanos = self.prng.below(2_000_000);
        self.cluster.advance(Duration::from_nanos(nanos));
        match action {
            Action::Send => self.send(),
            Action::Handle => self.handle(),
            Action::Disk => self.advance_disk(),
            Action::StateMachine => self.advance_state_machine(),
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
            Action::StateMachineFault => self.state_machine_fault(),
            Action::ForcedInput => self.forced_input(),
            Action::Timer => self.timer(),
            Action::Command => self.command(),
            Action::Read => self.read(),
            Action::Transfer => self.transfer(),
            Action::TakeSnapshot => self.take_snapshot(),
            Action::Flush => self.flush(),
            Action::Compact => self.compact(),
            Action::Capture => self.capture(),
            Action::Corrupt => self.corrupt(),
            Action::ChangeMembership => self.change_membership(),
            Action::Wipe => self.wipe(),
        }
    }

    fn draw_action(&mut self) -> Action {
        let plan = &self.plan;
        // An action that has no effect now is rarely drawn, or most of a run would have no events.
        let if_any = |any: bool, weight: u64| if any { weight } else { weight / 100 };
        let nodes = &self.cluster.nodes;
        let to_send = (0..nodes.len()).any(|at| self.sendable(at).next().is_some());
        let to_handle = self.movable().next().is_some();
        let disk = nodes.iter().any(|node| !node.persists.is_empty() || !node.fetches.is_empty());
        let machine = nodes.iter().any(|node| !node.applies.is_empty());
        let capture = nodes.iter().any(|node| !node.captures.is_empty());
        let cut_offs = plan.partitions.weight() + plan.isolations.weight();
        // Leases end while nothing else happens.
        let timers = if plan.settings.leases { 100 } else { 8 };
        let weights = [
            (Action::Send, if_any(to_send, 1_000)),
            (Action::Handle, if_any(to_handle, 1_600)),
            (Action::Disk, if_any(disk, 800)),
            (Action::StateMachine, if_any(machine, 800)),
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
            (Action::StateMachineFault, 2 * plan.state_machine_faults.weight()),
            (Action::ForcedInput, plan.forced_inputs.weight()),
            (Action::Timer, timers * plan.timers.weight()),
            (Action::Command, 8 * plan.commands.weight()),
            (Action::Read, 8 * plan.reads.weight()),
            (Action::Transfer, 2 * plan.transfers.weight()),
            (Action::TakeSnapshot, plan.snapshots.weight()),
            (Action::Flush, 4 * plan.snapshots.weight()),
            (Action::Compact, 2 * plan.snapshots.weight()),
            (Action::Capture, if_any(capture, 400)),
            (Action::Corrupt, plan.damages.weight()),
            (Action::ChangeMembership, 4 * plan.membership_changes.weight()),
            (Action::Wipe, plan.wipes.weight()),
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

    pub(super) fn random_node(&mut self) -> u64 {
        self.prng.below(self.plan.nodes as u64) + 1
    }

    fn command(&mut self) {
        let leader = self.leader().filter(|_| !self.prng.one_in(6));
        let node = leader.unwrap_or_else(|| self.random_node());
        let amount = self.prng.below(100);
        self.cluster.propose(node, format!("add {amount}"));
    }

    /// Submits a read to a node that leads, superseded or not, or to any node: followers refuse
    /// reads, or request the read index.
    fn read(&mut self) {
        let leader = self.random_leader().filter(|_| !self.prng.one_in(3));
        let node = leader.unwrap_or_else(|| self.random_node());
        if leader.is_some() && leader != self.leader() {
            self.statistics.reads_at_superseded_leaders += 1;
        }
        let local =
            |millis| ReadConsistency::Local { staleness_max: Duration::from_millis(millis) };
        let consistency = *self.prng.pick(&[
            ReadConsistency::Linearizable,
            ReadConsistency::Leased,
            local(20),
            local(1_000),
        ]);
        let read = self.cluster.read_with(node, consistency);
        if self.cluster.status(node).role == RoleKind::Follower {
            self.follower_reads.push(read);
        }
        self.respond_to_unconfirmed_read(read, consistency);
    }

    /// Requests a leader to transfer its leadership to a random node, which may be itself.
    fn transfer(&mut self) {
        let leader = self.random_leader().filter(|_| !self.prng.one_in(6));
        let node = leader.unwrap_or_else(|| self.random_node());
        let to = if self.prng.one_in(3) { None } else { Some(self.random_node()) };
        self.statistics.transfers += 1;
        self.cluster.transfer(node, to);
    }

    /// One of the nodes that lead, in any term.
    pub(super) fn random_leader(&mut self) -> Option<u64> {
        let leaders: Vec<u64> = self.leaders().map(|node| node.id.get()).collect();
        (!leaders.is_empty()).then(|| *self.prng.pick(&leaders))
    }
}
