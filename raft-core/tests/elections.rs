//! Elections: which node becomes the leader.

use std::time::Duration;

use raft_core::RoleKind;
use raft_testkit::{
    Cluster, Crash, Timers, append, append_response, election_settled, leader_is, pre_vote,
    pre_vote_response, vote, vote_response,
};

/// etcd #8243: if a voter in a later term does not respond with its term, no election succeeds.
#[test]
fn refused_pre_vote_carries_the_later_term() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.crash(2, Crash::LoseUnsynced);
    c.step_down(1);
    c.set_term(3, 5);
    c.section("node 3 would not vote for an earlier term, and responds with its own")
        .tests(&["leader_election/all_yes_votes_with_pre_vote"]);
    c.campaign(1);
    c.deliver(pre_vote().to(3));
    let response = c.message(&pre_vote_response().from(3)).clone();
    assert_eq!(response.term().get(), 5);
    c.deliver_all();
    c.expect_follower(1, 5);
    c.section("it votes in the next term");
    c.elect(1);
    c.expect_leader(1, 6);
}

/// etcd #8501, raft-rs #42: a node with a later term and a shorter log must not prevent every
/// election.
#[test]
fn later_term_with_a_shorter_log_does_not_block_elections() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.crash(3, Crash::LoseUnsynced);
    c.propose(1, "add 1");
    c.deliver_all();
    c.set_term(3, 5);
    c.crash(2, Crash::LoseUnsynced);
    c.section("node 3 requests pre-votes and is refused: its log is too short");
    c.campaign(3);
    c.deliver_all();
    c.section("the leader follows into term 5, and is elected in the next one")
        .tests(&["leader_election/higher_term_steps_down"]);
    c.expect_follower(1, 5);
    c.elect(1);
    c.expect_leader(1, 6);
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.durable_commands(3), ["add 1"]);
}

/// etcd #8334, tikv #3270, raft-rs #83 and #84: with check-quorum, a pre-candidate never finds a
/// quorum if voters protect the crashed leader, or if old votes count.
#[test]
fn check_quorum_and_pre_vote_together_elect_a_leader_after_a_crash() {
    for seed in 0..20 {
        let mut c = Cluster::new(3).seed(seed).timers(Timers::On);
        let leader = wait_for_leader(&mut c, &[1, 2, 3]);
        c.crash(leader, Crash::LoseUnsynced);
        let rest: Vec<u64> = (1..=3).filter(|&node| node != leader).collect();
        let next = wait_for_leader(&mut c, &rest);
        assert_ne!(next, leader);
    }
}

fn wait_for_leader(c: &mut Cluster, among: &[u64]) -> u64 {
    let leads = |c: &Cluster, node: u64| c.status(node).role == RoleKind::Leader;
    c.run_until(Duration::from_secs(10), |c| among.iter().any(|&node| leads(c, node)));
    among.iter().copied().find(|&node| leads(c, node)).expect("the condition was met")
}

/// openraft 511f33c7: late pre-vote grants must not start another election.
#[test]
fn late_pre_vote_grant_does_not_disturb_the_leader() {
    let mut c = Cluster::new(3);
    c.campaign(1);
    c.send(pre_vote());
    c.handle(pre_vote());
    c.send(pre_vote_response());
    c.hold(pre_vote_response().from(3));
    c.deliver_until(leader_is(1));
    c.section("the grant of node 3 arrives when node 1 leads already");
    c.handle(pre_vote_response().from(3));
    c.deliver_all();
    c.expect_leader(1, 1);
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
}

/// raftengine leader.py:403: half of an even cluster is not a majority.
#[test]
fn in_a_cluster_of_four_two_votes_do_not_elect() {
    let mut c = Cluster::new(4).pre_vote(false);
    c.section("two votes of four").tests(&["leader_election/even_cluster"]);
    c.campaign(1);
    c.deliver(vote().to(2));
    c.deliver(vote_response().from(2));
    assert_eq!(c.status(1).role, RoleKind::Candidate);
    c.section("three votes of four");
    c.deliver(vote().to(3));
    c.deliver(vote_response().from(3));
    c.expect_leader(1, 1);
}

/// Raft §5.4.1: voters compare the term of the candidate's last entry, not its current term.
#[test]
fn candidate_with_a_stale_log_loses_at_any_term() {
    let mut c =
        Cluster::new(3).pre_vote(false).scenario("a stale log at a higher term loses").described(
            "A node that missed a committed entry campaigns again and again until its term is far \
             above all others. It would lose that entry if it won; the term of its last entry, \
             not its own, is what voters compare.",
        );
    c.section("node 3 misses a committed entry").uses(&["network_partition"]);
    c.elect(1);
    c.partition(&[&[1, 2], &[3]]);
    let kept = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(kept).is_applied();
    for _ in 0..3 {
        c.campaign(3);
    }
    c.drop_all();
    c.section("its term is high, its log is old").tests(&["leader_election/stale_log_loses"]);
    c.heal();
    c.campaign(3);
    c.deliver_all();
    c.expect_no_leader();
    c.section("a node with the entry is elected in a term above");
    c.campaign(2);
    c.deliver_until(leader_is(2));
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.durable_commands(3), ["add 1"]);
    c.save_trace();
}

