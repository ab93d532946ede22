//! Every verb does what it says, and no more.

use raft_testkit::{
    Cluster, Crash, append, leader_is, pre_vote, pre_vote_response, vote, vote_response,
};

#[test]
fn a_stale_leader_loses_its_unsynced_write_and_follows() {
    let mut c = Cluster::new(3).scenario("stale leader").seed(7);
    c.section("n1 leads");
    c.elect(1);
    c.section("n1 appends but cannot replicate");
    c.disk_by_hand(1);
    let write = c.propose(1, b"add 1");
    c.drop(append().from(1));
    c.crash(1, Crash::LoseUnsynced);
    c.section("n2 takes over");
    c.campaign(2);
    c.deliver_until(leader_is(2));
    c.disk_at_once(1);
    c.restart(1);
    c.heartbeat(2);
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_all();
    c.expect(write).is_unknown();
    c.expect_converged();
}

#[test]
fn sending_and_handling_are_two_steps() {
    let mut c = Cluster::new(3);
    c.campaign(1);
    assert_eq!(c.messages(&pre_vote()).len(), 2);
    c.send(pre_vote().to(2));
    assert_eq!(c.status(2).term.get(), 0);
    c.handle(pre_vote().to(2));
    c.deliver(pre_vote_response().from(2));
    assert_eq!(c.status(1).term.get(), 1, "a quorum would vote");
    c.deliver(vote().to(2));
    c.deliver(vote_response().from(2));
    c.expect_leader(1, 1);
}
