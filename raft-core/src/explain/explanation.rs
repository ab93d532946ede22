//! What a node finds about itself at one moment.

use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use super::finding::{Finding, TOPICS};
use crate::event::RoleKind;
use crate::types::{NodeId, Term};

/// What a node waits for at one moment, and why, as far as the node can know. For operators and for
/// the reports of failing tests: its cost does not matter, and nothing is decided by it.
///
/// Displayed as one line for the node and one for each finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The node.
    pub node: NodeId,
    /// Its role.
    pub role: RoleKind,
    /// Its term.
    pub term: Term,
    /// The leader of this term, if known; this node included.
    pub leader: Option<NodeId>,
    /// What the node waits for, by topic. Empty if it waits for nothing.
    pub findings: Vec<Finding>,
}

impl Explanation {
    /// Sorts the findings by topic; within a topic they keep their order.
    pub(crate) fn new(
        node: NodeId,
        role: RoleKind,
        term: Term,
        leader: Option<NodeId>,
        mut findings: Vec<Finding>,
    ) -> Self {
        findings.sort_by_key(|finding| TOPICS.iter().position(|&topic| topic == finding.topic()));
        Self { node, role, term, leader, findings }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            RoleKind::Follower => "follower",
            RoleKind::PreCandidate => "pre-candidate",
            RoleKind::Candidate => "candidate",
            RoleKind::Leader => "leader",
        };
        write!(f, "node {}: {role} in term {}", self.node, self.term)?;
        match self.leader {
            Some(leader) if leader == self.node => {}
            Some(leader) => write!(f, ", node {leader} leads")?,
            None => f.write_str(", no leader is known")?,
        }
        if self.findings.is_empty() {
            f.write_str("; nothing waits")?;
        }
        for finding in &self.findings {
            write!(f, "\n  {}: {finding}", finding.topic())?;
        }
        Ok(())
    }
}
