//! Linearizable reads at followers (thesis §6.4).

use std::time::Duration;

use raft_core::{Body, FollowerReads};
use raft_testkit::{
    Cluster, CommandOutcome, Crash, any, append, append_response, leader_is, read_index,
    read_index_response,
};

fn cluster() -> Cluster {
    Cluster::new(3).follower_reads(FollowerReads::ReadIndex)
}

#[test]
fn follower_reads_its_own_state_at_the_confirmed_index_of_the_leader() {
    let mut c = cluster().scenario("a read at a follower").described(
        "A follower requests the read index from the leader and reads its own state \
         once it has applied that index.",
    );
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 2 has not applied the entry, and requests the read index")
        .tests(&["state_machine_command/read_at_follower"]);
    c.apply_by_hand(2);
    let read = c.read(2);
    c.deliver_all();
    c.expect(read).is_pending();
    c.section("it applies the entry");
    c.apply_at_once(2);
    assert_eq!(c.collect(read), CommandOutcome::ReadReady(c.status(1).commit_index));
    assert_eq!(c.machine(2).total(), 1);
}

#[test]
fn follower_redirects_reads_unless_it_is_configured_to_request_the_read_index() {
    let mut c = Cluster::new(3);
    c.elect(1);
    let read = c.read(2);
    c.expect(read).is_redirected_to(1);
}

#[test]
fn follower_without_a_leader_refuses_reads() {
    let mut c = cluster()
        .scenario("no read at a follower without a leader")
        .described("A follower that knows no leader refuses reads, which may be retried.");
    c.section("no read at a follower without a leader")
        .tests(&["state_machine_command/read_at_follower", "state_machine_command/request_retry"]);
    let read = c.read(2);
    c.expect(read).is_to_be_retried();
}

/// etcd #7331 and #7332, tikv #6340, #9208, #9239 and #9351: before it has committed in its term, a
/// leader does not know what is committed.
#[test]
fn leader_returns_no_read_index_until_it_has_committed_in_its_term() {
    let mut c = cluster().scenario("no read index before the first commit of a term").described(
        "A new leader does not know what is committed: it returns no read index \
         before its first commit.",
    );
    c.campaign(1);
    c.deliver_until(leader_is(1));
    c.deliver(append().to(2));
    c.section("node 2 follows, and nothing is committed in the term")
        .tests(&["state_machine_command/read_at_follower"]);
    let read = c.read(2);
    c.deliver(read_index());
    c.deliver(read_index_response());
    c.expect(read).is_to_be_retried();
    c.deliver_all();
    let read = c.read(2);
    c.deliver_all();
    c.expect(read).is_read_ready();
}

/// A response to a heartbeat that was sent before the request arrived does not confirm it.
#[test]
fn response_to_an_earlier_round_confirms_no_read_index() {
    let mut c = cluster().scenario("an earlier round confirms no read index").described(
        "A response to a round that began before the request does not confirm the \
         read index.",
    );
    c.section("an earlier round confirms no read index")
        .tests(&["state_machine_command/read_at_follower"]);
    c.elect(1);
    c.heartbeat(1);
    c.send(append());
    c.handle(append());
    c.send(append_response());
    c.hold(append_response());
    let read = c.read(2);
    c.deliver(read_index());
    c.drop(append());
    c.handle(append_response());
    assert!(c.messages(&read_index_response()).is_empty());
    c.heartbeat(1);
    c.deliver_all();
    c.expect(read).is_read_ready();
}

