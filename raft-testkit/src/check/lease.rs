//! Checks of leases.

use raft_core::{RoleKind, Term, Timestamp};

use super::checker::Checker;
use super::observed::node_id;
use super::rule::Rule;

impl Checker {
    /// The lease of a node after an event at this virtual time; `end` is virtual time, too.
    pub(crate) fn observe_lease(&mut self, at: usize, now: Timestamp, end: Option<Timestamp>) {
        self.now = now;
        if let Some(node) = self.nodes.get_mut(at) {
            node.lease_end = end;
        }
    }

    /// Whether a node holds a lease now.
    pub(super) fn holds_lease(&self, at: usize, now: Timestamp) -> bool {
        self.nodes.get(at).and_then(|node| node.lease_end).is_some_and(|end| now < end)
    }

    /// No node leads while another one of an earlier term may serve reads without messages. A node
    /// that is paused counts: it continues where it stopped. A leader of an earlier term than the
    /// holder's is superseded already.
    pub(super) fn check_leases(&mut self, at: usize, record: u64) {
        let now = self.now;
        let is_excluded = |holder: usize, leader: usize| {
            let (Some(first), Some(second)) = (self.nodes.get(holder), self.nodes.get(leader))
            else {
                return false;
            };
            let leads = second.role == Some(RoleKind::Leader) && second.term > first.term;
            leads && self.holds_lease(holder, now)
        };
        let pairs = (0..self.nodes.len()).flat_map(|other| [(at, other), (other, at)]);
        let found = pairs.into_iter().find(|&(holder, leader)| is_excluded(holder, leader));
        if let Some((holder, leader)) = found {
            let term = self.nodes.get(leader).map_or(Term(0), |node| node.term);
            let earlier = (format!("{:?} holds a lease", node_id(holder)), record);
            let later = (format!("{:?} leads term {term}", node_id(leader)), record);
            self.record_violation(Rule::LeaseExcludesElection, earlier, later);
        }
    }
}
