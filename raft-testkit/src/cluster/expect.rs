//! Expectations about nodes and requests. A failure panics with a report.

use raft_core::RoleKind;
use raft_core::ports::{LogStore, StateMachine};

use super::requests::RequestHandle;
use super::sim_cluster::Cluster;
use crate::trace::record::{CommandOutcome, Liveness, MembershipView, cluster_settings};

/// An expectation about the outcome of one request. Made by [`Cluster::expect`].
#[derive(Debug)]
#[must_use = "call a method that states the expected outcome"]
pub struct Expectation<'a, M: StateMachine, S: LogStore> {
    cluster: &'a mut Cluster<M, S>,
    handle: RequestHandle,
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Begins an expectation about the outcome of a request.
    pub const fn expect(&mut self, handle: RequestHandle) -> Expectation<'_, M, S> {
        Expectation { cluster: self, handle }
    }

    /// Expects that the node is the leader of this term.
    ///
    /// # Panics
    /// If it is not, or there is no such node, or the cluster has not started; the other
    /// expectations likewise.
    pub fn expect_leader(&self, node: u64, term: u64) {
        let status = self.status(node);
        if status.role != RoleKind::Leader || status.term.get() != term {
            let saw = format!("it is a {:?} in term {}", status.role, status.term);
            self.fail(&format!("node {node} should lead term {term}, but {saw}"));
        }
    }

    /// Expects that the node is a follower in this term.
    pub fn expect_follower(&self, node: u64, term: u64) {
        let status = self.status(node);
        if status.role != RoleKind::Follower || status.term.get() != term {
            let saw = format!("it is a {:?} in term {}", status.role, status.term);
            self.fail(&format!("node {node} should follow in term {term}, but {saw}"));
        }
    }

    /// Expects the configuration in force at the node, as `1 2 3`, `joint 1 2 3 -> 3 4 5` or
    /// `1 2 3 learners 4`.
    pub fn expect_members(&self, node: u64, members: &str) {
        let found = MembershipView::of(&self.status(node).membership).text();
        if found != members {
            self.fail(&format!("the members at node {node} should be {members}, but are {found}"));
        }
    }

    /// Expects the settings of the cluster in the configuration in force at the node, as in traces:
    /// `election_timeout=900ms pre_vote=off`, or `own` if the cluster has none.
    pub fn expect_settings(&self, node: u64, settings: &str) {
        let found = cluster_settings(&self.status(node).membership.settings);
        if found != settings {
            self.fail(&format!("node {node} should have settings {settings}, but has {found}"));
        }
    }

    /// Expects that no node that is up leads.
    pub fn expect_no_leader(&self) {
        self.assert_started();
        let leads = self
            .nodes
            .iter()
            .find(|node| node.liveness == Liveness::Up && node.status.role == RoleKind::Leader);
        if let Some(leader) = leads {
            self.fail(&format!("no node should lead, but node {} does", leader.id));
        }
    }

    /// Expects that this is the commit index of the node.
    pub fn expect_commit(&self, node: u64, index: u64) {
        let commit = self.status(node).commit_index;
        if commit.get() != index {
            self.fail(&format!("node {node} should have committed {index}, but has {commit}"));
        }
    }

    /// Expects that this is the last entry of the node's log.
    pub fn expect_last(&self, node: u64, index: u64, term: u64) {
        let last = self.status(node).last_log;
        if last.index.get() != index || last.term.get() != term {
            self.fail(&format!(
                "node {node}'s log should end in {index}@{term}, but ends in {last}"
            ));
        }
    }

    /// Expects that exactly one of the nodes that are up leads, and that all of them have its term
    /// and its log, committed and applied to the end.
    pub fn expect_converged(&self) {
        if let Err(why) = self.converged() {
            self.fail(&format!("the cluster should have converged: {why}"));
        }
    }

    /// Whether [`Cluster::expect_converged`] holds.
    ///
    /// # Errors
    /// The first difference that was found.
    pub fn converged(&self) -> Result<(), String> {
        self.assert_started();
        let up = || self.nodes.iter().filter(|node| node.liveness == Liveness::Up);
        let leaders: Vec<_> = up().filter(|node| node.status.role == RoleKind::Leader).collect();
        let [leader] = leaders.as_slice() else {
            return Err(format!("{} nodes lead", leaders.len()));
        };
        let last = leader.status.last_log;
        if let Some(target) = leader.status.transfer_target {
            return Err(format!("n{} transfers its leadership to n{target}", leader.id));
        }
        for node in up().filter(|node| leader.admits(node)) {
            let (id, status) = (node.id, &node.status);
            if status.term != leader.status.term {
                return Err(format!("n{id} is in term {}", status.term));
            }
            if status.last_log != last {
                return Err(format!(
                    "n{id}'s log ends in {}, n{}'s in {last}",
                    status.last_log, leader.id
                ));
            }
            if status.commit_index != last.index {
                return Err(format!(
                    "n{id} has committed {} of {}",
                    status.commit_index, last.index
                ));
            }
            if status.applied_index != last.index {
                return Err(format!(
                    "n{id} has applied {} of {}",
                    status.applied_index, last.index
                ));
            }
        }
        Ok(())
    }
}

