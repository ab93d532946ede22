//! Nodes that lost their disks: which votes, acknowledgements and requests of another incarnation
//! count.

use std::time::Duration;

use raft_core::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, Incarnation, Input, LogId, LogIndex,
    LogSlice, Membership, MembershipChange, MembershipRequest, MessageRefusal, NodeId,
    PreVoteResponse, RequestId, RequestVote, RequestVoteResponse, RoleKind, Round, Term,
    TimeoutNow, Timestamp,
};

use crate::single::{Single, append_of, entry, pinned};

fn vote_request(last_log: LogId) -> Body {
    Body::RequestVote(RequestVote { last_log, leadership_transfer: false })
}

const GRANTED: Body = Body::RequestVoteResponse(RequestVoteResponse { granted: true });
const DENIED: Body = Body::RequestVoteResponse(RequestVoteResponse { granted: false });

/// Its own configuration may be old. A candidate whose log is newer may hold the one that admits the
/// node, and may need its vote; the candidate itself decides whether that counts.
#[test]
fn node_that_is_not_admitted_votes_only_for_candidates_with_a_newer_log() {
    let not_admitted = || {
        let mut node = Single::of_incarnation(2, pinned(&[(1, 1), (2, 1), (3, 1)]));
        node.receive(2, 1, append_of(entry(1)));
        node
    };
    // Without recent contact to its leader it may vote for another node.
    let later = Timestamp(0).after(Duration::from_secs(10));
    let mut node = not_admitted();
    node.receive_at(later, 2, 2, vote_request(entry(1)));
    assert_eq!(node.sent().collect::<Vec<_>>(), [&DENIED], "the log of the candidate is no newer");
    let mut node = not_admitted();
    node.receive_at(later, 2, 2, vote_request(entry(2)));
    assert_eq!(node.sent().collect::<Vec<_>>(), [&GRANTED]);
    let mut node = not_admitted();
    node.step(later, Input::Campaign);
    assert_eq!(node.node.role(), RoleKind::Follower, "it does not campaign");
}

#[test]
fn votes_of_an_incarnation_that_is_not_admitted_do_not_count() {
    let mut node = Single::new(pinned(&[(1, 1), (2, 1), (3, 1)]));
    node.step(Timestamp(0), Input::Campaign);
    let pre_vote = PreVoteResponse { campaign_term: Term(1), granted: true };
    let not_admitted =
        MessageRefusal::SenderNotAdmitted { sender: Incarnation(2), admitted: Incarnation(1) };
    let refused = Some(not_admitted);
    let superseded =
        Some(MessageRefusal::SupersededSender { sender: Incarnation(0), current: Incarnation(1) });
    for (incarnation, refusal) in [(2, refused), (0, superseded)] {
        node.receive_from((2, incarnation), 0, Body::PreVoteResponse(pre_vote));
        assert_eq!(node.refusal(), refusal);
        assert_eq!(node.node.role(), RoleKind::PreCandidate);
    }
    node.receive(2, 0, Body::PreVoteResponse(pre_vote));
    assert_eq!(node.node.role(), RoleKind::Candidate);
    node.receive_from((2, 2), 1, GRANTED);
    assert_eq!((node.node.role(), node.refusal()), (RoleKind::Candidate, refused));
    node.receive(2, 1, GRANTED);
    assert_eq!(node.node.role(), RoleKind::Leader);
    let outcome = AppendOutcome::Matched { match_index: LogIndex(1) };
    let matched = AppendEntriesResponse { round: Round(1), outcome };
    node.receive_from((2, 2), 1, Body::AppendEntriesResponse(matched));
    assert_eq!((node.node.status().commit_index, node.refusal()), (LogIndex(0), refused));
    node.receive(2, 1, Body::AppendEntriesResponse(matched));
    assert_eq!(node.node.status().commit_index, LogIndex(1));
}

/// A voter with an old configuration follows a leader whose incarnation it does not know: only so it
/// receives the configuration that admits it. If the sender cannot hold a later one, it is refused.
#[test]
fn requests_of_a_later_incarnation_need_a_log_that_may_hold_its_admission() {
    let holds_entry_1 = || {
        let mut node = Single::new(pinned(&[(1, 1), (2, 1), (3, 1)]));
        node.receive(3, 1, append_of(entry(1)));
        // It has lost contact to that leader, and would follow another one.
        node.step(Timestamp(0), Input::Campaign);
        node
    };
    let refused = Some(MessageRefusal::SenderNotAdmitted {
        sender: Incarnation(2),
        admitted: Incarnation(1),
    });
    let append = || {
        let slice = LogSlice::empty(entry(1));
        Body::AppendEntries(AppendEntries { slice, commit: LogIndex(0), round: Round(1) })
    };
    let timeout_now = |term| {
        let last_log = LogId::new(Term(term), LogIndex(1));
        Body::TimeoutNow(TimeoutNow { last_log })
    };
    for (term, body, expected) in [
        (1, append(), refused),
        (2, append(), None),
        (1, timeout_now(1), refused),
        (2, timeout_now(2), None),
        (2, vote_request(entry(1)), refused),
        (2, vote_request(entry(2)), None),
    ] {
        let mut node = holds_entry_1();
        let shown = format!("{body:?} in term {term}");
        node.receive_from((2, 2), term, body);
        assert_eq!(node.refusal(), expected, "{shown}");
        let now_in = if expected.is_some() { 1 } else { term };
        assert_eq!(node.node.term(), Term(now_in), "{shown}");
    }
}

