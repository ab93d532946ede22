//! The smallest scenarios that violate the rules of elections, memberships, transfers and leases.

use std::collections::BTreeSet;

use raft_core::{RequestVote, TimeoutNow};

use super::*;

fn ids(nodes: &[u64]) -> BTreeSet<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

/// A membership that is joint if it has outgoing voters.
fn membership(voters: &[u64], outgoing: &[u64]) -> Membership {
    Membership { voters: ids(voters), outgoing: ids(outgoing), ..Membership::default() }
}

impl Scenario {
    /// Node 1 appends a membership, with this index and term.
    fn change(&mut self, (index, term): (u64, u64), to: Membership, commit: u64) -> &mut Self {
        self.append_membership(1, (index, term), to, commit)
    }

    /// A node appends a membership, with this index and term. It is durable.
    fn append_membership(
        &mut self,
        node: u64,
        (index, term): (u64, u64),
        to: Membership,
        commit: u64,
    ) -> &mut Self {
        let record = self.next();
        let id = LogId::new(Term(term), LogIndex(index));
        let change = Persist {
            id: PersistId(record),
            hard_state: None,
            reset: None,
            truncate_from: None,
            entries: vec![Entry::membership(id, to)],
            broken: None,
        };
        self.checker.on_persist(at(node), &change, LogIndex(commit), record);
        self.checker.on_durable(at(node), &change, record);
        self
    }

    /// The rule that is violated when node 1, which leads term 1 and has committed an entry of it,
    /// appends these memberships, each after the one before is committed.
    fn after_changes(memberships: &[Membership]) -> Option<Rule> {
        let mut scenario = Self::committed_one();
        for (index, membership) in (2..).zip(memberships) {
            scenario.change((index, 1), membership.clone(), index - 1);
        }
        scenario.violated()
    }
}

#[test]
fn quorums_of_consecutive_memberships_have_a_node_in_common() {
    let violated = Scenario::after_changes;
    let disjoint = Some(Rule::MembershipsOverlap);
    assert_eq!(violated(&[membership(&[1, 2, 3, 4], &[])]), None, "one more voter");
    assert_eq!(violated(&[membership(&[1, 2], &[])]), None, "one voter less");
    assert_eq!(violated(&[membership(&[1, 2, 4], &[])]), disjoint, "one voter is exchanged");
    assert_eq!(violated(&[membership(&[1, 2, 3, 4, 5], &[])]), disjoint, "two more voters");
    let joint = membership(&[1, 4, 5], &[1, 2, 3]);
    assert_eq!(violated(&[joint.clone(), membership(&[1, 4, 5], &[])]), None);
    assert_eq!(violated(&[membership(&[1, 4, 5], &[1, 2])]), disjoint, "not the voters before");
    assert_eq!(violated(&[joint.clone(), membership(&[1, 4], &[])]), disjoint, "not the new ones");
    let second = membership(&[4, 5], &[1, 2, 3]);
    assert_eq!(violated(&[joint, second]), disjoint, "another target on the way");
}

#[test]
fn a_leader_makes_one_membership_change_at_a_time() {
    let four = || membership(&[1, 2, 3, 4], &[]);
    let mut scenario = Scenario::committed_one();
    scenario.change((2, 1), four(), 1).change((3, 1), membership(&[1, 2, 3], &[]), 2);
    assert_eq!(scenario.violated(), None);

    let mut scenario = Scenario::committed_one();
    scenario.change((2, 1), four(), 1).change((3, 1), membership(&[1, 2, 3], &[]), 1);
    assert_eq!(scenario.violated(), Some(Rule::OneMembershipChange), "the first is not committed");

    let mut scenario = Scenario::committed_one();
    scenario.write(1, 2, &[2], true).observe(1, RoleKind::Leader, 2, 1);
    scenario.change((3, 2), four(), 1);
    assert_eq!(scenario.violated(), Some(Rule::OneMembershipChange), "no commit in term 2");

    let mut scenario = Scenario::committed_one();
    scenario.observe(1, RoleKind::Follower, 2, 1);
    scenario.change((2, 1), four(), 1).change((3, 1), membership(&[1, 2, 3], &[]), 1);
    assert_eq!(scenario.violated(), None, "a follower appends what its leader has");
}

