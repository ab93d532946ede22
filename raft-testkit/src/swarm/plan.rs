//! The plan of a run: what the seed determines before the first event.

use std::ops::RangeInclusive;
use std::time::Duration;

use raft_core::{
    ApplyFailurePolicy, CommitNotification, FollowerReads, LeaseSettings, Prng, Settings,
};

use super::known_bug::KnownBug;

/// The rates of the clocks in runs with leases, in thousandths.
pub(super) const CLOCK_RATES: RangeInclusive<u64> = 980..=1_020;

/// What these rates make of 300 ms, the election timeout: below 12.3 ms.
const CLOCK_DRIFT_MAX: Duration = Duration::from_millis(15);

/// How often a kind of action happens in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Frequency {
    Never,
    Rarely,
    Frequently,
}

impl Frequency {
    fn draw(prng: &mut Prng) -> Self {
        *prng.pick(&[Self::Never, Self::Rarely, Self::Rarely, Self::Frequently])
    }

    /// The weight of the action in the draw of the next one.
    pub(super) const fn weight(self) -> u64 {
        match self {
            Self::Never => 0,
            Self::Rarely => 1,
            Self::Frequently => 10,
        }
    }
}

/// The plan of a run: its nodes, their settings, and the frequency of each kind of action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// All nodes: the voters with which the cluster begins, and those that may be added.
    pub(super) nodes: usize,
    pub(super) spares: usize,
    pub(super) settings: NodeSettings,
    pub(super) disks_by_hand: bool,
    pub(super) applies_by_hand: bool,
    pub(super) in_order: bool,
    pub(super) losses: Frequency,
    pub(super) duplicates: Frequency,
    pub(super) crashes: Frequency,
    pub(super) partitions: Frequency,
    /// Leaders are partitioned from the other nodes.
    pub(super) isolations: Frequency,
    /// Single messages are held and arrive later than others.
    pub(super) delays: Frequency,
    pub(super) pauses: Frequency,
    pub(super) disk_faults: Frequency,
    pub(super) state_machine_faults: Frequency,
    pub(super) forced_inputs: Frequency,
    pub(super) timers: Frequency,
    pub(super) commands: Frequency,
    pub(super) reads: Frequency,
    pub(super) transfers: Frequency,
    /// Changes of the membership.
    pub(super) membership_changes: Frequency,
    /// Nodes lose their disks.
    pub(super) wipes: Frequency,
    pub(super) snapshots: Frequency,
    /// Snapshots that nodes request are taken later.
    pub(super) snapshots_by_hand: bool,
    /// The data of snapshots in flight is damaged.
    pub(super) damages: Frequency,
    pub(super) compaction: CompactionSettings,
}

/// How much of the log nodes keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompactionSettings {
    entries: u64,
    follower_bytes: u64,
    snapshot_bytes: u64,
}

/// The settings of the nodes that differ between runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeSettings {
    pre_vote: bool,
    check_quorum: bool,
    follower_reads: FollowerReads,
    pub(super) leases: bool,
    spread: CommitNotification,
    policy: ApplyFailurePolicy,
    entries: usize,
    appends: usize,
    tail_bytes: u64,
    apply_bytes: u64,
}

impl Plan {
    pub(super) fn draw(prng: &mut Prng) -> Self {
        let spares = *prng.pick(&[0, 0, 1, 2, 3]);
        Self {
            nodes: *prng.pick(&[1, 2, 3, 3, 3, 3, 4, 5, 5, 7]) + spares,
            spares,
            settings: NodeSettings::draw(prng),
            disks_by_hand: !prng.one_in(4),
            applies_by_hand: prng.one_in(3),
            in_order: prng.one_in(3),
            losses: Frequency::draw(prng),
            duplicates: Frequency::draw(prng),
            crashes: Frequency::draw(prng),
            partitions: Frequency::draw(prng),
            isolations: Frequency::draw(prng),
            delays: Frequency::draw(prng),
            pauses: Frequency::draw(prng),
            disk_faults: Frequency::draw(prng),
            state_machine_faults: Frequency::draw(prng),
            forced_inputs: Frequency::draw(prng),
            timers: *prng.pick(&[Frequency::Rarely, Frequency::Frequently]),
            commands: *prng.pick(&[Frequency::Rarely, Frequency::Frequently]),
            reads: *prng.pick(&[Frequency::Rarely, Frequency::Frequently]),
            transfers: Frequency::draw(prng),
            membership_changes: Frequency::draw(prng),
            wipes: Frequency::draw(prng),
            snapshots: Frequency::draw(prng),
            snapshots_by_hand: prng.one_in(2),
            damages: Frequency::draw(prng),
            compaction: CompactionSettings::draw(prng),
        }
    }

