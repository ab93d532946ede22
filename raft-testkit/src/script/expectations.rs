//! Checks what scenario files expect.

use std::collections::BTreeMap;

use raft_core::{Participation, RoleKind};

use super::statement::{Expectation, Outcome, ParticipationKind};
use crate::cluster::{Cluster, RequestHandle};
use crate::trace::describe;

impl Expectation {
    /// Checks the expectation; `named` are the requests that have names.
    ///
    /// # Errors
    /// What differs, if the cluster does not end the test with a report itself.
    pub(super) fn check(
        &self,
        cluster: &mut Cluster,
        named: &BTreeMap<String, RequestHandle>,
    ) -> Result<(), String> {
        match self {
            Self::Converged => cluster.expect_converged(),
            Self::Explained { node, text } => cluster.expect_explained(*node, text),
            Self::NoLeader => cluster.expect_no_leader(),
            Self::Members { node, members } => cluster.expect_members(*node, members),
            Self::Settings { node, settings } => cluster.expect_settings(*node, settings),
            Self::Commit { node, index } => cluster.expect_commit(*node, *index),
            Self::Base { node, index } => cluster.expect_base(*node, *index),
            Self::Last { node, index, term } => cluster.expect_last(*node, *index, *term),
            Self::Participation { node, participation } => {
                return check_participation(cluster, *node, *participation);
            }
            Self::Applied { node, index } => {
                let applied = cluster.status(*node).applied_index;
                if applied.get() != *index {
                    return Err(format!(
                        "expected node {node} to have applied {index}\nit has applied {applied}"
                    ));
                }
            }
            Self::Durable { node, index } => {
                let durable = cluster.status(*node).persisted_index;
                if durable.get() != *index {
                    return Err(format!(
                        "expected the log of node {node} to be durable up to {index}\nit is up to \
                         {durable}"
                    ));
                }
            }
            Self::Total { node, total } => {
                let actual = cluster.machine(*node).total();
                if actual != *total {
                    return Err(format!(
                        "expected node {node} to have the total {total}\nits total is {actual}"
                    ));
                }
            }
            Self::Role { node, role, term } => return check_role(cluster, *node, *role, *term),
            Self::Outcome { name, outcome } => {
                let Some(&handle) = named.get(name) else {
                    return Err(format!("no request has the name {name:?}"));
                };
                check_outcome(cluster, handle, outcome);
            }
        }
        Ok(())
    }
}

fn check_role(
    cluster: &Cluster,
    node: u64,
    role: RoleKind,
    term: Option<u64>,
) -> Result<(), String> {
    let status = cluster.status(node);
    let (actual, in_term) = (status.role, status.term);
    if actual == role && term.is_none_or(|term| in_term.get() == term) {
        return Ok(());
    }
    let term = term.map_or_else(String::new, |term| format!(" in term {term}"));
    let name = |role: RoleKind| describe::role(role.into());
    let (role, actual) = (name(role), name(actual));
    Err(format!("expected node {node} to be {role}{term}\nit is {actual} in term {in_term}"))
}

fn check_participation(
    cluster: &Cluster,
    node: u64,
    expected: ParticipationKind,
) -> Result<(), String> {
    let actual = cluster.status(node).participation;
    let is_expected = match actual {
        Participation::Voter => expected == ParticipationKind::Voter,
        Participation::Learner => expected == ParticipationKind::Learner,
        Participation::Removed => expected == ParticipationKind::Removed,
        Participation::NotAMember => expected == ParticipationKind::NotAMember,
        Participation::NotAdmitted { .. } => expected == ParticipationKind::NotAdmitted,
    };
    if is_expected {
        Ok(())
    } else {
        Err(format!("expected the part of node {node} to be {expected:?}\nit is {actual:?}"))
    }
}

fn check_outcome(cluster: &mut Cluster, handle: RequestHandle, outcome: &Outcome) {
    let expectation = cluster.expect(handle);
    match outcome {
        Outcome::Applied(None) => expectation.is_applied(),
        Outcome::Applied(Some(output)) => expectation.is_applied_with(output),
        Outcome::Unknown => expectation.is_unknown(),
        Outcome::Refused(None) => expectation.is_refused(),
        Outcome::Refused(Some(reason)) => expectation.is_refused_because(reason),
        Outcome::Retry => expectation.is_to_be_retried(),
        Outcome::Redirect(node) => expectation.is_redirected_to(*node),
        Outcome::TimedOut => expectation.is_timed_out(),
        Outcome::Pending => expectation.is_pending(),
        Outcome::Failed => expectation.has_failed_to_apply(),
        Outcome::ReadReady => expectation.is_read_ready(),
        Outcome::LocalReadReady => expectation.is_local_read_ready(),
        Outcome::Transferred(node) => expectation.is_transferred_to(*node),
        Outcome::NotTransferred => expectation.is_not_transferred(),
        Outcome::MembershipChanged => expectation.is_membership_changed(),
    }
}
