//! Changes of the membership in scenario files.

use raft_core::{MembershipChange, NodeId, Priority};

use super::statement::Change;
use crate::cluster::{Cluster, RequestHandle};

impl Change {
    /// Requests the change from a node, if the membership has this version.
    pub(super) fn request(
        &self,
        cluster: &mut Cluster,
        from: u64,
        if_version: Option<u64>,
    ) -> RequestHandle {
        let change = match self {
            Self::AddLearner(node) => cluster.addition_of(*node),
            Self::Promote { node, when } => {
                MembershipChange::Promote { node: NodeId(*node), when: *when }
            }
            Self::Demote(node) => MembershipChange::Demote { node: NodeId(*node) },
            Self::Remove(node) => MembershipChange::Remove { node: NodeId(*node) },
            Self::Replace(node) => cluster.replacement_of(*node),
            Self::Priority { node, priority } => {
                MembershipChange::SetPriority { node: NodeId(*node), priority: Priority(*priority) }
            }
            Self::Settings(settings) => {
                MembershipChange::UpdateSettings { settings: settings.clone() }
            }
            Self::Set { voters, learners } => cluster.members_of(from, voters, learners),
        };
        cluster.change_membership_if(from, change, if_version)
    }
}
