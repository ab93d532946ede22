//! Leases of leaders (thesis §6.4.1).

use std::time::Duration;

use raft_core::{
    ClusterId, Config, ConfigError, GroupId, Identity, Incarnation, LeaseSettings, NodeId,
    RoleKind, Settings, Timestamp,
};
use raft_testkit::{
    Cluster, Crash, Rule, any, append, append_response, leader_is, timeout_now, vote, vote_response,
};

const DRIFT: Duration = millis(15);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Election timeouts of 300 ms: a lease lasts 285 ms.
fn cluster() -> Cluster {
    Cluster::new(3).leases(DRIFT)
}

fn lease_end(c: &Cluster, node: u64) -> Option<Timestamp> {
    c.status(node).lease_end
}

fn at(time: u64) -> Option<Timestamp> {
    Some(Timestamp(0).after(millis(time)))
}

/// Six rounds of node 1 that this node does not receive: 360 ms.
fn rounds_without(c: &mut Cluster, node: u64) {
    c.lose(append().to(node));
    for _ in 0..6 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.lose_nothing();
}

#[test]
fn leased_read_needs_no_messages_until_the_lease_ends() {
    let mut c = cluster().scenario("a leased read needs no messages").described(
        "A leader with a lease serves reads at once. Without responses the lease \
         ends, and a read is confirmed by a round.",
    );
    c.elect(1);
    assert_eq!(lease_end(&c, 1), at(285));
    c.section("the lease holds").tests(&["leader_lease"]);
    c.advance(millis(284));
    let read = c.read_leased(1);
    c.expect(read).is_read_ready();
    assert!(c.messages(&any()).is_empty());
    c.section("the lease has ended: the read is confirmed by a round")
        .tests(&["leader_lease/expires"]);
    c.advance(millis(1));
    let read = c.read_leased(1);
    c.expect(read).is_pending();
    c.deliver_all();
    c.expect(read).is_read_ready();
    assert_eq!(lease_end(&c, 1), at(285 + 285));
}

#[test]
fn linearizable_reads_are_confirmed_by_a_round_although_the_leader_has_a_lease() {
    let mut c = cluster().scenario("a linearizable read does not depend on clocks").described(
        "A caller that does not want to depend on clocks gets a read that a round \
         confirms.",
    );
    c.section("a linearizable read does not depend on clocks")
        .tests(&["leader_lease", "state_machine_command/linearizable_read"]);
    c.elect(1);
    let read = c.read(1);
    c.expect(read).is_pending();
    c.deliver_all();
    c.expect(read).is_read_ready();
}

#[test]
fn without_leases_a_leased_read_is_confirmed_by_a_round() {
    let mut c = Cluster::new(3);
    c.elect(1);
    assert_eq!(lease_end(&c, 1), None);
    let read = c.read_leased(1);
    c.expect(read).is_pending();
    c.deliver_all();
    c.expect(read).is_read_ready();
}

#[test]
fn lease_counts_from_the_start_of_the_round_and_not_from_its_responses() {
    let mut c = cluster().scenario("a lease counts from the start of a round").described(
        "A late response to a round does not extend the lease beyond an election \
         timeout after the round began.",
    );
    c.elect(1);
    c.heartbeat(1);
    c.section("the responses to the round of 60 ms are late").tests(&["leader_lease/send_time"]);
    c.deliver(append());
    c.advance(millis(200));
    c.deliver(append_response());
    assert_eq!(lease_end(&c, 1), at(60 + 285));
}

