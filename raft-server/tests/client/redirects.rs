//! How the client finds the leader, and how it replaces a node that does not respond.

use std::time::{Duration, Instant};

use raft_core::NodeId;
use raft_server::kv::client::Retry;
use raft_server::kv::protocol::{LeaderHint, Refusal};
use raft_server::kv::state_machine::Revision;

use super::fake_node::FakeNode;
use super::setup::{WAIT_MAX, client, put, range, range_result, with_node};
use super::tls::Issuer;

/// The leader need not be among the endpoints: the hint contains its address.
#[tokio::test]
async fn redirect_is_followed_and_remembered() {
    let issuer = Issuer::new();
    let (follower, leader) = (FakeNode::new(&issuer, 1), FakeNode::new(&issuer, 2));
    let client = client(&issuer, &[&follower], Retry::WhenSafe, |_| {});
    let responses = async {
        let mut at_follower = follower.accept().await;
        let hint = LeaderHint { node: NodeId(2), address: Some(leader.address()) };
        at_follower.refuse_next(Refusal::NotLeader { leader: hint }).await;
        let mut at_leader = leader.accept().await;
        for revision in [3, 4] {
            at_leader.apply_next_put(revision).await;
        }
        (at_follower, at_leader)
    };
    let calls = async {
        let first = client.put(put("a")).await.unwrap();
        let second = client.put(put("a")).await.unwrap();
        (first.revision, second.revision)
    };
    let (revisions, _connections) = with_node(calls, responses).await;
    assert_eq!(revisions, (Revision(3), Revision(4)));
}

/// Over UDP the stop of a process is not signalled: the client must detect it.
#[tokio::test]
async fn node_that_stops_responding_is_replaced_by_another() {
    let issuer = Issuer::new();
    let (silent, other) = (FakeNode::new(&issuer, 1), FakeNode::new(&issuer, 2));
    let client = client(&issuer, &[&silent, &other], Retry::WhenSafe, |config| {
        config.silence_timeout = Duration::from_millis(100);
    });
    let responses = async {
        let mut at_silent = silent.accept().await;
        at_silent.request().await;
        let mut connection = other.accept().await;
        let request = connection.request().await;
        connection.respond(request.id, range_result(2)).await;
        (at_silent, connection)
    };
    let (result, _connections) = with_node(range(&client), responses).await;
    assert_eq!(result.unwrap(), Revision(2));
}

/// For an election timeout after a leader has stopped, the others still name it as the leader. An
/// attempt to connect to it must not delay the requests that the others can serve by then.
#[tokio::test]
async fn hint_at_a_node_that_is_down_does_not_delay_requests() {
    const HINTS: u32 = 12;
    /// An attempt to connect to a node that does not respond ends with the idle timeout of QUIC,
    /// after 10 s; without one the call takes less than a second.
    const DELAYED_MIN: Duration = Duration::from_secs(8);
    let began = Instant::now();
    let issuer = Issuer::new();
    let (down, up) = (FakeNode::new(&issuer, 1), FakeNode::new(&issuer, 2));
    let client = client(&issuer, &[&down, &up], Retry::WhenSafe, |config| {
        (config.silence_timeout, config.dial_timeout) = (2 * WAIT_MAX, 2 * WAIT_MAX);
    });
    let responses = async {
        // After this the node does not respond at all.
        down.lose_request().await;
        let mut at_up = up.accept().await;
        for _ in 0..HINTS {
            let leader = LeaderHint { node: NodeId(1), address: Some(down.address()) };
            at_up.refuse_next(Refusal::NotLeader { leader }).await;
        }
        let request = at_up.request().await;
        at_up.respond(request.id, range_result(3)).await;
        at_up
    };
    let (result, _connection) = with_node(range(&client), responses).await;
    assert_eq!(result.unwrap(), Revision(3));
    let took = began.elapsed();
    assert!(took < DELAYED_MIN, "the requests were delayed: {took:?}");
}
