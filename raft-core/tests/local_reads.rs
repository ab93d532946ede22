//! Reads of a node's own state, with a bound on its age.

use std::time::Duration;

use raft_core::FollowerReads;
use raft_testkit::{
    Cluster, CommandOutcome, Crash, any, append, leader_is, read_index, read_index_response,
};

const BOUND: Duration = Duration::from_millis(100);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn cluster(title: &str) -> Cluster {
    let mut c = Cluster::new(3).scenario(title).follower_reads(FollowerReads::ReadIndex);
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    c
}

/// The age that node 2 states for its state; its read is served at once.
fn age(c: &mut Cluster) -> Duration {
    let read = c.read_local(2, Duration::MAX);
    let outcome = c.collect(read);
    if let CommandOutcome::LocalReadReady { staleness, .. } = outcome {
        return staleness;
    }
    panic!("the read should be served at once, but is {outcome:?}");
}

#[test]
fn state_is_as_old_as_the_request_for_its_confirmation() {
    let mut c = cluster("the age of a state counts from the request");
    let read = c.read_local(2, BOUND);
    c.expect(read).is_pending();
    c.section("the request and its response are slow").tests(&["state_machine_command/local_read"]);
    c.advance(millis(20));
    c.deliver(read_index());
    c.advance(millis(20));
    c.deliver_all();
    c.expect(read).is_read_ready();
    assert_eq!(age(&mut c), millis(40));
    c.advance(millis(60));
    let read = c.read_local(2, BOUND);
    c.expect(read).is_local_read_ready();
    c.drop(any());
    c.advance(Duration::from_nanos(1));
    let read = c.read_local(2, BOUND);
    c.expect(read).is_pending();
}

/// The leader that sent the append may be superseded, and the append may have been delayed.
#[test]
fn contact_with_a_leader_does_not_make_the_state_recent() {
    let mut c = cluster("a heartbeat confirms no state");
    let read = c.read_local(2, BOUND);
    c.deliver_all();
    c.expect(read).is_read_ready();
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(age(&mut c), millis(60));
}

#[test]
fn state_is_confirmed_only_once_the_read_index_is_applied() {
    let mut c = cluster("a confirmed index that is not applied");
    c.apply_by_hand(2);
    let write = c.propose(1, "add 2");
    c.deliver_all();
    c.expect(write).is_applied();
    let read = c.read_local(2, BOUND);
    c.deliver_all();
    c.section("the state machine is slow").tests(&["state_machine_command/local_read"]);
    c.expect(read).is_pending();
    assert_eq!(c.status(2).staleness, None);
    c.advance(millis(30));
    c.apply_at_once(2);
    c.expect(read).is_read_ready();
    assert_eq!(age(&mut c), millis(30));
}

/// Otherwise a state machine that is always a little behind would confirm nothing.
#[test]
fn later_confirmations_do_not_replace_one_that_is_still_to_be_applied() {
    let mut c = cluster("two confirmations wait for the state machine");
    c.apply_by_hand(2);
    for command in ["add 2", "add 3", "add 4"] {
        let write = c.propose(1, command);
        c.deliver_all();
        c.expect(write).is_applied();
        let read = c.read_local(2, BOUND);
        c.deliver_all();
        c.expect(read).is_pending();
        c.advance(millis(10));
    }
    c.complete_apply(2);
    c.complete_apply(2);
    assert_eq!(c.status(2).staleness, Some(millis(30)), "of the first one");
    c.apply_at_once(2);
    assert_eq!(c.status(2).staleness, Some(millis(10)), "of the last one");
}

#[test]
fn state_that_is_served_is_confirmed_again_before_it_is_too_old() {
    let mut c = cluster("reads keep the state confirmed");
    let read = c.read_local(2, BOUND);
    c.deliver_all();
    c.expect(read).is_read_ready();
    c.advance(millis(50));
    let read = c.read_local(2, BOUND);
    c.expect(read).is_local_read_ready();
    assert!(c.messages(&read_index()).is_empty(), "half of the bound is not exceeded");
    c.advance(millis(10));
    for _ in 0..3 {
        let read = c.read_local(2, BOUND);
        c.expect(read).is_local_read_ready();
    }
    assert_eq!(c.messages(&read_index()).len(), 1);
    c.deliver_all();
    assert_eq!(c.status(2).staleness, Some(Duration::ZERO));
}