/// A paused leader finds its lease expired by its own clock.
#[test]
fn leader_that_was_paused_does_not_serve_reads_by_its_old_lease() {
    let mut c = cluster().scenario("a paused leader has no lease any more").described(
        "A leader is paused while another one is elected. When it continues, its \
         lease has ended by its own clock.",
    );
    c.elect(1);
    c.block(1);
    c.section("another node is elected and accepts a write").tests(&["leader_lease/expires"]);
    c.advance(millis(300));
    c.campaign(2);
    c.deliver_until(leader_is(2));
    c.deliver_all();
    let write = c.propose(2, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 1 continues");
    c.hold(any().to(1));
    c.unblock(1);
    let read = c.read_leased(1);
    c.expect(read).is_pending();
    c.release(any());
    c.deliver_all();
    c.expect(read).is_refused();
}

#[test]
fn node_with_contact_does_not_campaign_even_if_its_host_requests_it() {
    let mut c = cluster().scenario("no campaign while a lease may hold").described(
        "A node with recent contact to a leader that may have a lease does not \
         campaign.",
    );
    c.section("no campaign while a lease may hold").tests(&["leader_lease"]);
    c.elect(1);
    c.advance(millis(299));
    c.campaign(2);
    assert_eq!(c.status(2).role, RoleKind::Follower);
    c.advance(millis(1));
    c.elect(2);
}

/// A restarted node does not know that it has acknowledged a round.
#[test]
fn restarted_node_withholds_its_vote_for_an_election_timeout() {
    let mut c = cluster().scenario("a restarted node withholds its vote").described(
        "A node may have acknowledged a round before its restart, so it votes only \
         after an election timeout.",
    );
    c.elect(1);
    c.section("node 2 acknowledges a round and restarts; node 3 has no contact")
        .tests(&["leader_lease/restart"]);
    rounds_without(&mut c, 3);
    assert_eq!(lease_end(&c, 1), at(360 + 285));
    c.crash(2, Crash::LoseUnsynced);
    c.restart(2);
    c.cut_off(1);
    c.campaign(3);
    c.deliver_all();
    assert_ne!(c.status(3).role, RoleKind::Leader);
    let read = c.read_leased(1);
    c.expect(read).is_read_ready();
    c.section("after an election timeout it votes");
    c.advance(millis(300));
    c.campaign(3);
    c.deliver_until(leader_is(3));
}

/// Without this a follower that receives a later term from a node without a leader would vote in it
/// at once, while the leader of the earlier term has a lease.
#[test]
fn later_term_does_not_release_a_withheld_vote() {
    let mut c = cluster()
        .scenario("a later term does not release a vote")
        .described(
            "A late message with a later term reaches a follower. It does not vote while \
         the lease of its leader may hold.",
        )
        .pre_vote(false);
    c.campaign(2);
    c.send(vote().to(3));
    c.hold(vote().to(3));
    c.drop(vote().to(1));
    c.elect(1);
    c.expect_leader(1, 1);
    c.section("node 2 acknowledges a round; node 3 has no contact, and is in term 4");
    rounds_without(&mut c, 3);
    for _ in 0..3 {
        c.campaign(3);
        c.drop(vote().from(3));
    }
    c.section("node 2 learns of term 4, and node 3 requests its vote in term 5")
        .tests(&["leader_lease/later_term"]);
    c.handle(vote().from(2).to(3));
    c.deliver(vote_response().from(3).to(2));
    assert_eq!(c.status(2).term.get(), 4);
    c.campaign(3);
    c.deliver(vote().from(3).to(2));
    assert_eq!((c.status(2).term.get(), c.status(3).role), (4, RoleKind::Candidate));
    let read = c.read_leased(1);
    c.expect(read).is_read_ready();
    c.section("an election timeout after its contact it votes");
    c.advance(millis(300));
    c.campaign(3);
    c.deliver(vote().from(3).to(2));
    c.deliver(vote_response().from(2).to(3));
    assert_eq!(c.status(3).role, RoleKind::Leader);
}

/// openraft #1747: a leader served reads by its lease while it transferred its leadership.
#[test]
fn leader_has_no_lease_while_it_transfers_its_leadership() {
    let mut c = cluster().scenario("no lease during a transfer").described(
        "The campaign of the target does not wait for the lease, so that the leader \
         has none during a transfer.",
    );
    c.elect(1);
    c.section("node 2 leads, and node 1 does not know").tests(&["leader_lease/transfer"]);
    c.transfer(1, 2);
    assert_eq!(lease_end(&c, 1), None);
    c.deliver(timeout_now());
    c.cut_off(1);
    c.deliver_until(leader_is(2));
    c.deliver_all();
    let write = c.propose(2, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    let read = c.read_leased(1);
    c.deliver_all();
    c.expect(read).is_pending();
}

/// raft-rs #234: a late request to campaign started an election while the leader, which had given
/// up the transfer, had a lease again.
#[test]
fn leader_that_requested_a_campaign_has_no_lease_in_its_term_any_more() {
    let mut c = cluster();
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
    assert_eq!(lease_end(&c, 1), None);
    c.section("the request arrives").tests(&["leader_lease/transfer"]);
    c.handle(timeout_now());
    c.deliver_until(leader_is(2));
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_all();
    assert!(lease_end(&c, 2).is_some(), "the next leader has one");
}

#[test]
fn lease_holds_again_after_a_transfer_whose_target_was_never_requested_to_campaign() {
    let mut c = cluster().scenario("a transfer to a node that does not catch up").described(
        "The target never caught up and was never requested to campaign: after the \
         transfer the leader has a lease again.",
    );
    c.section("a transfer to a node that does not catch up").tests(&["leader_lease/transfer"]);
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.lose(append().to(2).entries(1));
    c.drop(append().to(2));
    c.deliver_all();
    c.expect(write).is_applied();
    let transfer = c.transfer(1, 2);
    for _ in 0..5 {
        assert_eq!(lease_end(&c, 1), None);
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect(transfer).is_not_transferred();
    assert_eq!(lease_end(&c, 1), at(300 + 285));
}

#[test]
fn leader_that_steps_down_or_has_not_committed_in_its_term_has_no_lease() {
    let mut c = cluster().scenario("a lease needs a commit in the term").described(
        "A lease begins with the first commit of the term and ends with the \
         leadership.",
    );
    c.section("a lease needs a commit in the term").tests(&["leader_lease"]);
    c.campaign(1);
    c.deliver_until(leader_is(1));
    assert_eq!(lease_end(&c, 1), None);
    let read = c.read_leased(1);
    c.expect(read).is_to_be_retried();
    c.deliver_all();
    assert!(lease_end(&c, 1).is_some());
    c.step_down(1);
    assert_eq!(lease_end(&c, 1), None);
    let read = c.read_leased(1);
    c.expect(read).is_refused();
}

#[test]
fn only_voter_of_a_cluster_of_one_has_a_lease() {
    let mut c = Cluster::new(1).leases(DRIFT);
    c.campaign(1);
    for round in 0..100 {
        assert_eq!(lease_end(&c, 1), at(60 * round + 285));
        c.heartbeat(1);
    }
}

/// The host must provide a clock that does not stand still: the node knows no other time. The rule
/// of the testkit detects what follows.
#[test]
fn clock_that_stands_still_breaks_the_lease() {
    let mut c = cluster()
        .scenario("a clock that stands still")
        .described(
            "The clock of a leader stands still, beyond any bound: the checker finds the \
         second leader.",
        )
        .without_panic();
    c.section("a clock that stands still").tests(&["leader_lease"]);
    c.elect(1);
    c.clock_rate(1, 0);
    c.cut_off(1);
    c.advance(millis(1_000));
    c.campaign(2);
    c.deliver_until(leader_is(2));
    let violation = c.violation().expect("a second leader while node 1 has a lease");
    assert_eq!(violation.rule, Rule::LeaseExcludesElection);
}

/// The leader's clock is slow and the follower's is fast, within the bound.
#[test]
fn clocks_that_diverge_within_the_bound_keep_the_lease_exclusive() {
    let mut c = cluster().scenario("clocks diverge within the bound").described(
        "The clocks of the nodes run at different rates, within the bound of the \
         settings: the lease excludes other leaders.",
    );
    c.section("clocks diverge within the bound").tests(&["leader_lease/expires"]);
    c.clock_rate(1, 980);
    c.clock_rate(2, 1_020);
    c.clock_rate(3, 1_020);
    c.elect(1);
    c.cut_off(1);
    for _ in 0..400 {
        c.advance(millis(1));
        if c.status(2).role == RoleKind::Leader {
            break;
        }
        c.campaign(2);
        c.deliver_all();
    }
    assert_eq!(c.status(2).role, RoleKind::Leader);
    let late = c.read_leased(1);
    c.expect(late).is_pending();
}

#[test]
fn settings_of_a_lease_are_checked() {
    let identity = Identity {
        cluster: ClusterId(1),
        group: GroupId(0),
        node: NodeId(1),
        incarnation: Incarnation(1),
    };
    let check = |check_quorum, drift| {
        let mut settings = Settings::default();
        settings.check_quorum = check_quorum;
        settings.lease = Some(LeaseSettings { clock_drift_max: millis(drift) });
        Config::new(identity, 1, settings).map(|_| ())
    };
    assert_eq!(check(true, 239), Ok(()));
    assert_eq!(check(false, 10), Err(ConfigError::LeaseWithoutCheckQuorum));
    let (heartbeat, election) = (millis(60), millis(300));
    let too_short = ConfigError::LeaseTooShort { drift: millis(240), heartbeat, election };
    assert_eq!(check(true, 240), Err(too_short));
}
