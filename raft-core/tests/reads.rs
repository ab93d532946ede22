//! Linearizable reads.

use raft_testkit::{Cluster, CommandOutcome, Crash, append, append_response, leader_is};

/// etcd #7331 and #7332, tikv #6340: before it has committed in its term, a leader does not know
/// what is committed.
#[test]
fn leader_refuses_reads_until_it_has_committed_in_its_term() {
    let mut c = Cluster::new(3);
    c.campaign(1);
    c.deliver_until(leader_is(1));
    let too_early = c.read(1);
    c.expect(too_early).is_to_be_retried();
    c.deliver_all();
    c.section("its empty entry is committed").tests(&["state_machine_command/linearizable_read"]);
    let read = c.read(1);
    c.deliver_all();
    c.expect(read).is_read_ready();
}

/// A leader that is deposed and has not received the new term yet completes no read.
#[test]
fn deposed_leader_completes_no_read() {
    let mut c = Cluster::new(3).scenario("a deposed leader completes no read").described(
        "A leader that is cut off does not know of its successor and of a newer write. \
         Its read waits for a confirmation that never comes, and is refused in the end.",
    );
    c.elect(1);
    c.cut_off(1);
    c.campaign(2);
    c.deliver_until(leader_is(2));
    c.deliver_all();
    let write = c.propose(2, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("a read at the old leader").tests(&["state_machine_command/linearizable_read"]);
    let read = c.read(1);
    c.deliver_all();
    c.expect(read).is_pending();
    c.heal();
    c.heartbeat(1);
    c.deliver_all();
    c.expect(read).is_refused();
}

/// A response to a heartbeat that was sent before the read does not confirm it.
#[test]
fn response_to_an_earlier_round_confirms_no_read() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.heartbeat(1);
    c.send(append());
    c.handle(append());
    c.send(append_response());
    c.hold(append_response());
    let read = c.read(1);
    c.drop(append());
    c.handle(append_response());
    c.expect(read).is_pending();
    c.heartbeat(1);
    c.deliver_all();
    c.expect(read).is_read_ready();
}

/// A node that leads again receives the response to an append of its earlier term. Rounds begin at
/// 1 in each term, so the response must not count for the round of the same number.
#[test]
fn response_to_an_append_of_an_earlier_term_confirms_no_read() {
    let mut c = Cluster::new(3)
        .scenario("a response to an append of an earlier term confirms no read")
        .described(
            "A node leads twice; rounds begin at 1 in each term. A response to an append of \
             the first term arrives while the node confirms a read in the second, and does \
             not count.",
        );
    c.elect(1);
    c.section("node 1 sends its round 3 of term 1 to node 2, late");
    c.heartbeat(1);
    c.drop(append());
    c.heartbeat(1);
    c.drop(append().to(3));
    c.send(append().to(2));
    c.hold(append().to(2));
    c.section(
        "node 1 leads term 2; node 2 receives the late append, and its response is late, too",
    );
    c.step_down(1);
    c.elect(1);
    assert_eq!(c.status(1).term.get(), 2);
    c.deliver_all();
    c.handle(append().to(2).term(1));
    c.send(append_response().from(2));
    c.hold(append_response().from(2));
    c.section("node 1 is cut off, and a write succeeds elsewhere");
    c.heartbeat(1);
    c.deliver_all();
    c.cut(1, 2);
    c.cut(1, 3);
    c.cut(3, 1);
    c.elect_with(2, &[3]);
    let write = c.propose(2, "add 1");
    for _ in 0..2 {
        c.deliver(append().from(2).to(3));
        c.deliver(append_response().from(3).to(2));
    }
    c.expect(write).is_applied();
    c.section("the response arrives at node 1 while it confirms round 3 of term 2")
        .tests(&["state_machine_command/linearizable_read"]);
    let read = c.read(1);
    c.handle(append_response().from(2).to(1).term(2));
    c.expect(read).is_pending();
}

/// etcd-io/raft PR #105: a node that restarts must not read at a commit index below the one before
/// the restart.
#[test]
fn restarted_leader_does_not_read_at_an_older_commit_index() {
    let mut c = Cluster::new(1);
    c.campaign(1);
    let write = c.propose(1, "add 1");
    c.expect(write).is_applied();
    c.crash(1, Crash::LoseUnsynced);
    c.restart(1);
    let read = c.read(1);
    c.expect(read).is_refused();
    c.campaign(1);
    let read = c.read(1);
    let outcome = c.collect(read);
    assert!(matches!(outcome, CommandOutcome::ReadReady(index) if index.get() >= 2), "{outcome:?}");
    assert_eq!(c.machine(1).total(), 1);
}

/// A read waits until the state machine has applied the commit index of its request.
#[test]
fn read_waits_for_the_state_machine() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.apply_by_hand(1);
    c.propose(1, "add 1");
    c.deliver_all();
    let read = c.read(1);
    c.deliver_all();
    c.expect(read).is_pending();
    c.apply_at_once(1);
    c.expect(read).is_read_ready();
}
