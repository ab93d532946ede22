//! Transfer of leadership (thesis §3.10).

use std::time::Duration;

use raft_core::{
    Body, DeclineReason, Effect, Input, Membership, Message, NodeId, Outcome, Refusal, RequestId,
    RequestVote, Response, RoleKind, Rpc, Term, TimeoutNow, TimeoutNowResponse, Timestamp,
};
use raft_testkit::{
    Cluster, CommandOutcome, Crash, append, append_response, handled, leader_is, pre_vote,
    pre_vote_response, sent, timeout_now, timeout_now_response, vote,
};

use crate::single::{IDENTITY, Single, append_of, entry};

#[test]
fn target_campaigns_at_once_and_voters_ignore_their_contact_with_the_leader() {
    let mut c = Cluster::new(3)
        .scenario("leadership is transferred to a voter that has the whole log")
        .described(
            "The target campaigns without a pre-vote, and the voters vote for it although \
         they have contact with the leader.",
        )
        .config(|settings| settings.check_quorum = true);
    c.elect(1);
    c.section("node 1 transfers its leadership to node 2")
        .tests(&["leadership_transfer/without_pre_vote"]);
    let transfer = c.transfer(1, 2);
    c.deliver_until(leader_is(2));
    assert!(c.messages(&pre_vote()).is_empty());
    c.expect(transfer).is_pending();
    c.deliver_all();
    c.expect(transfer).is_transferred_to(2);
    c.expect_leader(2, 2);
    c.heartbeat(2);
    c.deliver_all();
    c.expect_converged();
}

#[test]
fn leader_refuses_commands_until_the_target_has_caught_up_and_leads() {
    let mut c = Cluster::new(3).scenario("the target of a transfer catches up first").described(
        "The target lacks an entry. The leader refuses commands and further transfers \
         until it has caught up and leads.",
    );
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.hold(append().to(2));
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 2 lacks the entry").tests(&["leadership_transfer/target_catches_up"]);
    let transfer = c.transfer(1, 2);
    assert!(c.messages(&timeout_now()).is_empty());
    let refused = c.propose(1, "add 2");
    c.expect(refused).is_to_be_retried();
    let second = c.transfer(1, 3);
    c.expect(second).is_to_be_retried();
    c.section("node 2 receives it");
    c.release(append());
    c.deliver_until(sent(timeout_now().from(1).to(2)));
    c.deliver_all();
    c.expect(transfer).is_transferred_to(2);
    assert_eq!(c.durable_commands(2), ["add 1"]);
}

#[test]
fn leader_gives_up_after_an_election_timeout_and_accepts_commands_again() {
    let mut c = Cluster::new(3).scenario("a transfer that takes too long is given up").described(
        "The requests to the target are lost: after an election timeout the leader \
         accepts commands again.",
    );
    c.elect(1);
    c.cut(1, 2);
    c.section("the requests to node 2 are lost").tests(&["leadership_transfer/times_out"]);
    let transfer = c.transfer(1, 2);
    for _ in 0..4 {
        c.heartbeat(1);
        c.deliver_all();
        c.expect(transfer).is_pending();
    }
    c.heartbeat(1);
    c.expect(transfer).is_not_transferred();
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.expect_leader(1, 1);
}

#[test]
fn without_a_named_target_the_voter_with_the_longest_durable_log_is_selected() {
    let mut c = Cluster::new(3)
        .scenario("the most caught-up voter becomes the leader")
        .described("The leader selects the voter that has most of its log.");
    c.section("the most caught-up voter becomes the leader").tests(&["leadership_transfer"]);
    c.elect(1);
    c.propose(1, "add 1");
    c.drop(append().to(2));
    c.deliver_all();
    let transfer = c.transfer(1, None);
    assert_eq!(c.status(1).transfer_target, Some(NodeId(3)));
    c.deliver_all();
    c.expect(transfer).is_transferred_to(3);
}

