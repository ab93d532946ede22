//! What is committed, and what only looks like it.

use raft_core::RoleKind;
use raft_testkit::{Cluster, Crash, append, append_response, leader_is};

/// Raft figure 8; logcabin #44: an entry of an older term on a majority is not committed by
/// counting, since a later leader may still replace it.
#[test]
fn an_entry_of_an_older_term_is_not_committed_by_counting() {
    let mut c = Cluster::new(5).pre_vote(false).window(1, 1).scenario("figure 8").described(
        "Node 1 leads, fails and leads again. Its entry of the older term reaches a majority, and \
         must not count as committed: node 5 can still be elected and replace it.",
    );
    c.section("(a) node 1 leads term 1, and its command reaches node 2 only");
    c.elect(1);
    c.propose(1, "add 1");
    c.deliver(append().from(1).to(2).entries(1));
    c.drop_all();
    c.section("(b) node 1 crashes; node 5 leads term 2 and logs a command of its own");
    c.crash(1, Crash::LoseUnsynced);
    c.crash(2, Crash::LoseUnsynced);
    c.campaign(5);
    c.deliver_until(leader_is(5));
    c.propose(5, "add 2");
    c.drop_all();
    c.section("(c) node 5 crashes; node 1 leads term 3 and copies its old entry to node 3");
    c.crash(5, Crash::LoseUnsynced);
    c.restart(1);
    c.restart(2);
    c.campaign(1);
    c.deliver_all();
    c.campaign(1);
    c.lose(append().from(1).to(4));
    // The empty entry of term 3 must not get through: one entry goes at a time.
    c.lose(append().from(1).matching(|message| carries_term(message, 3)));
    c.deliver_until(leader_is(1));
    for _ in 0..4 {
        c.deliver_all();
        c.heartbeat(1);
    }
    c.deliver_all();
    let copies = [1, 2, 3].map(|node| c.durable_commands(node));
    assert_eq!(copies, [["add 1"], ["add 1"], ["add 1"]], "on a majority of five");
    c.section("the majority does not commit it").tests(&["log_replication/old_term_not_counted"]);
    c.expect_commit(1, 1);
    c.lose_nothing();

    let mut other = c.fork();
    c.section("(d) node 1 crashes; node 5 is elected and replaces it");
    c.crash(1, Crash::LoseUnsynced);
    c.restart(5);
    for _ in 0..2 {
        c.drop_all();
        c.campaign(5);
        c.deliver_all();
    }
    assert_eq!(c.status(5).role, RoleKind::Leader);
    for _ in 0..4 {
        c.heartbeat(5);
        c.deliver_all();
    }
    assert_eq!(c.durable_commands(3), ["add 2"]);
    c.save_trace();

    other.section("(e) or: an entry of term 3 commits, and the older one with it");
    for _ in 0..4 {
        other.heartbeat(1);
        other.deliver_all();
    }
    assert!(other.status(1).commit_index.get() >= 3);
    other.restart(5);
    for _ in 0..3 {
        other.campaign(5);
        other.deliver_all();
    }
    assert_ne!(other.status(5).role, RoleKind::Leader, "its log is too old now");
}

fn carries_term(message: &raft_core::Message, term: u64) -> bool {
    let raft_core::Body::AppendEntries(append) = &message.body else { return false };
    append.entries.iter().any(|entry| entry.term().get() == term)
}

/// raftengine: in a cluster of four, two copies are no majority. openraft #1802 likewise.
#[test]
fn in_a_cluster_of_four_two_copies_do_not_commit() {
    let mut c = Cluster::new(4).scenario("of four two copies do not commit").described(
        "A command on two nodes of four could be on none of the two that survive: it commits \
         only with the third copy.",
    );
    c.section("a leader of four").uses(&["leader_election/even_cluster"]);
    c.elect(1);
    c.section("two copies").tests(&["leader_election/even_cluster"]);
    let write = c.propose(1, "add 1");
    c.deliver(append().from(1).to(2));
    c.deliver(append_response().from(2));
    c.expect_commit(1, 1);
    c.expect(write).is_pending();
    c.section("three copies");
    c.deliver(append().from(1).to(3));
    c.deliver(append_response().from(3));
    c.expect_commit(1, 2);
    c.expect(write).is_applied_with("1");
    c.save_trace();
}

/// openraft #1802: of five, the index that three hold, not two.
#[test]
fn in_a_cluster_of_five_two_copies_do_not_commit() {
    let mut c = Cluster::new(5);
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.deliver(append().to(2));
    c.deliver(append_response().from(2));
    c.expect(write).is_pending();
    c.deliver(append().to(5));
    c.deliver(append_response().from(5));
    c.expect(write).is_applied();
}

/// openraft cecb5de8: answers to appends of an older term, kept by the network until their sender
/// leads again, count for nothing: what they acknowledge has been replaced.
#[test]
fn acknowledgements_of_an_older_term_form_no_quorum() {
    let mut c = Cluster::new(5).scenario("old acknowledgements form no quorum");
    c.elect(1);
    c.section("node 2 acknowledges three commands, and the network keeps its answers");
    for _ in 0..3 {
        c.propose(1, "add 1");
    }
    c.deliver(append().to(2));
    c.drop(append().from(1));
    c.send(append_response().from(2));
    c.hold(append_response().from(2));
    c.section("node 3 leads, and replaces them").uses(&["log_replication/conflict_overwritten"]);
    c.elect_with(3, &[4, 5]);
    c.deliver_all();
    c.heartbeat(3);
    c.deliver_all();
    c.expect_last(2, 2, 2);
    c.section("node 1 leads again; the answers arrive").tests(&["log_replication"]);
    c.elect(1);
    let write = c.propose(1, "add 4");
    c.expect_last(1, 4, 3);
    c.deliver(append().to(3));
    c.handle(append_response().from(2).term(1));
    c.deliver(append_response().from(3));
    c.expect(write).is_pending();
    c.deliver_all();
    c.expect(write).is_applied();
}

/// A client is told of success only when its command is committed, even if everybody has it.
#[test]
fn a_write_is_answered_only_when_it_is_committed() {
    let mut c = Cluster::new(3);
    c.elect(1);
    let write = c.propose(1, "add 5");
    c.send(append().from(1));
    c.handle(append().from(1));
    c.send_all();
    c.expect(write).is_pending();
    c.handle(append_response().from(3));
    c.expect(write).is_applied_with("5");
}

/// A leader that loses its office cannot say whether its last command takes effect.
#[test]
fn a_write_whose_leader_is_deposed_is_unknown_and_may_yet_happen() {
    let mut c = Cluster::new(3).scenario("an unknown write may yet happen");
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.deliver(append().from(1).to(2));
    c.drop_all();
    c.cut_off(1);
    c.section("node 2 has the entry, and is elected")
        .tests(&["state_machine_command/unknown_outcome"]);
    c.campaign(2);
    c.deliver_all();
    c.heal();
    c.heartbeat(2);
    c.deliver_all();
    c.heartbeat(2);
    c.deliver_all();
    c.expect(write).is_unknown();
    c.expect_converged();
    assert_eq!(c.machine(1).total(), 1, "it happened");
}
