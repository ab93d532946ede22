//! Every action of a cluster has the documented effect and no other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use raft_core::{RoleKind, Term};
use raft_testkit::{
    Cluster, Crash, CutOff, Timers, all_handled, any, append, append_response, commit_at,
    commit_sent, election_settled, follows, handled, handled_times, heartbeat, leader_is, log_at,
    pre_vote, pre_vote_response, sent, vote, vote_response,
};

#[test]
fn a_forced_role_needs_no_other_node() {
    let mut c = Cluster::new(3);
    for role in [RoleKind::PreCandidate, RoleKind::Candidate, RoleKind::Leader] {
        c.force_role(1, role);
        assert_eq!(c.status(1).role, role);
        assert_eq!(c.status(2).term, Term(0), "the other nodes received nothing");
        c.force_role(1, RoleKind::Follower);
        assert_eq!(c.status(1).role, RoleKind::Follower);
    }
}

#[test]
fn a_stale_leader_loses_its_unsynced_write_and_follows() {
    let mut c = Cluster::new(3).seed(7);
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
    assert_eq!(c.status(1).term.get(), 1, "a quorum granted the pre-vote");
    c.deliver(vote().to(2));
    c.deliver(vote_response().from(2));
    c.expect_leader(1, 1);
}

#[test]
fn an_action_without_a_matching_message_fails_with_the_messages_in_flight() {
    let mut c = Cluster::new(3).untraced();
    c.campaign(1);
    let failure = catch_unwind(AssertUnwindSafe(|| c.deliver(vote().from(1)))).unwrap_err();
    let report = failure.downcast_ref::<String>().expect("a report");
    assert!(report.contains("no message to deliver: vote 1 -> *"), "{report}");
    assert!(report.contains("pre_vote 1 -> 2"), "{report}");
    assert!(report.lines().count() <= 40, "{report}");
}

#[test]
fn held_messages_move_only_when_selected_or_released() {
    let mut c = Cluster::new(3);
    c.campaign(1);
    c.hold(pre_vote());
    c.deliver_all();
    assert_eq!(c.messages(&pre_vote()).len(), 2);
    c.deliver(pre_vote().to(2));
    c.release(pre_vote());
    c.deliver_all();
    c.expect_leader(1, 1);
}

#[test]
fn a_duplicate_is_a_separate_message_and_a_delayed_message_is_handled_later() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.propose(1, "add 1");
    c.propose(1, "add 2");
    c.send(append().to(2));
    c.duplicate(append().to(2).nth(0));
    assert_eq!(c.messages(&append().to(2)).len(), 3);
    c.delay(append().to(2).nth(0));
    c.handle(append().to(2).nth(0));
    assert_eq!(c.status(2).last_log.index.get(), 1, "the second came first");
    c.handle(append().to(2));
    assert_eq!(c.status(2).last_log.index.get(), 2, "its rejection makes the leader send it again");
    c.deliver_all();
    c.heartbeat(1);
    c.deliver_all();
    c.expect_converged();
}

#[test]
fn a_message_can_be_altered() {
    let mut c = Cluster::new(3).pre_vote(false);
    c.campaign(1);
    c.alter(vote().to(2), |message| message.cluster = raft_core::ClusterId(999));
    c.deliver(vote().to(2));
    assert_eq!(c.status(2).term.get(), 0, "it is of another cluster");
}

#[test]
fn messages_held_by_a_partition_arrive_after_it_heals() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.partition_with(&[&[1, 2], &[3]], CutOff::Hold);
    c.propose(1, "add 1");
    c.deliver_all();
    c.expect_commit(1, 2);
    assert_eq!(c.status(3).last_log.index.get(), 1);
    let mut without = c.fork();
    c.heal();
    c.deliver_all();
    assert_eq!(c.status(3).last_log.index.get(), 2, "it was held");
    without.heal_without_held();
    without.deliver_all();
    assert_eq!(without.status(3).last_log.index.get(), 1, "it is lost");
}

#[test]
fn a_link_is_cut_in_one_direction() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.cut(2, 1);
    let write = c.propose(1, "add 1");
    c.deliver(append().to(2));
    assert_eq!(c.status(2).last_log.index.get(), 2, "this direction works");
    c.send(append_response().from(2));
    assert!(c.messages(&append_response().from(2)).is_empty(), "the other direction loses");
    c.expect(write).is_pending();
    c.reconnect(2, 1);
    c.deliver_all();
    c.expect(write).is_applied();
}

#[test]
fn a_blocked_node_sends_and_handles_nothing() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.block(2);
    c.propose(1, "add 1");
    c.deliver_all();
    assert_eq!(c.status(2).last_log.index.get(), 1);
    assert_eq!(c.messages(&append().to(2)).len(), 1, "it waits on the wire");
    c.unblock(2);
    c.deliver_all();
    assert_eq!(c.status(2).last_log.index.get(), 2);
}

