//! Settings of the cluster and priorities of voters.

use std::time::Duration;

use raft_core::{ClusterSettings, LogIndex, RoleKind};
use raft_testkit::{Cluster, Crash, Timers, append, append_response};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn timing(election: u64, heartbeat: u64) -> ClusterSettings {
    ClusterSettings {
        election_timeout_min: Some(millis(election)),
        heartbeat_interval: Some(millis(heartbeat)),
        ..ClusterSettings::NONE
    }
}

/// The election timeout and the heartbeat interval in force at a node.
fn timing_of(c: &Cluster, node: u64) -> (Duration, Duration) {
    let settings = &c.status(node).settings;
    (settings.election_timeout_min, settings.heartbeat_interval)
}

fn led(title: &str) -> Cluster {
    let mut c = Cluster::new(3).scenario(title);
    c.elect(1);
    c.deliver_all();
    c
}

/// A node that campaigns after the new timeout, while the leader sends heartbeats at the old
/// interval, would depose it.
#[test]
fn settings_are_the_most_patient_ones_until_they_are_committed() {
    let mut c = led("settings are in force when appended");
    let own = timing_of(&c, 1);
    c.section("a longer timeout").tests(&["cluster_settings/election_timeout"]);
    let change = c.update_settings(1, timing(900, 200));
    assert_eq!(timing_of(&c, 1), (millis(900), own.1), "not committed");
    c.deliver_all();
    c.expect(change).is_membership_changed();
    assert_eq!(timing_of(&c, 1), (millis(900), millis(200)));
    c.heartbeat(1);
    c.deliver_all();
    for node in 1..=3 {
        c.expect_settings(node, "election_timeout=900ms heartbeat_interval=200ms");
        assert_eq!(timing_of(&c, node), (millis(900), millis(200)), "node {node}");
    }
    c.section("a shorter timeout").tests(&["cluster_settings/election_timeout"]);
    c.update_settings(1, timing(90, 20));
    assert_eq!(timing_of(&c, 1), (millis(900), millis(20)), "not committed");
    c.deliver(append().to(2));
    assert_eq!(timing_of(&c, 2), (millis(900), millis(20)), "not known to be committed");
    c.deliver_all();
    assert_eq!(timing_of(&c, 1), (millis(90), millis(20)));
}

#[test]
fn settings_that_are_truncated_are_no_longer_in_force() {
    let mut c = led("settings are rolled back");
    let own = timing_of(&c, 1);
    c.partition(&[&[1], &[2, 3]]);
    let change = c.update_settings(1, timing(900, 200));
    c.expect_settings(1, "election_timeout=900ms heartbeat_interval=200ms");
    c.section("node 2 is elected without them").tests(&["cluster_settings"]);
    c.elect(2);
    c.deliver_all();
    c.heal();
    c.heartbeat(2);
    c.deliver_all();
    c.expect(change).is_unknown();
    c.expect_settings(1, "own");
    assert_eq!(timing_of(&c, 1), own);
}

#[test]
fn settings_that_break_a_rule_are_refused_before_they_are_in_the_log() {
    let mut c = led("invalid settings are refused");
    c.section("the rule is named").tests(&["cluster_settings/refused"]);
    let last = c.status(1).last_log;
    let contradictory = c.update_settings(1, timing(100, 60));
    c.expect(contradictory).is_refused_because("at most a third of election_timeout_min");
    let too_large = ClusterSettings { command_bytes_max: Some(1 << 40), ..ClusterSettings::NONE };
    let too_large = c.update_settings(1, too_large);
    c.expect(too_large).is_refused_because("it would always be refused");
    for node in 1..=3 {
        c.set_priority(1, node, 0);
        c.deliver_all();
    }
    let status = c.status(1);
    assert_eq!(status.last_log.index, LogIndex(last.index.get() + 2), "two of three priorities");
}

/// A leader with a lease of the new timeout would rely on a follower that votes after the old one.
#[test]
fn follower_that_lacks_a_longer_timeout_does_not_extend_a_lease() {
    let mut c = Cluster::new(3).scenario("leases while the timeout rises").leases(millis(15));
    c.elect(1);
    c.deliver_all();
    c.lose(append().to(3));
    c.update_settings(1, timing(900, 60));
    c.deliver_all();
    c.lose_nothing();
    c.heartbeat(1);
    c.deliver(append().to(2));
    c.deliver(append_response());
    let end = c.status(1).lease_end.expect("nodes 1 and 2 hold the settings");
    c.section("node 3 acknowledges a round, and lacks the settings")
        .tests(&["cluster_settings/lease"]);
    c.drop_all();
    c.lose(append().to(2));
    c.heartbeat(1);
    c.deliver(append().to(3));
    c.deliver(append_response());
    assert_eq!(c.status(1).lease_end, Some(end));
}

fn leader(c: &Cluster) -> Option<u64> {
    (1..=3).find(|&node| c.status(node).role == RoleKind::Leader)
}

#[test]
fn another_timeout_causes_no_election() {
    for seed in 0..20 {
        let mut c = Cluster::new(3).seed(seed).timers(Timers::On);
        c.run_until(Duration::from_secs(10), |c| leader(c).is_some());
        c.run_for(Duration::from_secs(1));
        let node = leader(&c).expect("there is a leader");
        let term = c.status(node).term;
        for (election, heartbeat) in [(3000, 900), (100, 20), (2000, 600), (300, 60)] {
            let change = c.update_settings(node, timing(election, heartbeat));
            c.run_for(Duration::from_secs(10));
            c.expect(change).is_membership_changed();
            assert_eq!((leader(&c), c.status(node).term), (Some(node), term), "seed {seed}");
        }
    }
}

#[test]
fn leader_gives_way_to_a_voter_of_a_higher_priority() {
    let mut c = Cluster::new(3).timers(Timers::On);
    c.run_until(Duration::from_secs(10), |c| leader(c).is_some());
    c.run_for(Duration::from_secs(1));
    let first = leader(&c).expect("there is a leader");
    let preferred = if first == 3 { 2 } else { 3 };
    let change = c.set_priority(first, preferred, 200);
    c.run_for(Duration::from_secs(2));
    c.expect(change).is_membership_changed();
    assert_eq!(leader(&c), Some(first), "not stable for ten election timeouts");
    c.run_for(Duration::from_secs(5));
    assert_eq!(leader(&c), Some(preferred));
    c.run_for(Duration::from_secs(30));
    assert_eq!(leader(&c), Some(preferred), "it stays");
}

#[test]
fn voter_of_priority_zero_campaigns_on_request_only() {
    let mut c = Cluster::new(3).timers(Timers::On);
    c.run_until(Duration::from_secs(10), |c| leader(c).is_some());
    let first = leader(&c).expect("there is a leader");
    let others: Vec<u64> = (1..=3).filter(|&node| node != first).collect();
    for &node in &others {
        let change = c.set_priority(first, node, 0);
        c.run_for(Duration::from_secs(1));
        c.expect(change).is_membership_changed();
    }
    c.crash(first, Crash::LoseUnsynced);
    c.run_for(Duration::from_secs(60));
    assert!(others.iter().all(|&node| c.status(node).role == RoleKind::Follower));
    c.campaign(others[0]);
    c.run_for(Duration::from_secs(1));
    assert_eq!(c.status(others[0]).role, RoleKind::Leader);
}
