//! Changes of the membership in words.

use std::collections::BTreeSet;
use std::time::Duration;

use raft_core::{
    ClusterSettings, CommitNotification, LeasePolicy, LogIndex, MembershipChange, NodeId,
    PromoteWhen,
};

use super::describe_message::node_name;

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

/// The settings of a cluster, with the words of scenario files; `own` if it has none.
#[must_use]
pub fn cluster_settings(settings: &ClusterSettings) -> String {
    let duration = |name: &str, value: Option<Duration>| {
        value.map(|value| format!("{name}={}ms", value.as_millis()))
    };
    let number = |name: &str, value: Option<u64>| value.map(|value| format!("{name}={value}"));
    let flag = |name: &str, value: Option<bool>| {
        value.map(|value| format!("{name}={}", if value { "on" } else { "off" }))
    };
    let lease = settings.lease.map(|lease| match lease {
        LeasePolicy::Off => "lease=off".to_owned(),
        LeasePolicy::On(lease) => format!("lease={}ms", lease.clock_drift_max.as_millis()),
    });
    let notification = settings.commit_notification.map(|notification| match notification {
        CommitNotification::NextMessage => "notify_commit=off".to_owned(),
        CommitNotification::Immediate => "notify_commit=on".to_owned(),
    });
    let parts: Vec<String> = [
        duration("election_timeout", settings.election_timeout_min),
        duration("heartbeat_interval", settings.heartbeat_interval),
        flag("pre_vote", settings.pre_vote),
        flag("check_quorum", settings.check_quorum),
        lease,
        notification,
        number("kept_entries", settings.kept_entries_max),
        number("kept_bytes", settings.kept_bytes_max),
        number("follower_bytes", settings.follower_bytes_max),
        number("snapshot_bytes", settings.snapshot_bytes_max),
        number("append_entries", settings.append_entries_max.map(u64::from)),
        number("append_bytes", settings.append_bytes_max),
        number("command_bytes", settings.command_bytes_max),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "own".to_owned() } else { parts.join(" ") }
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