/// A leader in a minority, and a follower that reads through it.
#[test]
fn superseded_leader_returns_no_read_index() {
    let mut c = Cluster::new(5)
        .scenario("a superseded leader returns no read index")
        .described(
            "A leader that is cut off from the majority cannot confirm a read index of \
         its followers.",
        )
        .follower_reads(FollowerReads::ReadIndex);
    c.elect(1);
    c.partition(&[&[1, 2], &[3, 4, 5]]);
    c.campaign(3);
    c.deliver_until(leader_is(3));
    c.deliver_all();
    let write = c.propose(3, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 2 follows the old leader").tests(&["state_machine_command/read_at_follower"]);
    let read = c.read(2);
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect(read).is_pending();
    c.section("it learns of the next term");
    c.heal();
    c.heartbeat(3);
    c.deliver_all();
    c.expect(read).is_refused();
    let read = c.read(2);
    c.deliver_all();
    c.expect(read).is_read_ready();
}

#[test]
fn reads_that_arrive_while_a_request_is_in_flight_share_the_next_one() {
    let mut c = cluster().scenario("reads at a follower share a request").described(
        "A follower has one request for a read index in flight; later reads share the \
         next one.",
    );
    c.section("reads at a follower share a request")
        .tests(&["state_machine_command/read_at_follower"]);
    c.elect(1);
    let first = c.read(2);
    let others = [c.read(2), c.read(2), c.read(2)];
    assert_eq!(c.messages(&read_index()).len(), 1);
    c.deliver(read_index());
    c.deliver(append().from(1));
    c.deliver(append_response());
    c.deliver(read_index_response());
    c.expect(first).is_read_ready();
    assert_eq!(c.messages(&read_index()).len(), 1, "one request for the three others");
    for read in others {
        c.expect(read).is_pending();
    }
    c.deliver_all();
    for read in others {
        c.expect(read).is_read_ready();
    }
}

#[test]
fn lost_request_ends_its_reads_after_an_election_timeout() {
    let mut c = cluster().scenario("a request for a read index is lost").described(
        "Reads whose request for a read index is lost are refused after an election \
         timeout.",
    );
    c.section("a request for a read index is lost")
        .tests(&["state_machine_command/read_at_follower"]);
    c.elect(1);
    let lost = c.read(2);
    c.drop(read_index());
    let waiting = c.read(2);
    c.advance(Duration::from_millis(299));
    c.tick(2);
    c.expect(lost).is_pending();
    c.heartbeat(1);
    c.deliver_all();
    c.tick(2);
    c.expect(lost).is_to_be_retried();
    c.deliver_all();
    c.expect(waiting).is_read_ready();
}

/// The number of a request differs from those before a restart: the response to an older request
/// has an index that later writes are beyond.
#[test]
fn response_to_a_request_before_a_restart_does_not_count() {
    let mut c = cluster().scenario("a response from before a restart").described(
        "A response to a request from before a restart does not confirm a read from \
         after it.",
    );
    c.elect(1);
    c.read(2);
    c.deliver(read_index());
    c.deliver(append().from(1));
    c.deliver(append_response());
    c.send(read_index_response());
    c.hold(read_index_response());
    c.crash(2, Crash::LoseUnsynced);
    c.restart(2);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 2 reads again, and the old response arrives")
        .tests(&["state_machine_command/read_at_follower"]);
    let read = c.read(2);
    c.hold(read_index());
    c.handle(read_index_response());
    c.expect(read).is_pending();
    c.release(any());
    c.deliver_all();
    c.expect(read).is_read_ready();
}

#[test]
fn repeated_requests_of_a_follower_occupy_one_place_at_the_leader() {
    let mut c = cluster().scenario("a repeated request for a read index").described(
        "However often a follower repeats its request, it takes one place at the \
         leader.",
    );
    c.section("a repeated request for a read index")
        .tests(&["state_machine_command/read_at_follower", "limits"]);
    c.elect(1);
    let leader_read = c.read(1);
    c.read(2);
    c.send(read_index());
    for _ in 0..3 {
        c.duplicate(read_index().nth(0));
    }
    c.handle(read_index());
    c.deliver_all();
    c.expect(leader_read).is_read_ready();
    let responses = c.records().iter().filter(|record| {
        record.kind == raft_testkit::trace::record::RecordKind::MessageSent
            && record.message.as_ref().is_some_and(|view| view.from.get() == 1)
            && format!("{:?}", record.message).contains("ReadIndexResponse")
    });
    assert_eq!(responses.count(), 1);
}

/// The leader that reads during a transfer confirms them like others.
#[test]
fn change_of_the_leader_refuses_the_reads_that_wait_for_the_old_one() {
    let mut c = cluster().scenario("a change of the leader refuses reads at followers").described(
        "Reads that wait for a leader are refused when the follower learns of the \
         next term.",
    );
    c.elect(1);
    let read = c.read(2);
    c.send(read_index());
    c.hold(read_index());
    let transfer = c.transfer(1, 3);
    c.deliver_all();
    c.expect(transfer).is_transferred_to(3);
    c.expect(read).is_refused();
    c.section("the old leader receives the request")
        .tests(&["state_machine_command/read_at_follower"]);
    c.handle(read_index());
    assert!(
        c.messages(
            &any().matching(|message| { matches!(message.body(), Body::ReadIndexResponse(_)) })
        )
        .is_empty()
    );
}
