//! Writes in sessions: which attempts carry which serial, and when the outcome is unknown.

use std::time::Duration;

use raft_server::kv::client::{Error, Retry};
use raft_server::kv::protocol::{Refusal, Request, RequestBody, ResponseBody};
use raft_server::kv::state_machine::{
    Outcome, Output, Revision, SessionId, SessionSerial, StoreRefusal,
};
use raft_server::space::NoSpace;

use super::setup::{Setup, put, with_node};

fn invalid() -> Refusal {
    Refusal::Invalid { reason: "too long".to_owned() }
}

fn session_of(request: &Request) -> SessionSerial {
    let RequestBody::Command(command) = &request.body else { panic!("{request:?}") };
    command.session.unwrap()
}

/// Opens session 1, then loses the first attempt of a write.
async fn lose_first_attempt(setup: &Setup) -> Request {
    let mut connection = setup.node.accept().await;
    connection.open_session(1).await;
    let first = connection.request().await;
    connection.close();
    first
}

/// The second attempt equals the first one: session, serial and command.
#[tokio::test]
async fn write_in_a_session_is_retried_with_the_same_serial() {
    let setup = Setup::new(Retry::ExactlyOnce);
    let responses = async {
        let first = lose_first_attempt(&setup).await;
        let mut connection = setup.node.accept().await;
        let second = connection.apply_next_put(5).await;
        (first, second, connection)
    };
    let (result, (first, second, _connection)) =
        with_node(setup.client.put(put("a")), responses).await;
    assert_eq!(result.unwrap().revision, Revision(5));
    assert_eq!(first.body, second.body);
    assert_eq!(session_of(&first), SessionSerial { session: SessionId(1), serial: 1 });
}

/// The store does not record whether an evicted session applied the lost attempt.
#[tokio::test]
async fn expired_session_leaves_a_retried_write_unknown() {
    let setup = Setup::new(Retry::ExactlyOnce);
    let responses = async {
        lose_first_attempt(&setup).await;
        let mut connection = setup.node.accept().await;
        let second = connection.request().await;
        let outcome = Outcome::Refused(StoreRefusal::SessionExpired);
        let output = Output { revision: Revision(0), outcome };
        connection.respond(second.id, ResponseBody::Output(output)).await;
        connection
    };
    let (result, _connection) = with_node(setup.client.put(put("a")), responses).await;
    assert!(matches!(result, Err(Error::Unknown { .. })), "{result:?}");
}

/// A refusal concerns the attempt that it responds to. The lost one may be in the log.
#[tokio::test]
async fn refused_retry_leaves_the_write_unknown() {
    for (last, expected) in [
        (ResponseBody::Refused(invalid()), "too long"),
        (ResponseBody::Members(Vec::new()), "another kind of request"),
    ] {
        let setup = Setup::new(Retry::ExactlyOnce);
        let responses = async {
            lose_first_attempt(&setup).await;
            let mut connection = setup.node.accept().await;
            let second = connection.request().await;
            connection.respond(second.id, last).await;
            connection
        };
        let (result, _connection) = with_node(setup.client.put(put("a")), responses).await;
        let Err(Error::Unknown { reason }) = result else { panic!("{result:?}") };
        assert!(reason.contains(expected), "{reason}");
    }
}

/// The serial of a lost attempt may be behind the next one, so the session is dropped.
#[tokio::test]
async fn session_of_a_write_with_unknown_outcome_is_not_used_again() {
    let setup = Setup::new(Retry::ExactlyOnce);
    let responses = async {
        lose_first_attempt(&setup).await;
        let mut connection = setup.node.accept().await;
        connection.refuse_next(invalid()).await;
        connection.open_session(2).await;
        let third = connection.apply_next_put(3).await;
        (third, connection)
    };
    let calls = async {
        let first = setup.client.put(put("a")).await;
        assert!(matches!(first, Err(Error::Unknown { .. })), "{first:?}");
        setup.client.put(put("b")).await.unwrap().revision
    };
    let (revision, (third, _connection)) = with_node(calls, responses).await;
    assert_eq!(revision, Revision(3));
    assert_eq!(session_of(&third).session, SessionId(2));
}

#[tokio::test]
async fn lost_write_in_a_session_is_unknown_when_the_timeout_expires() {
    let Setup { node, client } = Setup::with(Retry::ExactlyOnce, |config| {
        config.timeout = Duration::from_secs(1);
    });
    let responses = async {
        let mut connection = node.accept().await;
        connection.open_session(1).await;
        connection.request().await;
        connection.close();
        let mut connection = node.accept().await;
        loop {
            let Some(request) = connection.next_request().await else { return };
            connection.respond(request.id, ResponseBody::Refused(Refusal::NoLeader)).await;
        }
    };
    let call = async {
        let result = client.put(put("a")).await;
        drop(client);
        result
    };
    let (result, ()) = with_node(call, responses).await;
    assert!(matches!(result, Err(Error::Unknown { .. })), "{result:?}");
}

/// No attempt was lost: the write was not applied, and the session stays in use.
#[tokio::test]
async fn refused_first_attempt_was_not_applied() {
    let setup = Setup::new(Retry::ExactlyOnce);
    let responses = async {
        let mut connection = setup.node.accept().await;
        connection.open_session(1).await;
        connection.refuse_next(invalid()).await;
        let second = connection.apply_next_put(2).await;
        (second, connection)
    };
    let calls = async {
        let first = setup.client.put(put("a")).await;
        assert!(matches!(first, Err(Error::Invalid { .. })), "{first:?}");
        setup.client.put(put("b")).await.unwrap();
    };
    let ((), (second, _connection)) = with_node(calls, responses).await;
    assert_eq!(session_of(&second).session, SessionId(1));
}

/// The write is sent only after its session is open, so it was not applied.
#[tokio::test]
async fn write_is_not_applied_when_its_session_cannot_be_opened() {
    let setup = Setup::new(Retry::ExactlyOnce);
    let responses = async {
        let mut connection = setup.node.accept().await;
        let opening = connection.request().await;
        let failed = ResponseBody::Failed { reason: "disk".to_owned() };
        connection.respond(opening.id, failed).await;
        connection
    };
    let (result, _connection) = with_node(setup.client.put(put("a")), responses).await;
    assert!(matches!(result, Err(Error::Unavailable { .. })), "{result:?}");
}

/// A leader without disk space refuses, and the client does not retry. After a lost attempt the
/// refusal does not determine the outcome.
#[tokio::test]
async fn refusal_for_lack_of_space_ends_the_call() {
    let setup = Setup::new(Retry::ExactlyOnce);
    let no_space = NoSpace { free_bytes: 1, needed_bytes: 2 };
    let responses = async {
        let mut connection = setup.node.accept().await;
        connection.open_session(1).await;
        connection.refuse_next(Refusal::NoSpace(no_space)).await;
        connection.request().await;
        connection.close();
        let mut connection = setup.node.accept().await;
        connection.refuse_next(Refusal::NoSpace(no_space)).await;
        connection
    };
    let calls = async { (setup.client.put(put("a")).await, setup.client.put(put("b")).await) };
    let ((first, second), _connection) = with_node(calls, responses).await;
    assert!(matches!(first, Err(Error::NoSpace(reason)) if reason == no_space), "{first:?}");
    assert!(matches!(second, Err(Error::Unknown { .. })), "{second:?}");
}
