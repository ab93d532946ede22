//! How a call ends: responses, refusals and lost responses.

use std::time::Duration;

use raft_core::{ClusterId, NodeId};
use raft_server::kv::client::{Error, Retry};
use raft_server::kv::protocol::{
    Refusal, Request, RequestBody, ResponseBody, SUPPORTED_VERSIONS, ServerHello,
};
use raft_server::kv::state_machine::{Op, Revision};
use raft_transport_quic::VersionRange;

use super::fake_node::put_output;
use super::setup::{Setup, put, range, range_result, with_node, within};
use super::tls::CLUSTER;

fn key_of(request: &Request) -> String {
    match &request.body {
        RequestBody::Command(command) => match &command.op {
            Op::Put(put) => String::from_utf8(put.key.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Many callers share a connection, and each gets its own response.
#[tokio::test]
async fn responses_reach_their_callers_in_any_order() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..20_u64 {
        let client = client.clone();
        calls.spawn(async move {
            let written = client.put(put(&number.to_string())).await.unwrap();
            (number, written.revision)
        });
    }
    let mut connection = within(node.accept()).await;
    let mut requests = Vec::new();
    for _ in 0..20 {
        requests.push(within(connection.request()).await);
    }
    for request in requests.iter().rev() {
        let revision = 100 + key_of(request).parse::<u64>().unwrap();
        connection.respond(request.id, put_output(revision)).await;
    }
    let mut returned = within(calls.join_all()).await;
    returned.sort_unstable();
    let expected: Vec<_> = (0..20).map(|number| (number, Revision(100 + number))).collect();
    assert_eq!(returned, expected);
}

#[tokio::test]
async fn write_without_a_session_is_unknown_when_its_response_is_lost() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let (result, _) = with_node(client.put(put("a")), node.lose_request()).await;
    assert!(matches!(result, Err(Error::Unknown { .. })), "{result:?}");
}

#[tokio::test]
async fn write_that_the_node_reports_as_unknown_is_unknown() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let responses = async {
        let mut connection = node.accept().await;
        let request = connection.request().await;
        connection.respond(request.id, ResponseBody::Unknown { leader: None }).await;
        connection
    };
    let (result, _connection) = with_node(client.put(put("a")), responses).await;
    assert!(matches!(result, Err(Error::Unknown { .. })), "{result:?}");
}

#[tokio::test]
async fn read_is_retried_when_its_response_is_lost() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let responses = async {
        node.lose_request().await;
        let mut connection = node.accept().await;
        let request = connection.request().await;
        connection.respond(request.id, range_result(7)).await;
        connection
    };
    let (result, _connection) = with_node(range(&client), responses).await;
    assert_eq!(result.unwrap(), Revision(7));
}

#[tokio::test]
async fn refused_write_is_retried_even_without_a_session() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let responses = async {
        let mut connection = node.accept().await;
        for refusal in [Refusal::NoLeader, Refusal::NotReady, Refusal::Busy { retry_after_ms: 1 }] {
            connection.refuse_next(refusal).await;
        }
        connection.apply_next_put(9).await;
        connection
    };
    let (result, _connection) = with_node(client.put(put("a")), responses).await;
    assert_eq!(result.unwrap().revision, Revision(9));
}

#[tokio::test]
async fn invalid_request_is_not_retried() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let responses = async {
        let mut connection = node.accept().await;
        connection.refuse_next(Refusal::Invalid { reason: "too long".to_owned() }).await;
        connection
    };
    let (result, _connection) = with_node(client.put(put("a")), responses).await;
    assert!(matches!(&result, Err(Error::Invalid { reason }) if reason == "too long"));
}

/// A slow node responds to pings; its connection stays open and the write is not given up.
#[tokio::test]
async fn slow_node_that_responds_to_pings_is_waited_for() {
    let Setup { node, client } = Setup::with(Retry::WhenSafe, |config| {
        config.silence_timeout = Duration::from_millis(80);
    });
    let responses = async {
        let mut connection = node.accept().await;
        let request = connection.request().await;
        // The fake node responds to pings while this waits for a request that does not arrive.
        let wait = Duration::from_millis(500);
        let more = tokio::time::timeout(wait, connection.request()).await;
        assert!(more.is_err(), "sent again: {more:?}");
        connection.respond(request.id, put_output(1)).await;
        connection
    };
    let (result, _connection) = with_node(client.put(put("a")), responses).await;
    assert_eq!(result.unwrap().revision, Revision(1));
}

#[tokio::test]
async fn cancelled_call_does_not_affect_the_next() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let cancelled = tokio::spawn({
        let client = client.clone();
        async move { client.put(put("first")).await }
    });
    let mut connection = within(node.accept()).await;
    let first = within(connection.request()).await;
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    let responses = async {
        let second = connection.request().await;
        connection.respond(first.id, put_output(1)).await;
        connection.respond(second.id, put_output(2)).await;
        connection
    };
    let (result, _connection) = with_node(client.put(put("second")), responses).await;
    assert_eq!(result.unwrap().revision, Revision(2));
}

#[tokio::test]
async fn connection_with_malformed_responses_is_closed() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let responses = async {
        let mut first = node.accept().await;
        first.request().await;
        first.send_bytes(&[0, 0, 0, 3, 0xff, 0xff, 0xff]).await;
        let mut second = node.accept().await;
        let request = second.request().await;
        second.respond(request.id, range_result(1)).await;
        (first, second)
    };
    let (result, _connections) = with_node(range(&client), responses).await;
    assert_eq!(result.unwrap(), Revision(1));
}

/// The error contains the values of both sides, and no retry delays it.
#[tokio::test]
async fn mismatched_hello_is_an_error_with_both_values() {
    let server_hello = ServerHello {
        versions: SUPPORTED_VERSIONS,
        cluster: CLUSTER,
        node: NodeId(1),
        in_flight_max: 1,
        members: vec![],
    };
    let other = ClusterId(0xbad);
    for (server_hello, expected) in [
        (
            ServerHello { versions: VersionRange::new(77, 78).unwrap(), ..server_hello.clone() },
            [format!("supports {SUPPORTED_VERSIONS}"), "the node 77 to 78".to_owned()],
        ),
        (ServerHello { cluster: other, ..server_hello }, [CLUSTER.to_string(), other.to_string()]),
    ] {
        let Setup { node, client } = Setup::new(Retry::WhenSafe);
        let (result, _connection) =
            with_node(client.put(put("a")), node.accept_with(server_hello)).await;
        let Err(Error::Unavailable { reason }) = result else { panic!("{result:?}") };
        assert!(expected.iter().all(|part| reason.contains(part)), "{reason}");
    }
}

#[tokio::test]
async fn response_of_the_wrong_kind_is_an_error() {
    let Setup { node, client } = Setup::new(Retry::WhenSafe);
    let responses = async {
        let mut connection = node.accept().await;
        connection.apply_next_put(1).await;
        connection
    };
    let (result, _connection) = with_node(range(&client), responses).await;
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
}
