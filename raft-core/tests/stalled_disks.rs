//! A disk that reports neither success nor failure.

use std::time::Duration;

use raft_core::RoleKind;
use raft_testkit::trace::record::RecordKind;
use raft_testkit::{Cluster, RequestHandle, Timers, pre_vote, pre_vote_response};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Default timeouts: elections after 300 to 600 ms, a disk counts as stalled after 1.5 s.
fn cluster_with_leader(size: usize, title: &str, description: &str) -> (Cluster, u64) {
    let mut c = Cluster::new(size).timers(Timers::On).scenario(title).described(description);
    c.section("a leader is elected");
    c.run_for(millis(2_000));
    let leader = leaders(&mut c)[0];
    (c, leader)
}

fn leaders(c: &mut Cluster) -> Vec<u64> {
    let nodes = 1..=c.size() as u64;
    nodes.filter(|&node| c.status(node).role == RoleKind::Leader).collect()
}

fn expect_applied(c: &mut Cluster, write: RequestHandle) {
    c.run_for(millis(200));
    c.expect(write).is_applied();
}

/// Why nodes changed their roles since this record.
fn causes_since(c: &Cluster, first: usize) -> Vec<String> {
    let records = c.records()[first..].iter();
    let causes = records.filter_map(|record| {
        let RecordKind::RoleChanged { why, .. } = &record.kind else { return None };
        Some(why.clone())
    });
    causes.collect()
}

/// Followers commit without the leader's disk, so that nothing else would depose such a leader:
/// it would lead forever and complete no request.
#[test]
fn leader_with_a_stalled_disk_steps_down_and_reports_the_cause() {
    let (mut c, old) = cluster_with_leader(
        3,
        "a leader with a stalled disk steps down",
        "Followers commit without the leader's disk, so that nothing else deposes a leader \
         whose disk makes no progress. It steps down after the stall timeout.",
    );
    c.section("the disk of the leader makes no progress").tests(&["durability/stalled_disk"]);
    c.disk_by_hand(old);
    let records = c.records().len();
    let write = c.propose(old, "add 1");
    c.run_for(millis(1_400));
    let read = c.read(old);
    assert_eq!(leaders(&mut c), [old], "1.4 s are less than the stall timeout");
    c.expect(write).is_pending();
    c.run_for(millis(1_600));
    let causes = causes_since(&c, records);
    assert!(causes.iter().any(|cause| cause == "disk stalled"), "{causes:?}");
    c.expect(write).is_unknown();
    c.expect(read).is_refused();
    let [new] = leaders(&mut c)[..] else { panic!("another node leads") };
    assert_ne!(new, old);
    let write = c.propose(new, "add 10");
    expect_applied(&mut c, write);

    let term = c.status(new).term;
    c.run_for(millis(20_000));
    assert_eq!((leaders(&mut c), c.status(new).term), (vec![new], term), "it does not campaign");
    c.disk_at_once(old);
    c.run_for(millis(1_000));
    c.expect_converged();
    assert_eq!(c.machine(old).total(), 11, "the unknown command took effect");
}

/// A disk that is slow and makes progress deposes no leader.
#[test]
fn leader_whose_writes_take_600_ms_stays_leader() {
    let (mut c, leader) = cluster_with_leader(
        3,
        "a leader with writes of 600 ms",
        "Each write of the leader takes twice the election timeout. The disk makes progress, \
         and the leader stays.",
    );
    c.section("every write takes 600 ms").tests(&["durability/stalled_disk"]);
    let term = c.status(leader).term;
    c.disk_takes(leader, millis(600));
    let mut last = None;
    for _ in 0..200 {
        last = Some(c.propose(leader, "add 1"));
        c.run_for(millis(50));
    }
    assert_eq!((leaders(&mut c), c.status(leader).term), (vec![leader], term));
    c.run_for(millis(2_000));
    c.expect(last.expect("there were proposals")).is_applied();
}

/// A pause of one second, as storage devices have them, costs no election.
#[test]
fn disk_pause_of_one_second_deposes_no_leader() {
    let (mut c, leader) = cluster_with_leader(
        3,
        "a pause of one second",
        "All disks pause for one second, as storage devices do. No election follows.",
    );
    c.section("all disks pause").tests(&["durability/stalled_disk"]);
    let term = c.status(leader).term;
    for node in 1..=3 {
        c.disk_by_hand(node);
    }
    let write = c.propose(leader, "add 1");
    c.run_for(millis(1_000));
    for node in 1..=3 {
        c.disk_at_once(node);
    }
    expect_applied(&mut c, write);
    assert_eq!((leaders(&mut c), c.status(leader).term), (vec![leader], term));
}

/// The only node of its cluster has no successor: it leads again once its disk makes progress, and
/// does not raise its term before.
#[test]
fn single_node_leads_again_once_its_disk_makes_progress() {
    let (mut c, _) = cluster_with_leader(
        1,
        "a single node with a stalled disk",
        "The only node of its cluster steps down when its disk stalls, and leads again when \
         the disk makes progress.",
    );
    c.section("the disk makes no progress")
        .tests(&["durability/stalled_disk", "leader_election/single_node"]);
    let term = c.status(1).term;
    c.disk_by_hand(1);
    let write = c.propose(1, "add 1");
    c.run_for(millis(20_000));
    assert_eq!((c.status(1).role, c.status(1).term), (RoleKind::Follower, term));
    c.expect(write).is_unknown();
    c.disk_at_once(1);
    c.run_for(millis(1_000));
    assert_eq!(leaders(&mut c), [1]);
}

/// No vote of a node with a stalled disk becomes durable, neither for others nor for itself.
#[test]
fn node_with_a_stalled_disk_neither_requests_nor_grants_pre_votes() {
    let (mut c, leader) = cluster_with_leader(
        3,
        "pre-votes and a stalled disk",
        "A node whose disk makes no progress cannot make a vote durable. It grants no pre- \
         vote and requests none.",
    );
    c.section("the disk of a follower makes no progress").tests(&["durability/stalled_disk"]);
    let [stalled, other] =
        [1, 2, 3].into_iter().filter(|&node| node != leader).collect::<Vec<_>>()[..]
    else {
        panic!("three nodes")
    };
    c.disk_by_hand(stalled);
    c.propose(leader, "add 1");
    c.run_for(millis(2_000));
    assert_eq!(leaders(&mut c), [leader], "the disk of a follower does not depose the leader");
    c.block(leader);
    c.block(other);
    c.run_for(millis(5_000));
    assert!(c.messages(&pre_vote().from(stalled)).is_empty());
    let term = c.status(leader).term.get();
    c.expect_follower(stalled, term);
    c.unblock(other);
    c.campaign(other);
    c.deliver(pre_vote().from(other).to(stalled));
    c.deliver(pre_vote_response().from(stalled).granted(false));
    c.campaign(stalled);
    assert_eq!(c.status(stalled).role, RoleKind::Follower, "not on request either");
}