#[test]
fn voter_without_recent_contact_is_no_target() {
    let mut c = Cluster::new(3).scenario("a transfer needs a voter with recent contact").described(
        "A transfer to a voter that does not respond would block commands for an \
         election timeout: it is refused.",
    );
    c.section("a transfer needs a voter with recent contact")
        .tests(&["leadership_transfer/refused"]);
    c.elect(1);
    c.cut_off(1);
    c.advance(Duration::from_secs(1));
    for to in [None, Some(2)] {
        let transfer = c.transfer(1, to);
        c.expect(transfer).is_to_be_retried();
        assert_eq!(c.status(1).transfer_target, None);
    }
}

#[test]
fn follower_names_the_leader_and_a_cluster_of_one_has_no_target() {
    let mut c = Cluster::new(3);
    c.elect(1);
    let transfer = c.transfer(2, 3);
    c.expect(transfer).is_redirected_to(1);
    let mut c = Cluster::new(1);
    c.campaign(1);
    let transfer = c.transfer(1, None);
    c.expect(transfer).is_to_be_retried();
}

/// hashicorp #696, redpanda #2591: the flag of an interrupted transfer made the re-elected leader
/// refuse writes forever.
#[test]
fn leader_that_lost_its_leadership_during_a_transfer_accepts_commands_when_it_leads_again() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.section("node 1 is superseded by node 3 during a transfer to node 2")
        .tests(&["leadership_transfer/interrupted"]);
    let transfer = c.transfer(1, 2);
    c.drop(timeout_now());
    c.elect(3);
    c.deliver_all();
    c.expect(transfer).is_not_transferred();
    c.section("node 1 leads again");
    c.elect(1);
    assert_eq!(c.status(1).transfer_target, None);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    let transfer = c.transfer(1, 2);
    c.deliver_all();
    c.expect(transfer).is_transferred_to(2);
}

#[test]
fn transfer_of_a_leader_that_steps_down_ends_although_no_node_leads() {
    let mut c = Cluster::new(3);
    c.elect(1);
    let transfer = c.transfer(1, 2);
    c.step_down(1);
    c.drop(timeout_now());
    c.expect(transfer).is_pending();
    c.advance(Duration::from_millis(300));
    c.tick(1);
    c.expect(transfer).is_not_transferred();
}

/// hashicorp #570: the flag leaked into a later campaign, which voters then did not refuse.
#[test]
fn only_the_campaign_that_the_leader_requested_claims_to_be_a_transfer() {
    let mut c = Cluster::new(3);
    let flags = |c: &Cluster| {
        let requests = c.messages(&vote().from(2));
        let flag = |message: &Message| matches!(message.body(), Body::RequestVote(request) if request.leadership_transfer);
        requests.into_iter().map(flag).collect::<Vec<_>>()
    };
    c.elect(1);
    c.transfer(1, 2);
    c.deliver_until(handled(timeout_now()));
    assert_eq!(flags(&c), [true, true]);
    c.drop(vote());
    c.section("node 2 campaigns again, after a pre-vote")
        .tests(&["leadership_transfer/without_pre_vote"]);
    c.campaign(2);
    assert_eq!(c.status(2).role, RoleKind::PreCandidate);
    c.deliver(pre_vote().to(3));
    c.deliver(pre_vote_response().from(3));
    assert_eq!(flags(&c), [false, false]);
}

/// raft-rs #234: a late request to campaign of an earlier term started an election.
#[test]
fn late_or_repeated_request_to_campaign_of_an_earlier_term_has_no_effect() {
    let mut c = Cluster::new(3).scenario("a late request to campaign has no effect").described(
        "A second copy of a request to campaign reaches the leader of the next term, \
         and a follower of a later one.",
    );
    c.elect(1);
    c.transfer(1, 2);
    c.send(timeout_now());
    c.duplicate(timeout_now());
    c.hold(timeout_now().nth(1));
    c.deliver_until(leader_is(2));
    c.deliver_all();
    c.section("the leader of the next term receives it")
        .tests(&["leadership_transfer/late_timeout_now"]);
    c.handle(timeout_now());
    c.deliver_all();
    c.expect_leader(2, 2);
    c.section("a follower of a later term receives it");
    c.elect(3);
    c.transfer(3, 1);
    c.send(timeout_now());
    c.hold(timeout_now());
    c.elect(2);
    c.handle(timeout_now());
    c.deliver_all();
    c.expect_leader(2, 4);
}

