//! The configurations in a log.

use raft_core::{Entry, LogIndex, LogReset, Membership, Payload};

/// The configurations in a log, ascending by index.
#[derive(Clone, Debug, Default)]
pub(super) struct MembershipLog {
    by_index: Vec<(LogIndex, Membership)>,
}

impl MembershipLog {
    /// The configurations of a bootstrapped store.
    pub(super) fn bootstrapped(membership: Membership) -> Self {
        Self { by_index: vec![(LogIndex::ZERO, membership)] }
    }

    /// Adds the configuration of an entry, if it carries one.
    pub(super) fn append(&mut self, entry: &Entry) {
        match &entry.payload {
            Payload::Membership(membership) => {
                self.by_index.push((entry.index(), Membership::clone(membership)));
            }
            Payload::Empty | Payload::Command(_) => {}
        }
    }

    pub(super) fn truncate_from(&mut self, from: LogIndex) {
        self.by_index.retain(|&(index, _)| index < from);
    }

    /// Replaces the configurations up to `base` by the one in force there, and the later ones, too,
    /// unless their entries stay.
    pub(super) fn reset(&mut self, base: LogIndex, reset: &LogReset) {
        self.by_index.retain(|&(index, _)| reset.keeps_later_entries && index > base);
        self.by_index.insert(0, reset.membership.clone());
    }

    /// The index of the configuration in force.
    pub(super) fn version(&self) -> LogIndex {
        self.by_index.last().map_or(LogIndex::ZERO, |&(index, _)| index)
    }

    /// The configuration in force.
    pub(super) fn current(&self) -> Option<&Membership> {
        self.by_index.last().map(|(_, membership)| membership)
    }

    /// The configuration in force if the log ends at `commit`, and all later ones.
    pub(super) fn since(&self, commit: LogIndex) -> impl Iterator<Item = &Membership> {
        let first = self.by_index.partition_point(|&(index, _)| index <= commit).saturating_sub(1);
        self.by_index.iter().skip(first).map(|(_, membership)| membership)
    }

    /// The configuration by which a leader advanced its commit index from `before` to `now`: the
    /// one in force, or the joint one before it if the leader left that in the same step.
    pub(super) fn committing(&self, before: LogIndex, now: LogIndex) -> Option<&Membership> {
        if let [.., (joint_at, joint), (left_at, _)] = self.by_index.as_slice()
            && joint.is_joint()
            && (before < *joint_at && *joint_at <= now && now < *left_at)
        {
            return Some(joint);
        }
        self.current()
    }
}
