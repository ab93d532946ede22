//! Configurations as traces show them.

use std::collections::BTreeSet;

use raft_core::{Membership, NodeId};
use serde::{Deserialize, Serialize};

/// A configuration, without addresses.
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
        }
    }

    /// Whether it is joint.
    #[must_use]
    pub const fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The configuration in words: `1 2 3`, `joint 1 2 3 -> 3 4 5`, `1 2 3 learners 4`.
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