/// The leader gave up and accepts commands again: a request that is still in flight must not cost
/// it its leadership.
#[test]
fn request_to_campaign_that_was_given_up_has_no_effect_once_the_log_has_grown() {
    let mut c =
        Cluster::new(3).scenario("a request to campaign that the leader gave up").described(
            "The leader gave up the transfer and committed a command: the late request \
         does not end its leadership.",
        );
    c.elect(1);
    let transfer = c.transfer(1, 2);
    c.send(timeout_now());
    c.hold(timeout_now());
    c.lose(timeout_now());
    for _ in 0..5 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect(transfer).is_not_transferred();
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("the request arrives").tests(&["leadership_transfer/late_timeout_now"]);
    c.handle(timeout_now());
    c.deliver_all();
    c.expect_leader(1, 1);
}

/// openraft #1747: reads during a transfer were stale, and their heartbeats kept the target from
/// its election.
#[test]
fn reads_during_a_transfer_are_confirmed_and_do_not_delay_it() {
    let mut c = Cluster::new(3).scenario("reads during a transfer").described(
        "A read is confirmed during a transfer; one that cannot be confirmed any more \
         is refused.",
    );
    c.elect(1);
    c.section("a read is confirmed during the transfer")
        .tests(&["state_machine_command/linearizable_read"]);
    let transfer = c.transfer(1, 2);
    c.hold(timeout_now());
    let read = c.read(1);
    c.deliver_all();
    c.expect(read).is_read_ready();
    c.section("a read that the old leader cannot confirm any more is refused");
    let late = c.read(1);
    c.release(timeout_now());
    c.deliver(timeout_now());
    c.deliver(append().from(1));
    c.drop(append_response().to(1));
    c.deliver_until(leader_is(2));
    c.deliver_all();
    c.expect(late).is_refused();
    c.expect(transfer).is_transferred_to(2);
}