#[test]
fn leaders_are_elected_by_a_quorum_of_their_own_membership() {
    let elected = |voters: &[u64], in_force: Option<Membership>| {
        let mut scenario = Scenario::committed_one();
        if let Some(membership) = in_force {
            scenario.change((2, 1), membership, 1);
        }
        scenario.vote(1, 5, Some(1));
        for &voter in voters {
            scenario.vote(voter, 5, Some(1)).send(voter, 1, 5, GRANTED);
        }
        scenario.observe(1, RoleKind::Leader, 5, 1);
        scenario.checker.on_elected(at(1), 30);
        scenario.violated()
    };
    let unelected = Some(Rule::ElectedByQuorum);
    assert_eq!(elected(&[2], None), None);
    assert_eq!(elected(&[], None), unelected, "its own vote alone");
    let four = || Some(membership(&[1, 2, 3, 4], &[]));
    assert_eq!(elected(&[2], four()), unelected, "two of four");
    assert_eq!(elected(&[2, 3], four()), None);
    let joint = |incoming| Some(membership(&[incoming], &[1, 2, 3]));
    assert_eq!(elected(&[2], joint(3)), unelected, "no majority of the incoming voters");
    assert_eq!(elected(&[], joint(1)), unelected, "no majority of the outgoing voters");
    assert_eq!(elected(&[2], joint(1)), None);
}

fn request(from: u64, to: u64, index: u64) -> (u64, u64, Body) {
    let last_log = LogId::new(Term(1), LogIndex(index));
    (from, to, Body::TimeoutNow(TimeoutNow { last_log }))
}

#[test]
fn leadership_is_transferred_to_a_voter_with_the_whole_log() {
    let violated = |(from, to, body): (u64, u64, Body)| {
        let mut scenario = Scenario::committed_one();
        scenario.write(1, 2, &[1], true).write(2, 2, &[1], true).write(3, 2, &[1], false);
        scenario.send(from, to, 1, body);
        scenario.violated()
    };
    let unsuitable = Some(Rule::TransferToEqualLog);
    assert_eq!(violated(request(1, 2, 2)), None);
    assert_eq!(violated(request(1, 3, 2)), unsuitable, "its last entry is not durable");
    assert_eq!(violated(request(1, 2, 1)), unsuitable, "entry 1 is not the leader's last one");
    assert_eq!(violated(request(2, 1, 2)), unsuitable, "node 2 does not lead");

    let mut scenario = Scenario::committed_one();
    scenario.change((2, 1), membership(&[1, 2], &[]), 1);
    scenario.append_membership(3, (2, 1), membership(&[1, 2], &[]), 1);
    let (from, to, body) = request(1, 3, 2);
    scenario.send(from, to, 1, body);
    assert_eq!(scenario.violated(), unsuitable, "node 3 does not vote any more");

    // The target has replaced its log in a later term: it ignores the request.
    let mut scenario = Scenario::committed_one();
    scenario.write(1, 2, &[1], true).observe(3, RoleKind::Follower, 2, 1);
    let (from, to, body) = request(1, 3, 2);
    scenario.send(from, to, 1, body);
    assert_eq!(scenario.violated(), None);
}

#[test]
fn a_campaign_claims_to_be_a_transfer_only_at_the_request_of_a_leader() {
    let claim = |of_term| {
        let last_log = LogId::new(Term(1), LogIndex(1));
        let body = Body::RequestVote(RequestVote { last_log, leadership_transfer: true });
        let mut scenario = Scenario::committed_one();
        let (from, to, request) = request(1, 2, 1);
        scenario.send(from, to, 1, request);
        scenario.vote(2, of_term, Some(2)).send(2, 3, of_term, body);
        scenario.violated()
    };
    assert_eq!(claim(2), None);
    assert_eq!(claim(3), Some(Rule::TransferIsRequested), "the campaign after it");
}

#[test]
fn no_other_node_leads_while_a_lease_holds() {
    let violated = |term_of_holder, now| {
        let mut scenario = Scenario::new();
        let end = Some(Timestamp(100));
        scenario.checker.observe_lease(at(1), Timestamp(10), end);
        scenario.observe(1, RoleKind::Leader, term_of_holder, 0);
        scenario.checker.observe_lease(at(2), Timestamp(now), None);
        scenario.observe(2, RoleKind::Leader, 2, 0);
        scenario.violated()
    };
    assert_eq!(violated(1, 99), Some(Rule::LeaseExcludesElection));
    assert_eq!(violated(1, 100), None, "the lease has ended");
    // The votes of a paused candidate arrive after a later term has a leader: a quorum is in that
    // term, so that the earlier leader commits nothing.
    assert_eq!(violated(3, 99), None, "the holder leads a later term");
}
