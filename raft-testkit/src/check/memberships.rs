//! Checks of the configurations in the logs, and of their changes.

use raft_core::{Entry, LogIndex, Membership, NodeId, Payload, RoleKind};

use super::checker::Checker;
use super::observed::{EntryDigest, ObservedNode, node_id};
use super::rule::Rule;
use crate::network::slot_of;
use crate::trace::record::MembershipView;

/// Whether any two quorums of consecutive configurations have a node in common.
fn overlap(before: &Membership, after: &Membership) -> bool {
    if before.is_joint() {
        let same_voters = before.voters == after.voters;
        same_voters && (!after.is_joint() || before.outgoing == after.outgoing)
    } else if after.is_joint() {
        before.voters == after.outgoing
    } else {
        before.voters.symmetric_difference(&after.voters).count() <= 1
    }
}

impl Checker {
    /// The configuration in force at a node.
    pub(super) fn membership_of(&self, node: NodeId) -> Option<&Membership> {
        self.nodes.get(slot_of(node))?.memberships.current()
    }

    /// Every configuration that is in force at a node, or may be after a crash or a truncation.
    pub(crate) fn possible_memberships(&self) -> impl Iterator<Item = &Membership> {
        self.nodes.iter().flat_map(|node| {
            let commit = node.commit.min(node.hard_state.commit);
            node.memberships.since(commit).chain(node.durable_memberships.since(commit))
        })
    }

    /// The durable log of the incarnation that this configuration pins, or of the current one.
    pub(super) fn durable_log_of(
        &self,
        membership: &Membership,
        node: NodeId,
    ) -> Option<&[EntryDigest]> {
        let observed = self.nodes.get(slot_of(node))?;
        match membership.incarnation(node) {
            Some(pinned) if pinned != observed.incarnation => {
                self.wiped_logs.get(&(node, pinned)).map(Vec::as_slice)
            }
            Some(_) | None => Some(&observed.durable),
        }
    }

    /// A node appended an entry. `commit` is its commit index after the step.
    pub(super) fn check_membership_appended(
        &mut self,
        at: usize,
        entry: &Entry,
        commit: LogIndex,
        record: u64,
    ) {
        let Payload::Membership(after) = &entry.payload else { return };
        for read in self.confirmations.reads.iter_mut().filter(|read| read.leader == node_id(at)) {
            read.memberships.push(Membership::clone(after));
        }
        let Some(node) = self.nodes.get(at) else { return };
        let Some(before) = node.memberships.current() else { return };
        let (id, version) = (node_id(at), node.memberships.version());
        let text = |membership| MembershipView::of(membership).text();
        if !overlap(before, after) {
            let earlier = (format!("{id:?} has membership {version}: {}", text(before)), record);
            let later = (format!("{id:?} appends {}: {}", entry.index(), text(after)), record);
            self.record_violation(Rule::MembershipsOverlap, earlier, later);
            return;
        }
        let leads = node.role == Some(RoleKind::Leader) && entry.term() == node.term;
        let commit_term = ObservedNode::at(&node.log, commit).map(|digest| digest.term);
        if leads && (version > commit || commit_term != Some(node.term)) {
            let earlier =
                (format!("{id:?} has membership {version} and has committed {commit}"), record);
            let later = (
                format!(
                    "{id:?} appends membership {} as the leader of term {}",
                    entry.index(),
                    node.term
                ),
                record,
            );
            self.record_violation(Rule::OneMembershipChange, earlier, later);
        }
    }

    /// A node was elected: a quorum of the configuration in force there has voted for it.
    pub(crate) fn on_elected(&mut self, at: usize, record: u64) {
        let Some(node) = self.nodes.get(at) else { return };
        let (id, term) = (node_id(at), node.term);
        if self.forged_votes.contains(&(id, term)) {
            return;
        }
        let Some(membership) = node.memberships.current() else { return };
        let own = node.hard_state;
        let votes = |voter: NodeId| {
            if voter == id {
                return own.term == term && own.voted_for == Some(id);
            }
            let current = || self.nodes.get(slot_of(voter)).map(|voter| voter.incarnation);
            let Some(incarnation) = membership.incarnation(voter).or_else(current) else {
                return false;
            };
            let vote = self.votes.get(&(voter, incarnation, term));
            vote.is_some_and(|&(candidate, _)| candidate == id)
        };
        if membership.is_quorum(votes) {
            return;
        }
        let voters: Vec<String> = membership
            .members()
            .into_iter()
            .filter(|&voter| votes(voter))
            .map(|voter| format!("{voter:?}"))
            .collect();
        let members = MembershipView::of(membership).text();
        let earlier =
            (format!("the voters of {id:?} in term {term} are [{}]", voters.join(" ")), record);
        let later = (format!("{id:?} leads term {term} of the members {members}"), record);
        self.record_violation(Rule::ElectedByQuorum, earlier, later);
    }

    /// A test passes forged votes of this term to a node: they need not be cast.
    pub(crate) fn on_votes_forged(&mut self, candidate: NodeId, term: raft_core::Term) {
        self.forged_votes.insert((candidate, term));
    }
}