/// Raft §5.2: one vote a term, also after a crash.
#[test]
fn vote_is_kept_across_a_crash() {
    let mut c =
        Cluster::new(3).pre_vote(false).scenario("a vote is kept across a crash").described(
            "A voter grants its vote of a term and crashes. After its restart it denies the \
             same vote to another candidate.",
        );
    c.campaign(1);
    c.campaign(3);
    c.deliver(vote().from(1).to(2));
    c.drop(vote_response().from(2));
    c.crash(2, Crash::LoseUnsynced);
    c.restart(2);
    c.section("the other candidate of the term requests a vote")
        .tests(&["leader_election/one_vote_a_term"]);
    c.deliver(vote().from(3).to(2));
    c.deliver(vote_response().from(2).granted(false));
    assert_eq!(c.status(3).role, RoleKind::Candidate);
    c.section("neither candidate has a quorum");
    c.expect_no_leader();
}

/// Raft §5.2: no candidate wins a split vote; the next election has a winner.
#[test]
fn split_vote_elects_no_leader() {
    let mut c =
        Cluster::new(4).pre_vote(false).scenario("a split vote ends without a leader").described(
            "Two candidates of four voters get two votes each. The term ends without a \
             leader; the next election has one.",
        );
    c.section("two candidates, two votes each").tests(&["leader_election/split_vote"]);
    c.campaign(1);
    c.campaign(2);
    c.deliver(vote().from(1).to(3));
    c.deliver(vote().from(2).to(4));
    c.deliver_all();
    c.expect_no_leader();
    c.elect(1);
    c.expect_leader(1, 2);
}

/// thesis §6.2: a leader without contact to a quorum steps down, so that its clients try other
/// nodes.
#[test]
fn leader_without_contact_to_a_quorum_steps_down() {
    let mut c = Cluster::new(3)
        .scenario("a leader without contact to a quorum steps down")
        .described(
            "A partition separates the leader from all others. After an election timeout \
             without a response of a quorum it steps down, and its clients try other nodes.",
        )
        .timers(Timers::On);
    let leader = wait_for_leader(&mut c, &[1, 2, 3]);
    c.section("the leader is alone").tests(&["leader_election/check_quorum"]);
    c.partition(&[&[leader]]);
    let write = c.propose(leader, "add 1");
    c.run_for(Duration::from_secs(1));
    assert_ne!(c.status(leader).role, RoleKind::Leader);
    c.expect(write).is_unknown();
}

/// thesis §4.2.3: a node without contact must not depose a leader that all others have contact
/// with.
#[test]
fn follower_with_recent_contact_to_its_leader_ignores_vote_requests() {
    let mut c = Cluster::new(3)
        .pre_vote(false)
        .scenario("a leader with recent contact is protected")
        .described(
            "A node campaigns although the leader works. A voter with recent contact to the \
             leader ignores the request, and no term changes.",
        )
        .timers(Timers::On);
    let leader = wait_for_leader(&mut c, &[1, 2, 3]);
    let term = c.status(leader).term;
    let other = if leader == 1 { 2 } else { 1 };
    c.section("another node campaigns").tests(&["leader_election/leader_stickiness"]);
    c.heartbeat(leader);
    c.deliver_all();
    c.campaign(other);
    c.deliver(vote().from(other));
    let third = 6 - leader - other;
    assert_eq!(c.status(third).term, term, "it ignores the request");
}

/// etcd: a leader of an older term that is reachable again follows, and its late appends are
/// rejected.
#[test]
fn response_to_a_stale_append_deposes_its_sender() {
    let mut c = Cluster::new(3).scenario("a stale append deposes its sender").described(
        "A leader of an earlier term is reachable again. The rejection of its heartbeat \
         carries the later term, and it follows.",
    );
    c.elect(1);
    c.cut_off(1);
    c.campaign(2);
    c.deliver_until(leader_is(2));
    c.deliver_all();
    c.heal();
    c.heartbeat(1);
    c.section("the old leader's heartbeat").tests(&["leader_election/higher_term_steps_down"]);
    c.deliver(append().from(1).to(3));
    c.deliver(append_response().from(3).to(1));
    c.expect_follower(1, 2);
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_until(election_settled());
    c.expect_leader(2, 2);
}

/// hashicorp/raft #526: a node that is not a member has no vote.
#[test]
fn vote_of_a_non_member_does_not_count() {
    let mut c = Cluster::new(3)
        .pre_vote(false)
        .scenario("a node that is not a member has no vote")
        .described(
            "A granted vote arrives from a node that is not a member (hashicorp/raft issue \
             526). It does not count: the candidate needs a majority of the members.",
        );
    c.section("the vote of node 9 does not count").tests(&["leader_election"]);
    c.campaign(1);
    c.deliver(vote().to(2));
    c.alter(vote_response().from(2), |message| message.from = raft_core::NodeId(9));
    c.deliver(vote_response().to(1));
    assert_eq!(c.status(1).role, RoleKind::Candidate);
    c.deliver(vote().to(3));
    c.deliver(vote_response().from(3));
    c.expect_leader(1, 1);
}
