//! A node's own part in the cluster.

use serde::Serialize;

use crate::types::Incarnation;

/// What the configuration in force makes of a node, as that node knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Participation {
    /// It votes, in the incoming or the outgoing configuration.
    Voter,
    /// It receives the log and does not vote.
    Learner,
    /// An earlier configuration names it, and the one in force, which is committed, does not: it
    /// was removed and never campaigns. A node that is added again and receives the log from its
    /// beginning passes through this state.
    Removed,
    /// The configuration in force does not name it: it waits for a leader that adds it, or its
    /// removal is not known to be committed.
    NotAMember,
    /// The configuration in force names another incarnation of the node: this one has lost the data
    /// of that one. It does not campaign, and its votes and acknowledgements do not count, until it
    /// is replaced ([`MembershipChange::Replace`](crate::MembershipChange::Replace)).
    NotAdmitted {
        /// The incarnation that is named.
        admitted: Incarnation,
    },
}
