//! What a seed decides before the first event.

use raft_core::{ApplyFailurePolicy, CommitNotification, Config};

use crate::prng::Prng;

/// How often something happens in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Often {
    Never,
    Rarely,
    Frequently,
}

impl Often {
    fn draw(prng: &mut Prng) -> Self {
        *prng.pick(&[Self::Never, Self::Rarely, Self::Rarely, Self::Frequently])
    }

    /// The weight among all that can happen next.
    pub(super) const fn weight(self) -> u64 {
        match self {
            Self::Never => 0,
            Self::Rarely => 1,
            Self::Frequently => 10,
        }
    }
}

/// A run's shape: every fault is never, rarely or frequently seen in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) nodes: usize,
    pub(super) config: Settings,
    pub(super) disks_by_hand: bool,
    pub(super) machines_by_hand: bool,
    pub(super) in_order: bool,
    pub(super) losses: Often,
    pub(super) duplicates: Often,
    pub(super) crashes: Often,
    pub(super) partitions: Often,
    /// A node that leads is cut off from most others.
    pub(super) isolations: Often,
    /// Single messages are kept back and arrive much later.
    pub(super) delays: Often,
    pub(super) pauses: Often,
    pub(super) disk_faults: Often,
    pub(super) machine_faults: Often,
    pub(super) levers: Often,
    pub(super) timers: Often,
    pub(super) commands: Often,
    pub(super) reads: Often,
}

/// What differs between the nodes' settings of two runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pre_vote: bool,
    check_quorum: bool,
    spread: CommitNotification,
    policy: ApplyFailurePolicy,
    entries: usize,
    appends: usize,
    tail_bytes: u64,
    apply_bytes: u64,
}

impl Plan {
    pub(super) fn draw(prng: &mut Prng) -> Self {
        Self {
            nodes: *prng.pick(&[1, 2, 3, 3, 3, 3, 4, 5, 5, 7]),
            config: Settings::draw(prng),
            disks_by_hand: !prng.one_in(4),
            machines_by_hand: prng.one_in(3),
            in_order: prng.one_in(3),
            losses: Often::draw(prng),
            duplicates: Often::draw(prng),
            crashes: Often::draw(prng),
            partitions: Often::draw(prng),
            isolations: Often::draw(prng),
            delays: Often::draw(prng),
            pauses: Often::draw(prng),
            disk_faults: Often::draw(prng),
            machine_faults: Often::draw(prng),
            levers: Often::draw(prng),
            timers: *prng.pick(&[Often::Rarely, Often::Frequently]),
            commands: *prng.pick(&[Often::Rarely, Often::Frequently]),
            reads: *prng.pick(&[Often::Rarely, Often::Frequently]),
        }
    }
}

impl Settings {
    fn draw(prng: &mut Prng) -> Self {
        Self {
            pre_vote: !prng.one_in(3),
            check_quorum: prng.one_in(2),
            spread: *prng.pick(&[CommitNotification::NextMessage, CommitNotification::Immediate]),
            policy: *prng.pick(&[
                ApplyFailurePolicy::Retry,
                ApplyFailurePolicy::Retry,
                ApplyFailurePolicy::Halt,
            ]),
            entries: *prng.pick(&[1, 2, 3, 4096]),
            appends: *prng.pick(&[1, 2, 4, 256]),
            // Small ones make the core read entries back from the store.
            tail_bytes: *prng.pick(&[1, 64, 200, 1 << 26]),
            apply_bytes: *prng.pick(&[1, 100, 1 << 24]),
        }
    }

    pub(super) const fn adjust(self, config: &mut Config) {
        config.pre_vote = self.pre_vote;
        config.check_quorum = self.check_quorum;
        config.commit_notification = self.spread;
        config.apply_failure = self.policy;
        config.limits.append_entries_max = self.entries;
        config.limits.inflight_appends_max = self.appends;
        config.limits.tail_bytes_max = self.tail_bytes;
        config.limits.apply_bytes_max = self.apply_bytes;
    }
}
