//! Compaction of the log (Raft §7), and the snapshots that replace what was compacted.

use super::node_state::NodeState;
use crate::effect::{Effect, Outcome};
use crate::event::Event;
use crate::input::{SnapshotSent, SnapshotTaken};
use crate::membership::Membership;
use crate::message::{Body, InstallSnapshot};
use crate::ports::LogReset;
use crate::types::{LogId, LogIndex, NodeId, Round};

/// Why the log is compacted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CompactionCause {
    /// The policy permits it.
    Policy,
    /// The host requested it.
    Requested,
}

/// Entries that a follower needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    /// The follower needs the entries after this one.
    pub(crate) after: LogIndex,
    /// They are kept while those that are durably applied weigh at most this much.
    pub(crate) bytes_max: u64,
}

/// A compaction by policy removes at least this share of what is kept, so that it is rare.
const STEP_SHARE: u64 = 16;

/// Compaction.
impl NodeState {
    /// The effect of every entry up to `index` is durable in the state machine or in a snapshot.
    pub(crate) fn on_durably_applied(&mut self, index: LogIndex) {
        assert!(index <= self.apply.applied(), "only applied entries are durably applied");
        self.apply.on_durably_applied(index);
    }

    /// Removes entries that are durably applied and that neither the policy nor a follower needs.
    pub(crate) fn compact(
        &mut self,
        cause: CompactionCause,
        retained: impl Iterator<Item = Retention>,
    ) {
        let base = self.log.base();
        // A snapshot that is being installed is durable before the state machine has applied it.
        let durable = self.apply.durably_applied().min(self.apply.applied());
        if durable <= base.index {
            return;
        }
        let mut up_to = match cause {
            CompactionCause::Policy => self.compaction_target(durable),
            CompactionCause::Requested => durable,
        };
        for Retention { after, bytes_max } in retained {
            if after < up_to && self.log.bytes_between(after, durable) <= bytes_max {
                up_to = after;
            }
        }
        if up_to <= base.index
            || (cause == CompactionCause::Policy && !self.is_worth_compacting(up_to))
        {
            return;
        }
        if self.memberships.at(up_to).is_none() {
            // A node that joined receives no configuration before the first one in its log. Its base
            // must have one, for a snapshot that replaces the log of a follower.
            return;
        }
        let term = self.log.term_at(up_to).expect("applied entries after the base are in the log");
        let up_to = LogId::new(term, up_to);
        self.log.compact(up_to.index);
        self.memberships.compact(up_to.index);
        self.effects.push(Effect::Compact(up_to));
        self.event(Event::Compacted { base: up_to });
    }

    /// The last entry that the policy removes if the entries up to `durable` are durably applied.
    pub(super) fn compaction_target(&self, durable: LogIndex) -> LogIndex {
        let policy = self.config.compaction;
        let by_entries = LogIndex(durable.get().saturating_sub(policy.kept_entries_max));
        by_entries.max(self.log.first_within(durable, policy.kept_bytes_max))
    }

    pub(super) fn is_worth_compacting(&self, up_to: LogIndex) -> bool {
        let policy = &self.config.compaction;
        let base = self.log.base().index;
        up_to.distance_from(base) > policy.kept_entries_max / STEP_SHARE
            || self.log.bytes_between(base, up_to) > policy.kept_bytes_max / STEP_SHARE
    }
}

/// Snapshots of this node.
impl NodeState {
    /// The host reported a snapshot, or that there is none. Returns whether one can be sent.
    pub(crate) fn on_snapshot_taken(&mut self, taken: SnapshotTaken) -> bool {
        match taken {
            SnapshotTaken::Durable { last } => {
                assert!(last.index <= self.apply.applied(), "a snapshot covers applied entries");
                self.snapshots.on_taken(last);
            }
            SnapshotTaken::Failed => {}
        }
        self.snapshots.on_capture_ended();
        self.snapshots.usable(self.log.terms()).is_some()
    }

    /// The index up to which the next snapshot for a follower replaces the log, if one exists or is
    /// captured.
    pub(crate) fn pinned_snapshot_index(&self) -> Option<LogIndex> {
        self.snapshots.pinned_index(self.log.terms())
    }

    /// The configuration in force at an entry of the log or at its base, with its own index.
    pub(crate) fn membership_at(&self, index: LogIndex) -> Option<(LogIndex, &Membership)> {
        self.memberships.at(index)
    }

    /// Sends a snapshot to a follower. `None` if an earlier transfer to it has not ended, or if
    /// there is no snapshot: then one is requested.
    pub(crate) fn send_snapshot(&mut self, to: NodeId, round: Round) -> Option<LogId> {
        if self.snapshots.is_sending_to(to) {
            return None;
        }
        let Some(last) = self.snapshots.usable(self.log.terms()) else {
            if self.snapshots.begin_capture(self.apply.applied()) {
                self.effects.push(Effect::TakeSnapshot);
            }
            return None;
        };
        let in_force = self.memberships.at(last.index);
        let (membership_index, membership) =
            in_force.expect("the configuration in force at the base of the log is known");
        let membership = membership.clone();
        let install = InstallSnapshot { last, membership_index, membership, round };
        let message = self.message(to, Body::InstallSnapshot(install));
        self.snapshots.on_sending(to, last);
        self.effects.push(Effect::SendSnapshot(message));
        self.event(Event::SnapshotSending { to, last });
        Some(last)
    }

    /// A transfer has ended. Returns false if it was not in progress.
    pub(crate) fn on_snapshot_sent(&mut self, sent: SnapshotSent) -> bool {
        let SnapshotSent { to, last, outcome } = sent;
        let is_known = self.snapshots.on_sent(to, last);
        if is_known {
            self.event(Event::SnapshotSent { to, last, outcome });
        }
        is_known
    }
}

/// Installing a snapshot of the leader.
impl NodeState {
    /// Replaces the log up to `last`, which is after the commit index, by a snapshot. Entries after
    /// it stay if the log has `last`: then they continue the snapshot (Raft §7).
    pub(crate) fn install_snapshot(&mut self, last: LogId, membership: (LogIndex, Membership)) {
        let agrees_to = self.commit_index();
        assert!(last.index > agrees_to, "a snapshot is installed to advance the commit index");
        let replaced = self.log.last();
        let keeps_later_entries = self.log.terms().contains(last);
        let version_before = self.membership_version();
        self.memberships.reset(last.index, membership.clone(), keeps_later_entries);
        if self.membership_version() != version_before {
            self.on_membership_in_force();
        }
        self.log.reset(LogReset { base: last, membership, keeps_later_entries }, agrees_to);
        self.commit_to(last.index);
        self.apply.on_reset(last.index);
        self.snapshots.on_reset(last);
        self.event(Event::SnapshotInstalled { last, replaced, keeps_later_entries });
    }

    /// Restores the state machine once the reset of the log is durable: before that a crash could
    /// leave a state machine that is ahead of its log.
    pub(super) fn restore_after_reset(&mut self) {
        let durable = self.persists.durable();
        let Some(last) = self.snapshots.take_durable_reset(durable) else { return };
        let leader = self.leader().filter(|&leader| leader != self.id());
        for id in self.apply.on_restore(last.index) {
            self.respond(id, Outcome::Unknown { leader });
        }
        self.effects.push(Effect::RestoreSnapshot(last));
    }
}
