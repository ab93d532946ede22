//! Elections with slow disks, and with disks that make no progress.

use std::time::Duration;

use raft_core::RoleKind;
use raft_testkit::{Cluster, Crash, Timers, vote};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A cluster whose disks take these times for each write, in milliseconds; 0 takes none.
fn cluster_with_disks(seed: u64, write_millis: &[u64]) -> Cluster {
    let mut c = Cluster::new(write_millis.len())
        .scenario("slow disks")
        .seed(seed)
        .timers(Timers::On)
        .untraced();
    for (node, &write) in (1..).zip(write_millis) {
        if write > 0 {
            c.disk_takes(node, millis(write));
        }
    }
    c
}

fn leader(c: &mut Cluster) -> Option<u64> {
    let nodes = 1..=c.size() as u64;
    let mut leaders = nodes.filter(|&node| c.status(node).role == RoleKind::Leader);
    leaders.next()
}

/// Waits for a leader within the given time and returns its term: the number of elections. The
/// leader must then stay leader and commit; after its crash another must be elected in the same
/// time.
fn elections_until_stable(seed: u64, write_millis: &[u64], within: Duration) -> u64 {
    let mut c = cluster_with_disks(seed, write_millis);
    let first = wait_for_leader(&mut c, seed, within);
    let term = c.status(first).term;
    let write = c.propose(first, "add 1");
    c.run_for(millis(5_000));
    let now = (leader(&mut c), c.status(first).term);
    assert_eq!(now, (Some(first), term), "seed {seed}, disks {write_millis:?}: it stays leader");
    c.expect(write).is_applied();
    c.crash(first, Crash::LoseUnsynced);
    wait_for_leader(&mut c, seed, within);
    term.get()
}

fn wait_for_leader(c: &mut Cluster, seed: u64, within: Duration) -> u64 {
    let mut passed = Duration::ZERO;
    let step = millis(20);
    loop {
        if let Some(leader) = leader(c) {
            return leader;
        }
        let term = c.status(1).term;
        assert!(passed < within, "seed {seed}: no leader after {within:?}, in term {term}");
        c.run_for(step);
        passed += step;
    }
}

/// The sum over these seeds of the elections that were needed, and the highest number for one.
fn elections(seeds: u64, write_millis: &[u64], within: Duration) -> (u64, u64) {
    let mut worst = (0, 0);
    let mut total = 0;
    for seed in 0..seeds {
        let needed = elections_until_stable(seed, write_millis, within);
        total += needed;
        if needed > worst.0 {
            worst = (needed, seed);
        }
    }
    eprintln!(
        "disks {write_millis:?} ms: {total} elections in {seeds} seeds, at most {} (seed {})",
        worst.0, worst.1
    );
    (total, worst.0)
}

/// A vote takes a write of the candidate and a write of the voter: two syncs of 600 ms are longer
/// than any election timeout, and a leader is elected all the same.
#[test]
fn disks_that_take_600_ms_elect_a_leader() {
    let (total, most) = elections(100, &[600; 3], millis(10_000));
    assert!(total <= 200, "{total} elections in 100 runs");
    assert!(most <= 3, "{most} elections in one run");
    elections(100, &[600; 5], millis(15_000));
}

/// With 250 ms the first or the second election succeeds.
#[test]
fn disks_that_take_250_ms_elect_a_leader_in_one_or_two_elections() {
    let (total, most) = elections(100, &[250; 3], millis(5_000));
    assert!(total <= 130, "{total} elections in 100 runs");
    assert!(most <= 2, "{most} elections in one run");
    elections(100, &[250; 5], millis(8_000));
}

/// The speed of a candidate's own disk does not show how slow the disks of its voters are.
#[test]
fn candidate_with_a_fast_disk_waits_for_voters_with_slow_disks() {
    elections(100, &[0, 600, 600], millis(10_000));
    elections(100, &[600, 0, 0], millis(10_000));
    elections(100, &[5, 250, 600], millis(10_000));
}

/// A candidate whose vote does not become durable cannot win. It steps down after the stall
/// timeout, and its vote requests are not sent later: no candidate would count the votes.
#[test]
fn candidate_whose_own_vote_is_never_durable_steps_down() {
    let mut c = Cluster::new(3)
        .pre_vote(false)
        .timers(Timers::On)
        .scenario("a candidate's disk")
        .described(
            "The disk of a candidate makes no progress. It steps down after the stall \
             timeout, and its vote requests are not sent later.",
        );
    c.section("the vote of the candidate is not durable").tests(&["durability/stalled_disk"]);
    c.disk_by_hand(1);
    c.campaign(1);
    c.block(2);
    c.block(3);
    c.run_for(millis(1_499));
    assert_eq!(c.status(1).role, RoleKind::Candidate, "the stall timeout has not passed");
    c.run_for(millis(1));
    c.expect_follower(1, 1);
    c.complete_all_persists(1);
    assert!(c.messages(&vote()).is_empty(), "it is no longer a candidate");
    c.unblock(2);
    c.unblock(3);
    c.disk_at_once(1);
    c.run_for(millis(3_000));
    assert!(leader(&mut c).is_some(), "its disk works again, and so does the cluster");
}

/// While a candidate waits for its disk it processes messages, and a later term ends its candidacy.
#[test]
fn candidate_that_waits_for_its_disk_follows_a_later_term() {
    let mut c = Cluster::new(3).scenario("a waiting candidate").described(
        "A candidate waits for its disk and handles messages meanwhile: a later term \
         ends its candidacy.",
    );
    c.section("node 1 waits for its disk").tests(&[
        "leader_election/higher_term_steps_down",
        "durability/response_waits_for_persist",
    ]);
    c.disk_by_hand(1);
    c.campaign(1);
    c.deliver_all();
    assert_eq!(c.status(1).role, RoleKind::Candidate);
    c.set_term(3, 4);
    c.campaign(3);
    c.deliver_all();
    c.expect_leader(3, 5);
    c.expect_follower(1, 5);
    c.complete_all_persists(1);
    c.deliver_all();
    c.heartbeat(3);
    c.deliver_all();
    c.disk_at_once(1);
    c.heartbeat(3);
    c.deliver_all();
    c.expect_converged();
}

/// A voter responds after its candidate's election timeout: the vote still counts as long as no
/// later term has begun.
#[test]
fn late_vote_elects_a_pre_candidate_of_the_next_term() {
    let mut c = Cluster::new(3).timers(Timers::On).scenario("a late vote elects").described(
        "The disk of a voter is slower than the election timeout of the candidate. Its \
         vote still counts if no later term has begun.",
    );
    c.section("node 2 persists its vote for longer than the election timeout")
        .tests(&["leader_election/late_vote"]);
    c.disk_by_hand(2);
    c.block(3);
    c.campaign(1);
    c.run_for(millis(700));
    assert_eq!((c.status(1).role, c.status(1).term.get()), (RoleKind::PreCandidate, 1));
    c.complete_all_persists(2);
    c.run_for(millis(0));
    c.expect_leader(1, 1);
}
