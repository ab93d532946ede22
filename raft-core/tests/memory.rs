//! A node's memory stays within its limits, however slow its disk, state machine or peers are.

use bytes::Bytes;
use raft_core::{Entry, LogId, NodeId, RoleKind};
use raft_testkit::Cluster;

const TAIL_BYTES_MAX: u64 = 2_000;
const UNAPPLIED_BYTES_MAX: u64 = 4_000;

fn small_limits(size: usize) -> Cluster {
    Cluster::new(size).config(|config| {
        config.limits.tail_bytes_max = TAIL_BYTES_MAX;
        config.limits.unapplied_bytes_max = UNAPPLIED_BYTES_MAX;
        config.limits.apply_bytes_max = 1_000;
        config.limits.command_bytes_max = 1_000;
    })
}

fn weight() -> u64 {
    Entry::command(LogId::ORIGIN, Bytes::from_static(b"add 1")).weight_bytes()
}

/// Proposes this many commands one after the other and delivers everything.
fn propose_many(c: &mut Cluster, leader: u64, commands: u64) {
    for _ in 0..commands {
        c.propose(leader, "add 1");
        c.deliver_all();
    }
}

/// The commands that an idle leader accepts stay within its limit.
fn expect_bounded(c: &mut Cluster, leader: u64, before: u64) {
    let status = c.status(leader);
    let accepted = status.last_log.index.get() - before;
    assert!(accepted > 0, "an idle leader accepts commands");
    let accepted_bytes = accepted * weight();
    assert!(accepted_bytes <= UNAPPLIED_BYTES_MAX, "{accepted_bytes} bytes wait to be applied");
    let tail = status.tail_bytes;
    assert!(tail <= TAIL_BYTES_MAX + UNAPPLIED_BYTES_MAX, "{tail} bytes of entries in memory");
}

/// Durable entries are dropped from memory although the state machine has not applied them: they
/// are read back from the store.
#[test]
fn follower_with_a_slow_state_machine_holds_a_bounded_tail() {
    let mut c = small_limits(3).scenario("a follower with a slow state machine").described(
        "A follower stores entries faster than it applies them. Durable entries leave \
         its memory and are read back from the store.",
    );
    c.section("the state machine applies nothing for 300 commands").tests(&["limits"]);
    c.elect(1);
    c.apply_by_hand(2);
    propose_many(&mut c, 1, 300);
    let status = c.status(2);
    assert_eq!(status.persisted_index.get(), 301, "the log does not wait for the state machine");
    let tail = status.tail_bytes;
    assert!(tail <= TAIL_BYTES_MAX, "{tail} bytes of durable entries in memory");
    for _ in 0..150 {
        c.complete_apply(2);
    }
    let applied = c.status(2).applied_index.get();
    assert!(applied > 100, "it applies what is read back: {applied}");
    propose_many(&mut c, 1, 10);
    c.apply_at_once(2);
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(2).total(), 310);
}

/// A command counts towards the leader's limit until the leader's own state machine has applied
/// it.
#[test]
fn leader_with_a_slow_state_machine_refuses_commands_beyond_its_limit() {
    let mut c = small_limits(3).scenario("a leader with a slow state machine").described(
        "The state machine of the leader stops. Commands beyond the limit of unapplied \
         bytes are refused.",
    );
    c.section("the state machine of the leader applies nothing").tests(&["limits"]);
    c.elect(1);
    c.apply_by_hand(1);
    propose_many(&mut c, 1, 200);
    expect_bounded(&mut c, 1, 1);
    let refused = c.propose(1, "add 1");
    c.expect(refused).is_refused();
    c.apply_at_once(1);
    assert_eq!(c.status(1).unapplied_bytes, 0);
    let accepted = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(accepted).is_applied();
}

/// Followers commit without the leader's disk; the persist queue and the tail of the leader are
/// bounded all the same.
#[test]
fn leader_with_a_slow_disk_refuses_commands_beyond_its_limit() {
    let mut c = small_limits(3).scenario("a leader with a slow disk and many writes").described(
        "The disk of the leader stops, and the followers commit without it. Its queue \
         of writes and its entries in memory stay within the limit.",
    );
    c.section("the disk of the leader completes nothing").tests(&["limits"]);
    c.elect(1);
    c.disk_by_hand(1);
    propose_many(&mut c, 1, 200);
    expect_bounded(&mut c, 1, 1);
    let waiting: u64 = c
        .waiting_persists(1)
        .iter()
        .flat_map(|persist| &persist.entries)
        .map(Entry::weight_bytes)
        .sum();
    assert!(waiting <= UNAPPLIED_BYTES_MAX, "{waiting} bytes wait for the disk");
    c.disk_at_once(1);
    let accepted = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(accepted).is_applied();
}

/// Commands of an earlier leadership whose callers still wait count in the next one.
#[test]
fn new_leadership_counts_unapplied_commands_of_the_last_one() {
    let mut c =
        small_limits(3).scenario("unapplied commands count in the next leadership").described(
            "A leader with unapplied commands steps down and leads again. The commands \
             count towards its limit until they are applied.",
        );
    c.section("the state machine of the leader applies nothing").tests(&["limits"]);
    c.elect(1);
    c.apply_by_hand(1);
    propose_many(&mut c, 1, 200);
    c.heartbeat(1);
    c.deliver_all();
    let first_leadership = c.status(1).last_log.index.get();
    for term in 2..=4 {
        c.step_down(1);
        c.elect(1);
        c.deliver_all();
        propose_many(&mut c, 1, 50);
        let accepted = c.status(1).last_log.index.get() - first_leadership - (term - 1);
        assert_eq!(accepted, 0, "the limit was reached in term 1");
    }
    c.apply_at_once(1);
    propose_many(&mut c, 1, 3);
    assert_eq!(c.status(1).role, RoleKind::Leader);
    assert_eq!(c.status(1).unapplied_bytes, 0);
}

/// A leader that steps down ends the requests for uncommitted commands, which then do not count.
#[test]
fn leader_that_steps_down_no_longer_counts_ended_requests() {
    let mut c =
        small_limits(3).scenario("ended requests do not count towards the limit").described(
            "A leader steps down with uncommitted commands. Their requests end, so that \
             they no longer count towards its limit.",
        );
    c.section("the leader is cut off and refuses commands beyond its limit")
        .tests(&["limits", "state_machine_command/unknown_outcome"]);
    c.elect(1);
    c.cut_off(1);
    propose_many(&mut c, 1, 200);
    expect_bounded(&mut c, 1, 1);
    c.step_down(1);
    assert_eq!(c.status(1).unapplied_bytes, 0, "the requests have ended");
    c.heal();
    c.elect(1);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect(write).is_applied();
    assert!(c.status(1).progress.contains_key(&NodeId(2)));
}