/// hashicorp/raft #526: with an equal log a candidate has the same configuration, in which it does not
/// vote. With a newer log it may hold one in which it does.
#[test]
fn candidate_that_does_not_vote_here_needs_a_newer_log() {
    let holds_entry_1 = || {
        let mut node = Single::new(pinned(&[(1, 1), (2, 1), (3, 1)]));
        node.receive(2, 1, append_of(entry(1)));
        node.step(Timestamp(0), Input::Campaign);
        node
    };
    let mut node = holds_entry_1();
    node.receive(9, 5, vote_request(entry(1)));
    let refusal = MessageRefusal::CandidateNotAVoter { version: LogIndex::ZERO };
    assert_eq!((node.refusal(), node.node.term()), (Some(refusal), Term(1)));
    let mut node = holds_entry_1();
    node.receive(9, 5, vote_request(entry(2)));
    assert_eq!(node.sent().collect::<Vec<_>>(), [&GRANTED]);
}

/// The leader of a cluster of one, with an empty entry that is committed.
fn single_leader(membership: Membership) -> Single {
    let mut node = Single::new(membership);
    let deadline = node.node.deadline();
    node.step(deadline, Input::Tick);
    assert_eq!(node.node.status().commit_index, LogIndex(1));
    node
}

fn change(node: &mut Single, id: u64, change: MembershipChange) {
    let request = MembershipRequest { id: RequestId(id), change, if_version: None };
    node.step(Timestamp(0), Input::ChangeMembership(request));
}

/// raft-rs #571, etcd raft #349, openraft #584: a node that is removed and added again begins a
/// replication session. What it acknowledged before counts for nothing, also under the same
/// incarnation.
#[test]
fn response_to_a_round_before_the_session_counts_for_nothing() {
    let learners = [NodeId(2)].into();
    let mut node = single_leader(Membership { learners, ..pinned(&[(1, 1)]) });
    let matched = |round| {
        let outcome = AppendOutcome::Matched { match_index: LogIndex(1) };
        Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(round), outcome })
    };
    let match_index = |node: &Single| node.node.status().progress[&NodeId(2)].match_index;
    node.receive(2, 1, matched(1));
    assert_eq!(match_index(&node), LogIndex(1));
    change(&mut node, 1, MembershipChange::Remove { node: NodeId(2) });
    let info = raft_core::MemberInfo::default();
    change(&mut node, 2, MembershipChange::AddLearner { node: NodeId(2), info });
    assert_eq!(match_index(&node), LogIndex(0));
    let round_of_session = node.sent().find_map(|body| {
        if let Body::AppendEntries(append) = body { Some(append.round) } else { None }
    });
    let first = round_of_session.expect("the learner receives an append").get();
    assert!(first > 1);
    for late in 1..first {
        node.receive(2, 1, matched(late));
        assert_eq!(match_index(&node), LogIndex(0), "round {late}");
    }
    node.receive(2, 1, matched(first));
    assert_eq!(match_index(&node), LogIndex(1));
}

/// A member whose incarnation is not pinned could lose its disk without a trace: the leader pins what
/// it has met, itself included, once it has committed in its term.
#[test]
fn leader_pins_the_incarnations_that_it_has_met() {
    let learners = [NodeId(2), NodeId(3)].into();
    let mut node = single_leader(Membership { learners, ..Membership::of_voters([NodeId(1)]) });
    let outcome = AppendOutcome::Matched { match_index: LogIndex(1) };
    let matched = AppendEntriesResponse { round: Round(1), outcome };
    node.receive_from((2, 7), 1, Body::AppendEntriesResponse(matched));
    let pinned = |node: &Single, member| node.node.status().membership.incarnation(NodeId(member));
    assert_eq!(pinned(&node, 1), None);
    let deadline = node.node.deadline();
    node.step(deadline, Input::Tick);
    let all = [1, 2, 3].map(|member| pinned(&node, member));
    assert_eq!(all, [Some(Incarnation(1)), Some(Incarnation(7)), None], "node 3 is not known");
    node.receive_from((2, 8), 1, Body::AppendEntriesResponse(matched));
    let (sender, admitted) = (Incarnation(8), Incarnation(7));
    assert_eq!(node.refusal(), Some(MessageRefusal::SenderNotAdmitted { sender, admitted }));
}