    /// Adapts the plan to a known bug, so that it shows sooner: a bug of leases gets leases, a bug of
    /// membership changes gets those. In other runs no member is added, removed or replaced, because
    /// these changes end many leaderships.
    pub(super) const fn suit(&mut self, known_bug: KnownBug) {
        if matches!(known_bug, KnownBug::ClocksDriftBeyondTheBound) {
            self.settings.leases = true;
        }
        if matches!(known_bug, KnownBug::CountsByAnEarlierMembership) {
            self.membership_changes = Frequency::Frequently;
        } else if matches!(known_bug, KnownBug::WipedNodesKeepTheirIncarnation) {
            self.wipes = Frequency::Frequently;
        } else {
            self.nodes -= self.spares;
            self.spares = 0;
            self.membership_changes = Frequency::Never;
            self.wipes = Frequency::Never;
        }
    }
}

impl CompactionSettings {
    fn draw(prng: &mut Prng) -> Self {
        Self {
            entries: *prng.pick(&[0, 1, 3, 100_000]),
            // A small budget makes slow followers need a snapshot, and a second one.
            follower_bytes: *prng.pick(&[0, 0, 300, 1 << 28]),
            snapshot_bytes: *prng.pick(&[0, 300, 1 << 30]),
        }
    }

    pub(super) const fn adjust(self, settings: &mut Settings) {
        settings.compaction.kept_entries_max = self.entries;
        settings.compaction.follower_bytes_max = self.follower_bytes;
        settings.compaction.snapshot_bytes_max = self.snapshot_bytes;
    }
}

impl NodeSettings {
    fn draw(prng: &mut Prng) -> Self {
        Self {
            pre_vote: !prng.one_in(3),
            check_quorum: prng.one_in(2),
            leases: prng.one_in(3),
            follower_reads: *prng.pick(&[FollowerReads::ReadIndex, FollowerReads::Redirect]),
            spread: *prng.pick(&[CommitNotification::NextMessage, CommitNotification::Immediate]),
            policy: *prng.pick(&[
                ApplyFailurePolicy::Retry,
                ApplyFailurePolicy::Retry,
                ApplyFailurePolicy::Halt,
            ]),
            entries: *prng.pick(&[1, 2, 3, 4096]),
            appends: *prng.pick(&[1, 2, 4, 256]),
            // A small tail makes the core fetch entries from the store.
            tail_bytes: *prng.pick(&[1, 64, 200, 1 << 26]),
            apply_bytes: *prng.pick(&[1, 100, 1 << 24]),
        }
    }

    pub(super) const fn adjust(self, settings: &mut Settings) {
        settings.pre_vote = self.pre_vote;
        settings.check_quorum = self.check_quorum || self.leases;
        if self.leases {
            settings.lease = Some(LeaseSettings { clock_drift_max: CLOCK_DRIFT_MAX });
        }
        settings.follower_reads = self.follower_reads;
        settings.commit_notification = self.spread;
        settings.apply_failure = self.policy;
        settings.limits.append_entries_max = self.entries;
        settings.limits.inflight_appends_max = self.appends;
        settings.limits.tail_bytes_max = self.tail_bytes;
        settings.limits.apply_bytes_max = self.apply_bytes;
    }
}
