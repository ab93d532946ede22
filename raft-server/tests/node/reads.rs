//! Reads of every consistency, at the leader and at followers.

use std::time::Duration;

use raft_core::{FollowerReads, LeaseSettings, LogIndex, NodeId, Refusal};
use raft_server::{Consistency, ReadError, ReadOutput};

use super::cluster::{Cluster, LINEARIZABLE, Setup, bytes, current, within};

fn local(staleness_max: Duration) -> Consistency {
    Consistency::Local { staleness_max: Some(staleness_max) }
}

fn with_follower_reads() -> Setup {
    Setup { follower_reads: FollowerReads::ReadIndex, ..Setup::default() }
}

#[tokio::test]
async fn every_node_serves_linearizable_reads() {
    let cluster = Cluster::with_leader(with_follower_reads()).await;
    for member in &cluster.members {
        within(member.known_leader(NodeId(1))).await;
    }
    for count in 1..=10 {
        cluster.leader().propose("add").await.expect("acknowledged");
        for member in &cluster.members {
            for consistency in [LINEARIZABLE, Consistency::Leased] {
                let read = within(member.handle.read(bytes("count"), consistency)).await;
                assert_eq!(read, Ok(current(&count.to_string())), "{:?}", member.id);
            }
        }
    }
}

#[tokio::test]
async fn a_local_read_needs_no_leader_while_the_state_is_recent() {
    const AGE: Duration = Duration::from_secs(600);
    let cluster = Cluster::with_leader(with_follower_reads()).await;
    cluster.leader().propose("add").await.expect("acknowledged");
    let follower = &cluster.members[1];
    within(follower.known_leader(NodeId(1))).await;
    let first = within(follower.handle.read(bytes("count"), local(AGE))).await;
    assert_eq!(first, Ok(current("1")), "confirmed by the leader");
    cluster.hub.isolate(follower.id);
    cluster.leader().propose("add").await.expect("acknowledged");
    let read = within(follower.handle.read(bytes("count"), local(AGE))).await;
    let Ok(ReadOutput { output, staleness: Some(staleness) }) = read else { panic!("{read:?}") };
    assert_eq!(output, bytes("1"));
    assert!(staleness > Duration::ZERO && staleness < AGE, "{staleness:?}");
}

#[tokio::test]
async fn a_local_read_is_refused_with_the_age_of_the_state() {
    let election_timeout_min = Duration::from_millis(150);
    let cluster =
        Cluster::with_leader(Setup { election_timeout_min, ..with_follower_reads() }).await;
    let follower = &cluster.members[1];
    within(follower.machine.has_flushed(LogIndex(1))).await;
    let first = within(follower.handle.read(bytes("count"), local(Duration::MAX))).await;
    assert!(first.is_ok(), "{first:?}");
    cluster.hub.isolate(follower.id);
    let read = within(follower.handle.read(bytes("count"), local(Duration::ZERO))).await;
    let Err(ReadError::Refused(Refusal::TooStale { staleness: Some(staleness) })) = read else {
        panic!("{read:?}")
    };
    let later = within(follower.handle.read(bytes("count"), local(Duration::MAX))).await;
    let age = later.expect("served").staleness.expect("known");
    assert!(age >= staleness, "{age:?} {staleness:?}");
}

/// With the lease a leader that is cut off still serves what it has, until the lease ends.
#[tokio::test]
async fn a_leader_with_a_lease_serves_leased_reads_without_messages() {
    let lease = Some(LeaseSettings { clock_drift_max: Duration::from_secs(1) });
    let cluster = Cluster::with_leader(Setup { lease, ..Setup::default() }).await;
    let leader = cluster.leader();
    leader.propose("add").await.expect("acknowledged");
    let read = within(leader.handle.read(bytes("count"), LINEARIZABLE)).await;
    assert_eq!(read, Ok(current("1")));
    cluster.hub.isolate(leader.id);
    let read = within(leader.handle.read(bytes("count"), Consistency::Leased)).await;
    assert_eq!(read, Ok(current("1")));
    assert!(leader.handle.status().await.raft.lease_end.is_some());
}
