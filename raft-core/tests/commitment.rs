//! When an entry is committed, and when it is not although it is on many nodes.

use raft_core::{NodeId, RoleKind};
use raft_testkit::{Cluster, Crash, append, append_response};

/// Raft figure 8; logcabin #44: an entry of an older term on a majority is not committed by
/// counting, since a later leader may still replace it.
#[test]
fn entry_of_an_older_term_is_not_committed_by_counting_copies() {
    let mut c = figure_8();
    c.section("the majority does not commit it").tests(&["log_replication/old_term_not_counted"]);
    c.expect_commit(1, 1);

    let mut other = c.fork();
    c.section("(d) node 1 crashes; node 5 is elected by nodes 3 and 4 and replaces the entry");
    c.crash(1, Crash::LoseUnsynced);
    c.restart(5);
    c.drop_all();
    c.campaign(5);
    c.drop_all();
    c.elect_with(5, &[3, 4]);
    for _ in 0..4 {
        c.deliver_all();
        c.heartbeat(5);
    }
    c.deliver_all();
    for node in [2, 3, 4] {
        assert_eq!(c.durable_commands(node), ["add 2"], "node {node}");
    }
    c.save_trace();

    other.section(
        "(e) or: the entry of term 3 reaches node 3 and commits, and the older one with it",
    );
    other.deliver(append().from(1).to(3));
    other.deliver(append_response().from(3).to(1));
    other.expect_commit(1, 3);
    other.cut(1, 5);
    other.restart(5);
    for _ in 0..3 {
        other.campaign(5);
        other.deliver_all();
    }
    assert_ne!(other.status(5).role, RoleKind::Leader, "its log is too old now");
}

/// The cluster of Raft figure 8 at moment (c). Node 1 leads term 3 and knows that nodes 1, 2 and 3
/// hold entry 2, of term 1, while its own entry 3, of term 3, is on nodes 1 and 2 only. Without the
/// check of the term it would commit entry 2 now.
fn figure_8() -> Cluster {
    let mut c = Cluster::new(5).pre_vote(false).window(1, 1).scenario("figure 8, both ways").described(
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
    c.elect_with(5, &[3, 4]);
    c.propose(5, "add 2");
    c.drop_all();
    c.section("(c) node 5 crashes; node 1 leads term 3, and its entry 3 reaches node 2");
    c.crash(5, Crash::LoseUnsynced);
    c.restart(1);
    c.campaign(1);
    c.drop_all();
    c.elect_with(1, &[2, 3]);
    assert_eq!(c.status(1).term.get(), 3);
    c.deliver(append().from(1).to(2).entries(1));
    c.deliver(append_response().from(2).to(1).matched(true));
    c.section("node 3 lacks entry 2, and gets that one alone");
    c.deliver(append().from(1).to(3).entries(1));
    c.deliver(append_response().from(3).to(1).matched(false));
    c.deliver(append().from(1).to(3).entries(1));
    c.deliver(append_response().from(3).to(1).matched(true));
    let copies = [1, 2, 3].map(|node| c.durable_commands(node));
    assert_eq!(copies, [["add 1"], ["add 1"], ["add 1"]], "on a majority of five");
    let matched = |c: &mut Cluster, node| c.status(1).progress[&NodeId(node)].match_index.get();
    assert_eq!([2, 3, 4].map(|node| matched(&mut c, node)), [3, 2, 0], "and node 1 knows it");
    c
}

/// raftengine: in a cluster of four, two copies are no majority. openraft #1802 likewise.
#[test]
fn in_a_cluster_of_four_two_copies_do_not_commit() {
    let mut c = Cluster::new(4);
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

/// openraft cecb5de8: responses to appends of an older term that arrive when their receiver leads
/// again do not count: the entries that they acknowledge are replaced.
#[test]
fn acknowledgements_of_an_older_term_form_no_quorum() {
    let mut c = Cluster::new(5);
    c.elect(1);
    c.section("node 2 acknowledges three commands, and the network delays its responses");
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
    c.section("node 1 leads again; the responses arrive").tests(&["log_replication"]);
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

/// A command has no outcome until it is committed, even if every node has it.
#[test]
fn client_gets_a_response_only_when_its_command_is_committed() {
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

/// A deposed leader does not know whether its last command takes effect.
#[test]
fn write_whose_leader_is_deposed_is_unknown_and_may_still_be_applied() {
    let mut c = Cluster::new(3).scenario("an unknown write may still be applied").described(
        "A leader is deposed while its command is on one other node. The outcome for \
         the client is unknown; the next leader has the entry and commits it.",
    );
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
    assert_eq!(c.machine(1).total(), 1, "it was applied");
}