/// The bound is about the cluster and not about one leader: it needs none.
#[test]
fn node_without_a_leader_serves_its_state_and_refuses_what_needs_a_newer_one() {
    let mut c = cluster("a node without a leader reads its own state");
    let read = c.read_local(2, BOUND);
    c.deliver_all();
    c.expect(read).is_read_ready();
    c.partition(&[&[2], &[1, 3]]);
    let waiting = c.read_local(2, Duration::ZERO);
    c.expect(waiting).is_local_read_ready();
    c.advance(millis(1));
    let waiting = c.read_local(2, Duration::ZERO);
    c.expect(waiting).is_pending();
    c.campaign(2);
    c.section("it campaigns, and other nodes commit").tests(&["state_machine_command/local_read"]);
    c.expect(waiting).is_to_be_retried();
    let write = c.propose(1, "add 2");
    c.deliver_all();
    c.expect(write).is_applied();
    let read = c.read_local(2, BOUND);
    c.expect(read).is_local_read_ready();
    c.advance(BOUND);
    let read = c.read_local(2, BOUND);
    let outcome = c.collect(read);
    assert!(
        matches!(&outcome, CommandOutcome::Retry(why) if why.contains("101 ms")),
        "{outcome:?}"
    );
}

#[test]
fn lost_confirmation_refuses_the_read_with_the_age_of_the_state() {
    let mut c = cluster("no confirmation arrives");
    let read = c.read_local(2, BOUND);
    c.drop(read_index());
    c.advance(millis(300));
    c.tick(2);
    let outcome = c.collect(read);
    assert!(
        matches!(&outcome, CommandOutcome::Retry(why) if why.contains("not known")),
        "{outcome:?}"
    );
}

#[test]
fn restart_and_a_change_of_leader() {
    let mut c = cluster("what a node knows of its state");
    let read = c.read_local(2, BOUND);
    c.deliver_all();
    c.expect(read).is_read_ready();
    c.section("another node leads: what is confirmed stays true");
    c.campaign(3);
    c.deliver_until(leader_is(3));
    c.deliver_all();
    assert_eq!(age(&mut c), Duration::ZERO);
    c.section("after a restart nothing is known").tests(&["state_machine_command/local_read"]);
    c.crash(2, Crash::KeepAll);
    c.restart(2);
    assert_eq!(c.status(2).staleness, None);
    let read = c.read_local(2, BOUND);
    c.expect(read).is_to_be_retried();
}

#[test]
fn leader_serves_its_state_after_a_confirmed_round() {
    let mut c = cluster("a leader reads its own state");
    let read = c.read_local(1, BOUND);
    c.expect(read).is_pending();
    c.deliver(append());
    c.advance(millis(7));
    c.deliver_all();
    c.expect(read).is_read_ready();
    let read = c.read_local(1, BOUND);
    let outcome = c.collect(read);
    let staleness = millis(7);
    let served = |outcome: &CommandOutcome| matches!(outcome, CommandOutcome::LocalReadReady { staleness: age, .. } if *age == staleness);
    assert!(served(&outcome), "{outcome:?}");
    c.section("it is superseded, and does not know it yet")
        .tests(&["state_machine_command/local_read"]);
    c.partition(&[&[1], &[2, 3]]);
    c.campaign(2);
    c.deliver_until(leader_is(2));
    let write = c.propose(2, "add 2");
    c.deliver_all();
    c.expect(write).is_applied();
    c.advance(millis(94));
    let read = c.read_local(1, BOUND);
    c.expect(read).is_pending();
}

#[test]
fn follower_that_redirects_reads_confirms_nothing() {
    let mut c = Cluster::new(3);
    c.elect(1);
    let read = c.read_local(2, BOUND);
    c.expect(read).is_to_be_retried();
    assert!(c.messages(&read_index_response()).is_empty());
    assert_eq!(c.status(2).staleness, None);
}
