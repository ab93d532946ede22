//! What a test says must be so. Each failure is a report, not only a line.

use raft_core::RoleKind;
use raft_core::ports::{LogStore, StateMachine};

use super::requests::RequestHandle;
use super::sim_cluster::Cluster;
use crate::trace::record::{CommandOutcome, Liveness};

/// What is expected of one command. Made by [`Cluster::expect`].
#[derive(Debug)]
#[must_use = "say what is expected"]
pub struct Expectation<'a, M: StateMachine, S: LogStore> {
    cluster: &'a mut Cluster<M, S>,
    handle: RequestHandle,
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Begins an expectation about a command.
    pub const fn expect(&mut self, handle: RequestHandle) -> Expectation<'_, M, S> {
        Expectation { cluster: self, handle }
    }

    /// The node leads, in this term.
    ///
    /// # Panics
    /// If not; the other expectations likewise.
    pub fn expect_leader(&self, node: u64, term: u64) {
        let status = self.status(node);
        if status.role != RoleKind::Leader || status.term.get() != term {
            let saw = format!("it is a {:?} in term {}", status.role, status.term);
            self.fail(&format!("node {node} should lead term {term}, but {saw}"));
        }
    }

    /// The node follows, in this term.
    pub fn expect_follower(&self, node: u64, term: u64) {
        let status = self.status(node);
        if status.role != RoleKind::Follower || status.term.get() != term {
            let saw = format!("it is a {:?} in term {}", status.role, status.term);
            self.fail(&format!("node {node} should follow in term {term}, but {saw}"));
        }
    }

    /// No node leads.
    pub fn expect_no_leader(&self) {
        self.assert_started();
        let leads = self
            .nodes
            .iter()
            .find(|node| node.liveness == Liveness::Up && node.status.role == RoleKind::Leader);
        if let Some(leader) = leads {
            self.fail(&format!("nobody should lead, but node {} does", leader.id));
        }
    }

    /// The node has committed exactly up to this index.
    pub fn expect_commit(&self, node: u64, index: u64) {
        let commit = self.status(node).commit_index;
        if commit.get() != index {
            self.fail(&format!("node {node} should have committed {index}, but has {commit}"));
        }
    }

    /// The node's log ends in this entry.
    pub fn expect_last(&self, node: u64, index: u64, term: u64) {
        let last = self.status(node).last_log;
        if last.index.get() != index || last.term.get() != term {
            self.fail(&format!(
                "node {node}'s log should end in {index}@{term}, but ends in {last}"
            ));
        }
    }

    /// Every node that is up has the same log, all of it committed and applied, and one of them
    /// leads.
    pub fn expect_converged(&self) {
        if let Err(why) = self.converged() {
            self.fail(&format!("the cluster should have converged: {why}"));
        }
    }

    /// Whether the nodes that are up agree on everything; else why not.
    ///
    /// # Errors
    /// The first thing on which they do not agree.
    pub fn converged(&self) -> Result<(), String> {
        self.assert_started();
        let up = || self.nodes.iter().filter(|node| node.liveness == Liveness::Up);
        let leaders: Vec<_> = up().filter(|node| node.status.role == RoleKind::Leader).collect();
        let [leader] = leaders.as_slice() else {
            return Err(format!("{} nodes lead", leaders.len()));
        };
        let last = leader.status.last_log;
        for node in up() {
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
    /// It was applied.
    ///
    /// # Panics
    /// If not; the other expectations likewise.
    pub fn is_applied(self) {
        self.check("applied", |outcome| matches!(outcome, CommandOutcome::Applied(_)));
    }

    /// It was applied, and the state machine answered this.
    pub fn is_applied_with(self, output: &str) {
        let what = format!("applied with {output:?}");
        self.check(&what, |outcome| matches!(outcome, CommandOutcome::Applied(o) if o == output));
    }

    /// The state machine of the node that was asked failed at it.
    pub fn has_failed_to_apply(self) {
        let failed = |outcome: &CommandOutcome| matches!(outcome, CommandOutcome::ApplyFailed(_));
        self.check("failed to apply", failed);
    }

    /// Nobody can say whether it takes effect.
    pub fn is_unknown(self) {
        self.check("unknown", |outcome| *outcome == CommandOutcome::Unknown);
    }

    /// It was refused, in one way or another: it is not in the log.
    pub fn is_refused(self) {
        self.check("refused", |outcome| {
            matches!(
                outcome,
                CommandOutcome::Redirect(_) | CommandOutcome::Retry(_) | CommandOutcome::Refused(_)
            )
        });
    }

    /// It was refused, since this node leads.
    pub fn is_redirected_to(self, leader: u64) {
        let what = format!("redirected to {leader}");
        self.check(
            &what,
            |outcome| matches!(outcome, CommandOutcome::Redirect(to) if to.get() == leader),
        );
    }

    /// It was refused for now.
    pub fn is_to_be_retried(self) {
        self.check("to be retried", |outcome| matches!(outcome, CommandOutcome::Retry(_)));
    }

    /// The read may be answered.
    pub fn is_read_ready(self) {
        self.check("ready to be read", |outcome| matches!(outcome, CommandOutcome::ReadReady(_)));
    }

    /// The client gave up on it: it has no answer, and is collected as timed out.
    pub fn is_timed_out(self) {
        self.check("timed out", |outcome| *outcome == CommandOutcome::TimedOut);
    }

    /// It has no answer yet. The client goes on waiting.
    pub fn is_pending(self) {
        if let Some(outcome) = self.cluster.outcome(self.handle) {
            let number = self.handle.number();
            self.cluster.fail(&format!("command {number} should be pending, but is {outcome:?}"));
        }
    }

    fn check(self, what: &str, holds: impl Fn(&CommandOutcome) -> bool) {
        let outcome = self.cluster.collect(self.handle);
        if !holds(&outcome) {
            let number = self.handle.number();
            self.cluster.fail(&format!("command {number} should be {what}, but is {outcome:?}"));
        }
    }
}
