//! State machines that fail.

use std::time::Duration;

use raft_core::{ApplyFailurePolicy, NodeId, RecoveryError};
use raft_testkit::trace::record::RecordKind;
use raft_testkit::{Cluster, Timers};

/// The caller of a command at which the leader's own state machine fails gets the error.
#[test]
fn caller_of_a_command_that_fails_at_the_leader_gets_the_error() {
    let mut c = Cluster::new(3)
        .scenario("the leader's state machine fails")
        .described(
            "The command is committed and the state machine of the leader fails at it: the \
             client gets the error. The leader applies the command when its state machine \
             works again.",
        )
        .apply_failure(ApplyFailurePolicy::Retry);
    c.elect(1);
    c.fail_commands(1);
    c.section("committed, and not applied here")
        .tests(&["state_machine_command/leader_apply_fails"]);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.expect_commit(1, 2);
    c.expect(write).has_failed_to_apply();
    c.section("the next heartbeat retries it");
    c.clear_command_failures(1);
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
    assert_eq!(c.machine(1).total(), 1);
}

/// While the state machine fails, the command is retried with appends and heartbeats. No command is
/// skipped.
#[test]
fn failed_command_is_retried_and_never_skipped() {
    let mut c = Cluster::new(3).apply_failure(ApplyFailurePolicy::Retry);
    c.elect(1);
    c.fail_command(2, "add 10");
    for command in ["add 1", "add 10", "add 100"] {
        c.propose(1, command);
        c.deliver_all();
    }
    for _ in 0..3 {
        c.heartbeat(1);
        c.deliver_all();
        assert_eq!(c.machine(2).total(), 1);
        assert_eq!(c.status(2).apply_failed_at.map(raft_core::LogIndex::get), Some(3));
    }
    c.clear_command_failures(2);
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.machine(2).total(), 111);
    c.expect_converged();
}

/// If commands must not run twice, the node stops. Its log stays marked across restarts until an
/// operator marks it as fixed.
#[test]
fn node_that_must_not_retry_stops_until_its_log_is_marked_fixed() {
    let mut c = Cluster::new(3)
        .scenario("a broken log stays broken until it is fixed")
        .described(
            "The state machine of a follower fails at a command that must not run twice. \
             The node stops and marks its log; it starts again after an operator has \
             removed the mark.",
        )
        .apply_failure(ApplyFailurePolicy::Halt);
    c.elect(1);
    c.fail_commands(3);
    let write = c.propose(1, "add 1");
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect(write).is_applied();
    c.section("node 3 has stopped, and does not start")
        .tests(&["state_machine_command/follower_apply_fails"]);
    c.clear_command_failures(3);
    let refused = c.try_restart(3).expect_err("its log is marked");
    assert!(
        matches!(&refused, RecoveryError::Broken { index, .. } if index.get() == 2),
        "{refused}"
    );
    assert!(c.mark_fixed(3));
    c.restart(3);
    for _ in 0..2 {
        c.heartbeat(1);
        c.deliver_all();
    }
    c.expect_converged();
    assert_eq!(c.machine(3).total(), 1);
}

/// When a node retried its failed entry, in virtual milliseconds since `start`.
fn retries_of(c: &Cluster, node: u64, start: u64) -> Vec<u64> {
    let retried = c.records().iter().filter(|record| {
        record.node == Some(NodeId(node)) && matches!(record.kind, RecordKind::ApplyRetried { .. })
    });
    retried.map(|record| (record.time - start) / 1_000_000).collect()
}

/// Traffic does not set the rate of retries: without a limit each append costs a call of the state
/// machine that fails, and a line in the log.
#[test]
fn failed_command_is_not_retried_at_the_rate_of_appends() {
    let mut c = Cluster::new(3).apply_failure(ApplyFailurePolicy::Retry);
    c.elect(1);
    c.fail_commands(2);
    let start = c.now().0;
    for _ in 0..1_000 {
        c.propose(1, "add 1");
        c.deliver_all();
        c.advance(Duration::from_millis(1));
    }
    assert_eq!(retries_of(&c, 2, start), [2, 52, 152, 352, 752]);
    c.clear_command_failures(2);
    c.advance(Duration::from_secs(5));
    for _ in 0..2 {
        c.heartbeat(1);
        c.deliver_all();
    }
    assert_eq!(c.machine(2).total(), 1_000, "the commands that waited are applied together");
    c.expect_converged();
}

/// The deadline of the node covers the retry: no message is needed for it. The delay doubles up to
/// its bound, and a success resets it.
#[test]
fn failed_command_is_retried_without_traffic() {
    let policy = ApplyFailurePolicy::Retry;
    let mut c = Cluster::new(1).timers(Timers::On).apply_failure(policy);
    c.campaign(1);
    c.fail_commands(1);
    let start = c.now().0;
    c.propose(1, "add 1");
    c.run_for(Duration::from_secs(20));
    let expected = [0, 50, 150, 350, 750, 1_550, 3_150, 6_350, 11_350, 16_350];
    assert_eq!(retries_of(&c, 1, start), expected);
    c.clear_command_failures(1);
    c.run_for(Duration::from_secs(5));
    assert_eq!(c.machine(1).total(), 1);
    c.fail_commands(1);
    let start = c.now().0;
    c.propose(1, "add 1");
    c.run_for(Duration::from_millis(100));
    let since: Vec<u64> =
        retries_of(&c, 1, 0).into_iter().filter(|&at| at >= start / 1_000_000).collect();
    assert_eq!(since, [0, 50].map(|delay| start / 1_000_000 + delay), "a success resets the delay");
}