#[test]
fn old_leader_completes_no_read_after_the_target_has_accepted_a_write() {
    let mut c =
        Cluster::new(3).scenario("the old leader completes no read after the transfer").described(
            "The old leader does not know of the next one and of its write, and completes \
         no read.",
        );
    c.elect(1);
    c.transfer(1, 2);
    c.deliver(timeout_now());
    c.cut(2, 1);
    c.deliver_until(leader_is(2));
    c.deliver_all();
    let write = c.propose(2, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 1 does not know yet").tests(&["state_machine_command/linearizable_read"]);
    assert_eq!(c.status(1).role, RoleKind::Leader);
    let read = c.read(1);
    c.deliver_all();
    c.expect(read).is_refused();
}

#[test]
fn leader_gives_up_at_once_if_the_target_declines() {
    let mut c = Cluster::new(3).scenario("a target declines").described(
        "A target that cannot campaign declines, and the leader accepts commands \
         again at once.",
    );
    c.elect(1);
    c.section("node 2 declines").tests(&["leadership_transfer/refused"]);
    let transfer = c.transfer(1, 2);
    c.send(timeout_now());
    c.alter(timeout_now(), |message| {
        // The decline of node 2, as node 1 receives it.
        let (from, to) = (message.to, message.from);
        message.from = from;
        message.to = to;
        let declined = decline(DeclineReason::NotVoter);
        message.rpc = Rpc::new(Term(1), declined).expect("a consistent message");
    });
    c.handle(timeout_now_response().from(2));
    c.expect(transfer).is_not_transferred();
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
}

fn decline(reason: DeclineReason) -> Body {
    Body::TimeoutNowResponse(TimeoutNowResponse { reason })
}

#[test]
fn crash_of_the_leader_ends_its_transfer_and_the_target_may_win() {
    let mut c = Cluster::new(3).scenario("the leader crashes during its transfer").described(
        "The leader crashes after the request is sent. The target is elected; the \
         caller does not know how the transfer ended.",
    );
    c.section("the leader crashes during its transfer").tests(&["leadership_transfer/interrupted"]);
    c.elect(1);
    let transfer = c.transfer(1, 2);
    c.send(timeout_now());
    c.crash(1, Crash::LoseUnsynced);
    c.deliver_until(leader_is(2));
    assert_eq!(c.collect(transfer), CommandOutcome::Unknown);
    c.restart(1);
    c.heartbeat(2);
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_all();
    c.expect_converged();
}

/// consul #7031: leadership was transferred to a node that is no voter.
#[test]
fn leader_refuses_learners_non_members_and_itself_as_targets() {
    let learners = [NodeId(2)].into();
    let mut leader = Single::new(Membership { learners, ..Membership::of_voters([IDENTITY.node]) });
    let deadline = leader.node.deadline();
    leader.step(deadline, Input::Tick);
    assert_eq!(leader.node.role(), RoleKind::Leader);
    for (request, node) in (1..).zip([1, 2, 9].map(NodeId)) {
        let id = RequestId(request);
        leader.step(deadline, Input::TransferLeadership { id, to: Some(node) });
        let refused = Outcome::Refused(Refusal::InvalidTarget { node });
        let response = Effect::Respond(Response { id, outcome: refused });
        assert_eq!(leader.effects, [response]);
    }
}

/// openraft #1805, tikv #4045: the target had not received its own promotion, and panicked or
/// campaigned for nothing.
#[test]
fn target_that_is_no_voter_by_its_own_log_declines() {
    let learners = [IDENTITY.node].into();
    let mut learner =
        Single::new(Membership { learners, ..Membership::of_voters([NodeId(2), NodeId(3)]) });
    learner.receive(2, 1, append_of(entry(1)));
    learner.receive(2, 1, Body::TimeoutNow(TimeoutNow { last_log: entry(1) }));
    let sent: Vec<&Body> = learner.sent().collect();
    assert_eq!(sent, [&decline(DeclineReason::NotVoter)]);
    assert_eq!((learner.node.role(), learner.node.term()), (RoleKind::Follower, Term(1)));
}

#[test]
fn target_with_a_stalled_disk_declines() {
    let mut node = Single::of_voters(&[1, 2, 3]);
    node.receive(2, 1, append_of(entry(1)));
    node.disk_is_stalled = true;
    node.receive(2, 1, append_of(entry(2)));
    let later = Timestamp(0).after(Duration::from_secs(10));
    node.receive_at(later, 2, 1, Body::TimeoutNow(TimeoutNow { last_log: entry(2) }));
    let sent: Vec<&Body> = node.sent().collect();
    assert_eq!(sent, [&decline(DeclineReason::StorageStalled)]);
    assert_eq!((node.node.role(), node.node.term()), (RoleKind::Follower, Term(1)));
}

/// Only the leader of the node's term may request it: not another node, not a node that the follower
/// does not know as its leader, and not the leader of an earlier term.
#[test]
fn only_the_leader_of_the_term_can_request_a_campaign() {
    let holds_entry_1 = || {
        let mut node = Single::of_voters(&[1, 2, 3]);
        node.receive(2, 1, append_of(entry(1)));
        node
    };
    let request = || Body::TimeoutNow(TimeoutNow { last_log: entry(1) });
    let state = |node: &Single| (node.node.role(), node.node.term());

    let mut node = holds_entry_1();
    node.receive(3, 1, request());
    assert_eq!(state(&node), (RoleKind::Follower, Term(1)), "node 2 leads the term");

    let mut node = holds_entry_1();
    node.step(Timestamp(0), Input::Campaign);
    node.receive(2, 1, request());
    assert_eq!(state(&node), (RoleKind::PreCandidate, Term(1)), "it campaigns already");

    let mut node = holds_entry_1();
    let vote = RequestVote { last_log: entry(1), leadership_transfer: true };
    node.receive(3, 2, Body::RequestVote(vote));
    node.receive(2, 1, request());
    assert_eq!(state(&node), (RoleKind::Follower, Term(2)), "node 2 led an earlier term");

    let mut node = holds_entry_1();
    node.receive(2, 1, request());
    assert_eq!(state(&node), (RoleKind::Candidate, Term(2)), "node 2 leads the term");
}
