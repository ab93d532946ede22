//! Changes of the membership, message by message.

use raft_core::{LogIndex, Participation, RoleKind};
use raft_testkit::{Cluster, Crash, append, append_response};

/// A cluster of three voters and `spares` further nodes, led by node 1.
fn led(spares: usize) -> Cluster {
    let mut c = Cluster::new(3).spares(spares);
    c.elect(1);
    c.deliver_all();
    c
}

#[test]
fn a_node_is_added_as_a_learner_and_promoted() {
    let mut c = led(1);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 4 receives the log as a learner");
    let added = c.add_learner(1, 4);
    c.deliver_all();
    c.expect(added).is_membership_changed();
    c.expect_members(1, "1 2 3 learners 4");
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.status(4).participation, Participation::Learner);
    assert_eq!(c.durable_commands(4), ["add 1"]);
    c.section("it becomes a voter");
    let promoted = c.promote(1, 4);
    c.deliver_all();
    c.expect(promoted).is_membership_changed();
    c.expect_members(4, "1 2 3 4");
    c.section("three of four voters commit, two do not");
    c.crash(2, Crash::LoseUnsynced);
    let write = c.propose(1, "add 2");
    c.deliver_all();
    c.expect(write).is_applied();
    c.crash(3, Crash::LoseUnsynced);
    let write = c.propose(1, "add 3");
    c.deliver_all();
    c.expect(write).is_pending();
}

/// Thesis §4.2.1: a learner does not count in any quorum.
#[test]
fn learners_do_not_count_in_quorums() {
    let mut c = led(2);
    for node in [4, 5] {
        let added = c.add_learner(1, node);
        c.deliver_all();
        c.expect(added).is_membership_changed();
    }
    c.crash(2, Crash::LoseUnsynced);
    c.crash(3, Crash::LoseUnsynced);
    let write = c.propose(1, "add 1");
    let read = c.read(1);
    c.deliver_all();
    c.expect(write).is_pending();
    c.expect(read).is_pending();
    assert_eq!(c.durable_commands(4), ["add 1"], "it has the entry nevertheless");
    c.campaign(4);
    assert_eq!(c.status(4).role, RoleKind::Follower, "a learner does not campaign");
}

/// Voters that differ by more than one node change through a joint configuration, which the leader
/// leaves without a further request (thesis §4.3).
#[test]
fn several_voters_change_through_a_joint_configuration() {
    let mut c = led(2);
    let change = c.set_members(1, &[1, 4, 5], &[]);
    c.expect_members(1, "joint 1 2 3 -> 1 4 5");
    c.section("a majority of the new voters alone does not commit");
    c.drop(append().to(2));
    c.drop(append().to(3));
    c.cut_off(2);
    c.cut_off(3);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect(change).is_pending();
    c.expect_members(4, "joint 1 2 3 -> 1 4 5");
    c.section("with a majority of the old voters it does");
    c.heal();
    c.heartbeat(1);
    c.deliver_all();
    c.expect(change).is_membership_changed();
    for node in [1, 4, 5] {
        c.expect_members(node, "1 4 5");
    }
    c.section("the old voters know that they are removed");
    for node in [2, 3] {
        assert_eq!(c.status(node).participation, Participation::Removed);
        c.campaign(node);
        assert_eq!(c.status(node).role, RoleKind::Follower, "node {node}");
    }
    assert!(c.status(1).progress.keys().all(|peer| [4, 5].contains(&peer.get())));
}

/// A new leader leaves the joint configuration of its predecessor.
#[test]
fn a_new_leader_leaves_the_joint_configuration() {
    let mut c = led(2);
    let change = c.set_members(1, &[3, 4, 5], &[]);
    c.deliver(append().to(2));
    c.deliver(append().to(3));
    c.deliver(append().to(4));
    c.crash(1, Crash::LoseUnsynced);
    c.expect(change).is_unknown();
    c.section("node 3 is elected by both majorities");
    c.elect(3);
    c.deliver_all();
    for node in [3, 4, 5] {
        c.expect_members(node, "3 4 5");
    }
    assert_eq!(c.status(2).participation, Participation::Removed);
    c.restart(1);
    c.heartbeat(3);
    c.deliver_all();
    assert_eq!(c.status(1).participation, Participation::Removed);
}

/// Thesis §4.2.2: the leader does not count itself, and steps down when the configuration is
/// committed.
#[test]
fn a_leader_removes_itself() {
    let mut c = led(0);
    let change = c.remove(1, 1);
    c.section("its own copy and that of one voter are no majority of the two that remain");
    c.deliver(append().to(2));
    c.deliver(append_response().from(2));
    c.expect(change).is_pending();
    c.expect_leader(1, 1);
    c.section("both are, and it steps down");
    c.deliver(append().to(3));
    c.deliver(append_response().from(3));
    c.expect(change).is_membership_changed();
    c.expect_follower(1, 1);
    assert_eq!(c.status(1).participation, Participation::Removed);
    c.deliver_all();
    for node in [2, 3] {
        assert_eq!(
            c.status(node).commit_index,
            LogIndex(2),
            "its last heartbeat carries the commit index"
        );
    }
    c.campaign(1);
    assert_eq!(c.status(1).role, RoleKind::Follower);
    c.elect(2);
    let write = c.propose(2, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
}

/// Thesis §4.2.2: while the others lack the entry that removes it, a removed voter may be the only
/// node that can become the leader.
#[test]
fn a_voter_whose_removal_is_not_committed_campaigns() {
    let mut c =
        Cluster::new(2).scenario("a voter whose removal is not committed campaigns").described(
            "A leader of two nodes removes itself and restarts before the other node has \
         the entry. Only it can win the next election: it campaigns, does not count \
         itself, and commits its removal (thesis §4.2.2).",
        );
    c.elect(1);
    c.deliver_all();
    c.remove(1, 1);
    c.drop(append().to(2));
    c.restart(1);
    c.section("node 2 needs the vote of node 1, whose log is longer")
        .tests(&["membership_change/leader_removed", "membership_change/uncommitted"]);
    c.campaign(2);
    c.deliver_all();
    assert_ne!(c.status(2).role, RoleKind::Leader);
    c.section("node 1 is elected by node 2 alone, and commits its removal");
    c.campaign(1);
    c.deliver_all();
    c.expect_members(2, "2");
    assert_eq!(c.status(1).participation, Participation::Removed);
    c.elect(2);
}