#[test]
fn a_crash_keeps_the_given_number_of_writes() {
    let kept = |crash| {
        let mut c = Cluster::new(3);
        c.elect(1);
        c.disk_by_hand(2);
        for _ in 0..3 {
            c.propose(1, "add 1");
            c.deliver(append().to(2));
        }
        assert_eq!(c.waiting_persists(2).len(), 3);
        c.crash(2, crash);
        c.restart(2);
        c.status(2).last_log.index.get() - 1
    };
    assert_eq!(kept(Crash::LoseUnsynced), 0);
    assert_eq!(kept(Crash::Keep(2)), 2);
    assert_eq!(kept(Crash::KeepAll), 3);
}

#[test]
fn conditions_join_with_and_or_then() {
    let mut c = Cluster::new(3);
    c.campaign(1);
    c.deliver_until(handled_times(pre_vote(), 2));
    assert_eq!(c.status(1).term.get(), 0);
    c.deliver_until(sent(vote().to(2)).and(sent(vote().to(3))));
    assert!(c.messages(&vote_response()).is_empty());
    c.deliver_until(handled(vote()).then(handled(vote_response())));
    c.deliver_until(follows(3, 1).or(follows(2, 1)));
    c.deliver_until(log_at(2, 1).and(log_at(3, 1)).and(commit_at(1, 1)));
    c.deliver_until(all_handled());
    c.heartbeat(1);
    c.deliver_until(commit_sent(1).within(5));
    c.deliver_until(election_settled());
}

#[test]
fn a_condition_that_does_not_hold_fails_with_its_text() {
    let mut c = Cluster::new(3).untraced();
    c.campaign(1);
    let waiting = AssertUnwindSafe(|| c.deliver_until(leader_is(2).and(sent(heartbeat()))));
    let failure = catch_unwind(waiting).unwrap_err();
    let report = failure.downcast_ref::<String>().expect("a report");
    assert!(
        report.contains("the condition does not hold: leader 2 and sent heartbeat"),
        "{report}"
    );
}

#[test]
fn with_timers_a_leader_is_elected() {
    let mut c = Cluster::new(5).timers(Timers::On).seed(3);
    c.run_for(Duration::from_secs(3));
    let leaders = (1..=5).filter(|&n| c.status(n).role == RoleKind::Leader).count();
    assert_eq!(leaders, 1);
    c.expect_converged();
}

#[test]
fn a_fork_is_independent_of_its_original() {
    let mut c = Cluster::new(3);
    c.elect(1);
    let mut other = c.fork();
    c.propose(1, "add 1");
    c.deliver_all();
    other.propose(1, "add 100");
    other.deliver_all();
    assert_eq!((c.machine(1).total(), other.machine(1).total()), (1, 100));
    assert_eq!(other.durable_commands(2), ["add 100"]);
}

#[test]
fn the_term_of_a_node_can_be_set() {
    let mut c = Cluster::new(3);
    c.elect(1);
    c.set_term(3, 9);
    assert_eq!(c.status(3).term.get(), 9);
    c.heartbeat(1);
    c.deliver_all();
    c.expect_follower(1, 9);
}

#[test]
fn matching_messages_are_lost_until_lose_nothing() {
    let mut c = Cluster::new(3);
    c.lose(any().to(3));
    c.elect_with(1, &[2]);
    c.deliver_all();
    assert_eq!(c.status(3).term.get(), 0);
    c.lose_nothing();
    c.heartbeat(1);
    c.deliver_all();
    assert_eq!(c.status(3).term.get(), 1);
}

#[test]
fn an_unregistered_feature_panics_with_the_nearest_one() {
    let mut c = Cluster::new(1).untraced();
    let naming = AssertUnwindSafe(|| {
        c.section("s").tests(&["leader_election/split_votes"]);
    });
    let failure = catch_unwind(naming).unwrap_err();
    let text = failure.downcast_ref::<String>().expect("a message");
    assert!(text.contains("the nearest is \"leader_election/split_vote\""), "{text}");
}

#[test]
fn the_state_of_a_cluster_is_read_only_after_it_starts() {
    let c = Cluster::new(3).untraced();
    let failure = catch_unwind(AssertUnwindSafe(|| c.status(1).term)).unwrap_err();
    let text = failure.downcast_ref::<&str>().expect("a message");
    assert!(text.contains("call `start` first"), "{text}");

    let mut c = Cluster::new(3).untraced();
    c.start();
    assert_eq!((c.status(1).term, c.machine(1)), (c.status(2).term, c.machine(2)));
}
