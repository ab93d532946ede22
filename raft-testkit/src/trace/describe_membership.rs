//! Changes of the membership in words.

use std::collections::BTreeSet;

use raft_core::{LogIndex, MembershipChange, NodeId, PromoteWhen};

use super::describe_message::node_name;
pub use super::record::cluster_settings;

/// A change of the membership.
#[must_use]
pub fn membership_change(change: &MembershipChange) -> String {
    let list = |nodes: &BTreeSet<NodeId>| {
        let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    match change {
        MembershipChange::AddLearner { node, .. } => format!("add learner {node}"),
        MembershipChange::Promote { node, when: PromoteWhen::Now } => format!("promote {node}"),
        MembershipChange::Promote { node, when: PromoteWhen::CaughtUp } => {
            format!("promote {node} when caught up")
        }
        MembershipChange::Demote { node } => format!("demote {node}"),
        MembershipChange::Remove { node } => format!("remove {node}"),
        MembershipChange::Replace { node, incarnation } => {
            format!("replace {node} by incarnation {incarnation}")
        }
        MembershipChange::UpdateAddresses { node, .. } => format!("update addresses of {node}"),
        MembershipChange::SetPriority { node, priority } => {
            format!("set the priority of {node} to {priority}")
        }
        MembershipChange::UpdateSettings { settings } => {
            format!("update settings to {}", cluster_settings(settings))
        }
        MembershipChange::Set { voters, learners, .. } if learners.is_empty() => {
            format!("set members {}", list(voters))
        }
        MembershipChange::Set { voters, learners, .. } => {
            format!("set members {} learners {}", list(voters), list(learners))
        }
    }
}

/// A follower that acknowledges less than before.
pub(super) fn lost_entries(follower: NodeId, from: LogIndex, to: LogIndex) -> String {
    let follower = node_name(follower);
    format!("{follower} has lost entries: it acknowledged {from}, its log ends at {to}")
}

/// Settings of a node that contradict those of the cluster.
pub(super) fn contradiction(rule: &str) -> String {
    format!("its own settings contradict those of the cluster: {rule}")
}
