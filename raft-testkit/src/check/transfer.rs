//! Checks of transfers of leadership.

use raft_core::{LogId, Message, NodeId, RoleKind, Term, TimeoutNow};

use super::checker::Checker;
use super::observed::{ObservedNode, offset_of};
use super::rule::Rule;
use crate::network::slot_of;

impl Checker {
    /// A leader requests a node to campaign.
    pub(super) fn check_timeout_now(
        &mut self,
        message: &Message,
        request: TimeoutNow,
        record: u64,
    ) {
        let (from, to, term) = (message.from, message.to, message.term());
        self.campaigns_requested.insert((to, term.next()));
        let sender = self.nodes.get(slot_of(from));
        let leads = sender.is_some_and(|node| {
            node.role == Some(RoleKind::Leader) && node.term == term && node.ends_with(request)
        });
        let membership = sender.and_then(|node| node.memberships.current());
        let votes = membership.is_some_and(|membership| membership.voters.contains(&to));
        let log = membership.and_then(|membership| self.durable_log_of(membership, to));
        let entry = log.and_then(|log| ObservedNode::at(log, request.last_log.index));
        let is_later = self.nodes.get(slot_of(to)).is_some_and(|node| node.term > term);
        let held = is_later || entry.is_some_and(|digest| digest.term == request.last_log.term);
        if !leads || !held || !votes {
            let last = request.last_log;
            let earlier = (durable_text(self.nodes.get(slot_of(to)), to), record);
            let later = (
                format!("{from:?} requests it in term {term} to campaign with last entry {last}"),
                record,
            );
            self.record_violation(Rule::TransferToEqualLog, earlier, later);
        }
    }

    /// A candidate claims that the leader of the term before requested its campaign.
    pub(super) fn check_transfer_flag(&mut self, candidate: NodeId, term: Term, record: u64) {
        if !self.campaigns_requested.contains(&(candidate, term)) {
            let earlier =
                (format!("no leader requested {candidate:?} to campaign in term {term}"), record);
            let later = (format!("{candidate:?} claims that one did"), record);
            self.record_violation(Rule::TransferIsRequested, earlier, later);
        }
    }
}

impl ObservedNode {
    /// Whether the log in memory ends with the entry of this request.
    fn ends_with(&self, request: TimeoutNow) -> bool {
        let LogId { term, index } = request.last_log;
        let is_last = offset_of(index).is_some_and(|at| at + 1 == self.log.len());
        is_last && self.log.last().is_some_and(|last| last.term == term)
    }
}

fn durable_text(node: Option<&ObservedNode>, id: NodeId) -> String {
    let count = node.map_or(0, |node| node.durable.len());
    format!("{id:?} has {count} durable entries")
}