impl<M: StateMachine, S: LogStore> Expectation<'_, M, S> {
    /// The command was applied.
    ///
    /// # Panics
    /// If not; the other expectations likewise.
    pub fn is_applied(self) {
        self.check("applied", |outcome| matches!(outcome, CommandOutcome::Applied(_)));
    }

    /// The command was applied and this is the output of the state machine.
    pub fn is_applied_with(self, output: &str) {
        let what = format!("applied with {output:?}");
        self.check(&what, |outcome| matches!(outcome, CommandOutcome::Applied(o) if o == output));
    }

    /// The state machine of the node failed at the command.
    pub fn has_failed_to_apply(self) {
        let failed = |outcome: &CommandOutcome| matches!(outcome, CommandOutcome::ApplyFailed(_));
        self.check("failed to apply", failed);
    }

    /// The outcome is unknown: the command may still be applied.
    pub fn is_unknown(self) {
        self.check("unknown", |outcome| *outcome == CommandOutcome::Unknown);
    }

    /// The request was refused for any reason: the command is not in the log.
    pub fn is_refused(self) {
        self.check("refused", |outcome| {
            matches!(
                outcome,
                CommandOutcome::Redirect(_) | CommandOutcome::Retry(_) | CommandOutcome::Refused(_)
            )
        });
    }

    /// The request was refused, and this text is a part of the reason.
    pub fn is_refused_because(self, reason: &str) {
        self.check(&format!("refused because {reason:?}"), |outcome| {
            matches!(
                outcome,
                CommandOutcome::Retry(why) | CommandOutcome::Refused(why) if why.contains(reason)
            )
        });
    }

    /// The request was refused with this node as the leader.
    pub fn is_redirected_to(self, leader: u64) {
        let what = format!("redirected to {leader}");
        self.check(
            &what,
            |outcome| matches!(outcome, CommandOutcome::Redirect(to) if to.get() == leader),
        );
    }

    /// The request was refused and can be retried at the same node.
    pub fn is_to_be_retried(self) {
        self.check("to be retried", |outcome| matches!(outcome, CommandOutcome::Retry(_)));
    }

    /// The read is confirmed and applied far enough.
    pub fn is_read_ready(self) {
        self.check("ready to read", |outcome| matches!(outcome, CommandOutcome::ReadReady(_)));
    }

    /// The state of the node may be read as it is.
    pub fn is_local_read_ready(self) {
        let ready =
            |outcome: &CommandOutcome| matches!(outcome, CommandOutcome::LocalReadReady { .. });
        self.check("ready to read the local state", ready);
    }

    /// The leadership was transferred to this node.
    pub fn is_transferred_to(self, leader: u64) {
        let what = format!("transferred to {leader}");
        self.check(
            &what,
            |outcome| matches!(outcome, CommandOutcome::Transferred(to) if to.get() == leader),
        );
    }

    /// The transfer of the leadership began and failed.
    pub fn is_not_transferred(self) {
        let failed =
            |outcome: &CommandOutcome| matches!(outcome, CommandOutcome::NotTransferred(_));
        self.check("not transferred", failed);
    }

    /// The membership is changed.
    pub fn is_membership_changed(self) {
        self.check("a changed membership", |outcome| {
            matches!(outcome, CommandOutcome::MembershipChanged(_))
        });
    }

    /// The request has no outcome. It is recorded as timed out.
    pub fn is_timed_out(self) {
        self.check("timed out", |outcome| *outcome == CommandOutcome::TimedOut);
    }

    /// The request has no outcome yet. Nothing is recorded.
    pub fn is_pending(self) {
        if let Some(outcome) = self.cluster.outcome(self.handle) {
            let number = self.handle.number();
            self.cluster.fail(&format!("request {number} should be pending, but is {outcome:?}"));
        }
    }

    fn check(self, what: &str, holds: impl Fn(&CommandOutcome) -> bool) {
        let outcome = self.cluster.collect(self.handle);
        if !holds(&outcome) {
            let number = self.handle.number();
            self.cluster.fail(&format!("request {number} should be {what}, but is {outcome:?}"));
        }
    }
}
