//! Configurations as traces show them.

use std::collections::BTreeSet;

use raft_core::{ClusterSettings, Membership, NodeId, Priority};
use serde::{Deserialize, Serialize};

use super::cluster_settings::cluster_settings;

/// A configuration, without addresses and incarnations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MembershipView {
    /// The voters.
    pub voters: Vec<NodeId>,
    /// The outgoing voters of a joint configuration; empty in a final one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outgoing: Vec<NodeId>,
    /// The learners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<NodeId>,
    /// The priorities of the members that have another than the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<(NodeId, u8)>,
    /// The settings of the cluster in words; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub settings: String,
}

impl MembershipView {
    /// The view of a configuration.
    #[must_use]
    pub fn of(membership: &Membership) -> Self {
        let list = |nodes: &BTreeSet<NodeId>| nodes.iter().copied().collect();
        Self {
            voters: list(&membership.voters),
            outgoing: list(&membership.outgoing),
            learners: list(&membership.learners),
            priorities: priorities(membership),
            settings: settings(membership),
        }
    }

    /// Whether it is joint.
    #[must_use]
    pub const fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The configuration in words, with priorities and settings:
    /// `1 2 3, priority of 2: 200, settings pre_vote=off`.
    #[must_use]
    pub fn full_text(&self) -> String {
        let mut text = self.text();
        for (node, priority) in &self.priorities {
            text.push_str(&format!(", priority of {node}: {priority}"));
        }
        if !self.settings.is_empty() {
            text.push_str(&format!(", settings {}", self.settings));
        }
        text
    }

    /// The members in words: `1 2 3`, `joint 1 2 3 -> 3 4 5`, `1 2 3 learners 4`.
    #[must_use]
    pub fn text(&self) -> String {
        let list = |nodes: &[NodeId]| {
            let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            names.join(" ")
        };
        let voters = list(&self.voters);
        let mut text = match self.outgoing.as_slice() {
            [] => voters,
            outgoing => format!("joint {} -> {voters}", list(outgoing)),
        };
        if !self.learners.is_empty() {
            text.push_str(" learners ");
            text.push_str(&list(&self.learners));
        }
        text
    }
}

fn priorities(membership: &Membership) -> Vec<(NodeId, u8)> {
    let others = membership.nodes.iter().filter(|(_, info)| info.priority != Priority::DEFAULT);
    others.map(|(&node, info)| (node, info.priority.0)).collect()
}

fn settings(membership: &Membership) -> String {
    if *membership.settings == ClusterSettings::NONE {
        String::new()
    } else {
        cluster_settings(&membership.settings)
    }
}
