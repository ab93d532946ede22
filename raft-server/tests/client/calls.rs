//! What a client does with answers, refusals and silence.

use std::future::Future;
use std::time::{Duration, Instant};

use raft_core::{ClusterId, NodeId};
use raft_server::kv::client::{Client, ClientConfig, Error, Retry};
use raft_server::kv::protocol::{
    Consistency, LeaderHint, Refusal, Request, RequestBody, ResponseBody, SUPPORTED_VERSIONS,
    ServerHello,
};
use raft_server::kv::state_machine::{
    KeyRange, Op, Outcome, Output, Put, QueryResult, QueryResultBody, RangeRequest, RangeResult,
    Revision, SessionId, StoreRefusal,
};
use raft_server::space::NoSpace;
use raft_transport_quic::VersionRange;

use super::puppet::{Puppet, Visit, done};
use super::tls::{CLUSTER, Issuer};

/// No test waits longer than this for anything; none comes near it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

fn config(issuer: &Issuer, puppets: &[&Puppet], retry: Retry) -> ClientConfig {
    let endpoints = puppets.iter().map(|puppet| puppet.address()).collect();
    let mut config = ClientConfig::new(endpoints, issuer.client());
    config.timeout = PATIENCE;
    config.retry = retry;
    config
}

fn put(key: &str) -> Put {
    Put { key: key.to_owned().into(), value: "v".into(), prev_kv: false }
}

fn range(client: &Client) -> impl Future<Output = Result<Revision, Error>> + use<> {
    let client = client.clone();
    async move {
        let request = RangeRequest::new(KeyRange::all());
        Ok(client.range(request, Consistency::Linearizable).await?.revision)
    }
}

fn found(revision: u64) -> ResponseBody {
    let body = QueryResultBody::Range(RangeResult::default());
    ResponseBody::Range(QueryResult { revision: Revision(revision), body })
}

/// Answers the client's request for a session.
async fn open_session(visit: &mut Visit, session: u64) {
    let opening = visit.request().await;
    let outcome = Outcome::SessionOpened { session: SessionId(session) };
    visit.answer(opening.id, ResponseBody::Output(Output { revision: Revision(0), outcome })).await;
}

fn key_of(request: &Request) -> String {
    match &request.body {
        RequestBody::Command(command) => match &command.op {
            Op::Put(put) => String::from_utf8(put.key.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Many callers share a connection, and each gets its own answer.
#[tokio::test]
async fn answers_find_their_callers_in_any_order() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..20_u64 {
        let client = client.clone();
        calls.spawn(async move {
            let at = client.put(put(&number.to_string())).await.unwrap();
            (number, at.revision)
        });
    }
    let mut visit = within(puppet.visit()).await;
    let mut requests = Vec::new();
    for _ in 0..20 {
        requests.push(within(visit.request()).await);
    }
    for request in requests.iter().rev() {
        visit.done(request.id, 100 + key_of(request).parse::<u64>().unwrap()).await;
    }
    let mut answered = within(calls.join_all()).await;
    answered.sort_unstable();
    let expected: Vec<_> = (0..20).map(|number| (number, Revision(100 + number))).collect();
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn a_write_without_a_session_is_unknown_when_its_answer_is_lost() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        visit.request().await;
        visit.vanish();
    };
    let (answer, ()) = within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert!(matches!(answer, Err(Error::Unknown { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_write_that_the_node_reports_as_unknown_is_unknown() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        let request = visit.request().await;
        visit.answer(request.id, ResponseBody::Unknown { leader: None }).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert!(matches!(answer, Err(Error::Unknown { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_read_is_asked_again_when_its_answer_is_lost() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        visit.request().await;
        visit.vanish();
        let mut visit = puppet.visit().await;
        let request = visit.request().await;
        visit.answer(request.id, found(7)).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(range(&client), play) }).await;
    assert_eq!(answer.unwrap(), Revision(7));
}

/// The second asking must be the first one to the letter: session, serial, command.
#[tokio::test]
async fn a_write_in_a_session_is_asked_again_with_the_same_serial() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::ExactlyOnce)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        let opening = visit.request().await;
        let session = SessionId(40);
        let outcome = Outcome::SessionOpened { session };
        visit
            .answer(opening.id, ResponseBody::Output(Output { revision: Revision(0), outcome }))
            .await;
        let first = visit.request().await.body;
        visit.vanish();
        let mut visit = puppet.visit().await;
        let second = visit.request().await;
        visit.done(second.id, 5).await;
        (first, second.body, visit)
    };
    let (answer, (first, second, _visit)) =
        within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert_eq!(answer.unwrap().revision, Revision(5));
    assert_eq!(first, second);
    let RequestBody::Command(command) = first else { panic!("{first:?}") };
    let named = command.session.unwrap();
    assert_eq!((named.session, named.serial), (SessionId(40), 1));
}

/// An evicted session cannot tell whether the lost attempt was carried out.
#[tokio::test]
async fn an_expired_session_leaves_a_repeated_write_unknown() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::ExactlyOnce)).unwrap();
    let refused = |refused| {
        let outcome = Outcome::Refused(refused);
        ResponseBody::Output(Output { revision: Revision(0), outcome })
    };
    let play = async {
        let mut visit = puppet.visit().await;
        let opening = visit.request().await;
        let outcome = Outcome::SessionOpened { session: SessionId(1) };
        visit
            .answer(opening.id, ResponseBody::Output(Output { revision: Revision(0), outcome }))
            .await;
        visit.request().await;
        visit.vanish();
        let mut visit = puppet.visit().await;
        let second = visit.request().await;
        visit.answer(second.id, refused(StoreRefusal::SessionExpired)).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert!(matches!(answer, Err(Error::Unknown { .. })), "{answer:?}");
}

/// A refusal concerns the attempt that it answers. The lost one may be in the log.
#[tokio::test]
async fn a_refusal_that_ends_the_call_leaves_a_repeated_write_unknown() {
    let invalid = Refusal::Invalid { reason: "too long".to_owned() };
    for (last, expected) in [
        (ResponseBody::Refused(invalid), "too long"),
        (ResponseBody::Members(Vec::new()), "answers another question"),
    ] {
        let issuer = Issuer::new();
        let puppet = Puppet::new(&issuer, 1);
        let client = Client::new(config(&issuer, &[&puppet], Retry::ExactlyOnce)).unwrap();
        let play = async {
            let mut visit = puppet.visit().await;
            open_session(&mut visit, 1).await;
            visit.request().await;
            visit.vanish();
            let mut visit = puppet.visit().await;
            let second = visit.request().await;
            visit.answer(second.id, last).await;
            visit
        };
        let (answer, _visit) = within(async { tokio::join!(client.put(put("a")), play) }).await;
        let Err(Error::Unknown { reason }) = answer else { panic!("{answer:?}") };
        assert!(reason.contains(expected), "{reason}");
    }
}

/// The session of a write of unknown outcome is not used again: its serials may be behind.
#[tokio::test]
async fn a_session_with_a_write_of_unknown_outcome_is_left() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::ExactlyOnce)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        open_session(&mut visit, 1).await;
        visit.request().await;
        visit.vanish();
        let mut visit = puppet.visit().await;
        let second = visit.request().await;
        let refusal = Refusal::Invalid { reason: "too long".to_owned() };
        visit.answer(second.id, ResponseBody::Refused(refusal)).await;
        open_session(&mut visit, 2).await;
        let third = visit.request().await;
        visit.done(third.id, 3).await;
        (third, visit)
    };
    let calls = async {
        let first = client.put(put("a")).await;
        assert!(matches!(first, Err(Error::Unknown { .. })), "{first:?}");
        client.put(put("b")).await.unwrap().revision
    };
    let (revision, (third, _visit)) = within(async { tokio::join!(calls, play) }).await;
    assert_eq!(revision, Revision(3));
    let RequestBody::Command(command) = third.body else { panic!("{third:?}") };
    assert_eq!(command.session.unwrap().session, SessionId(2));
}

/// Time is up, or no node can be reached, while an attempt is still open.
#[tokio::test]
async fn a_lost_write_in_a_session_is_unknown_when_no_further_attempt_succeeds() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let mut config = config(&issuer, &[&puppet], Retry::ExactlyOnce);
    config.timeout = Duration::from_secs(1);
    let client = Client::new(config).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        open_session(&mut visit, 1).await;
        visit.request().await;
        visit.vanish();
        let mut visit = puppet.visit().await;
        loop {
            let Some(request) = visit.next_request().await else { return };
            visit.answer(request.id, ResponseBody::Refused(Refusal::NoLeader)).await;
        }
    };
    let call = async {
        let answer = client.put(put("a")).await;
        drop(client);
        answer
    };
    let (answer, ()) = within(async { tokio::join!(call, play) }).await;
    assert!(matches!(answer, Err(Error::Unknown { .. })), "{answer:?}");
}

/// No attempt was lost: the node says that it did nothing, and the session stays in use.
#[tokio::test]
async fn a_first_attempt_that_is_refused_was_not_carried_out() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::ExactlyOnce)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        open_session(&mut visit, 1).await;
        let request = visit.request().await;
        let refusal = Refusal::Invalid { reason: "too long".to_owned() };
        visit.answer(request.id, ResponseBody::Refused(refusal)).await;
        let request = visit.request().await;
        visit.done(request.id, 2).await;
        (request, visit)
    };
    let calls = async {
        let first = client.put(put("a")).await;
        assert!(matches!(first, Err(Error::Invalid { .. })), "{first:?}");
        client.put(put("b")).await.unwrap();
    };
    let ((), (second, _visit)) = within(async { tokio::join!(calls, play) }).await;
    let RequestBody::Command(command) = second.body else { panic!("{second:?}") };
    assert_eq!(command.session.unwrap().session, SessionId(1));
}

/// The write is not sent before its session is open, so it was not carried out either.
#[tokio::test]
async fn a_session_that_cannot_be_opened_leaves_no_write_open() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::ExactlyOnce)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        let opening = visit.request().await;
        visit.answer(opening.id, ResponseBody::Failed { reason: "disk".to_owned() }).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_refusal_is_asked_again_even_without_a_session() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        for refusal in [Refusal::NoLeader, Refusal::NotReady, Refusal::Busy { retry_after_ms: 1 }] {
            let request = visit.request().await;
            visit.answer(request.id, ResponseBody::Refused(refusal)).await;
        }
        let request = visit.request().await;
        visit.done(request.id, 9).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert_eq!(answer.unwrap().revision, Revision(9));
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_not_asked_again() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        let request = visit.request().await;
        let refusal = Refusal::Invalid { reason: "too long".to_owned() };
        visit.answer(request.id, ResponseBody::Refused(refusal)).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert!(matches!(&answer, Err(Error::Invalid { reason }) if reason == "too long"));
}

/// The leader need not be among the endpoints: the hint says where it is.
#[tokio::test]
async fn a_redirect_is_followed_and_remembered() {
    let issuer = Issuer::new();
    let (follower, leader) = (Puppet::new(&issuer, 1), Puppet::new(&issuer, 2));
    let client = Client::new(config(&issuer, &[&follower], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut at_follower = follower.visit().await;
        let request = at_follower.request().await;
        let hint = LeaderHint { node: NodeId(2), address: Some(leader.address()) };
        let refusal = Refusal::NotLeader { leader: hint };
        at_follower.answer(request.id, ResponseBody::Refused(refusal)).await;
        let mut at_leader = leader.visit().await;
        for revision in [3, 4] {
            let request = at_leader.request().await;
            at_leader.done(request.id, revision).await;
        }
        (at_follower, at_leader)
    };
    let calls = async {
        let first = client.put(put("a")).await.unwrap();
        let second = client.put(put("a")).await.unwrap();
        (first.revision, second.revision)
    };
    let (revisions, _visits) = within(async { tokio::join!(calls, play) }).await;
    assert_eq!(revisions, (Revision(3), Revision(4)));
}

/// Over UDP nobody says that a process is gone: it must be noticed.
#[tokio::test]
async fn a_silent_node_is_given_up_for_another() {
    let issuer = Issuer::new();
    let (silent, other) = (Puppet::new(&issuer, 1), Puppet::new(&issuer, 2));
    let mut config = config(&issuer, &[&silent, &other], Retry::WhenSafe);
    config.silence_timeout = Duration::from_millis(100);
    let client = Client::new(config).unwrap();
    let play = async {
        let mut at_silent = silent.visit().await;
        at_silent.request().await;
        let mut visit = other.visit().await;
        let request = visit.request().await;
        visit.answer(request.id, found(2)).await;
        (at_silent, visit)
    };
    let (answer, _visits) = within(async { tokio::join!(range(&client), play) }).await;
    assert_eq!(answer.unwrap(), Revision(2));
}

/// For an election timeout after a leader's death, the others still name it as the leader. An
/// attempt to connect to it must not hold up the requests that they could answer by then.
#[tokio::test]
async fn a_hint_at_a_node_that_is_down_does_not_hold_up_requests() {
    const HINTS: u32 = 12;
    /// An attempt to connect to a node that does not respond ends when QUIC gives the connection
    /// up, after 10 s; without one the call takes less than a second.
    const HELD_UP_MIN: Duration = Duration::from_secs(8);
    let began = Instant::now();
    let issuer = Issuer::new();
    let (down, up) = (Puppet::new(&issuer, 1), Puppet::new(&issuer, 2));
    let mut config = config(&issuer, &[&down, &up], Retry::WhenSafe);
    (config.silence_timeout, config.dial_timeout) = (2 * PATIENCE, 2 * PATIENCE);
    let client = Client::new(config).unwrap();
    let play = async {
        let mut at_down = down.visit().await;
        at_down.request().await;
        // From now on it does not respond at all.
        at_down.vanish();
        let mut at_up = up.visit().await;
        for _ in 0..HINTS {
            let request = at_up.request().await;
            let leader = LeaderHint { node: NodeId(1), address: Some(down.address()) };
            at_up.answer(request.id, ResponseBody::Refused(Refusal::NotLeader { leader })).await;
        }
        let request = at_up.request().await;
        at_up.answer(request.id, found(3)).await;
        at_up
    };
    let (answer, _visit) = within(async { tokio::join!(range(&client), play) }).await;
    assert_eq!(answer.unwrap(), Revision(3));
    let took = began.elapsed();
    assert!(took < HELD_UP_MIN, "the requests were held up: {took:?}");
}

/// A node that answers pings is slow, not gone: its write is not given up.
#[tokio::test]
async fn a_slow_node_that_answers_pings_is_waited_for() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let mut config = config(&issuer, &[&puppet], Retry::WhenSafe);
    config.silence_timeout = Duration::from_millis(80);
    let client = Client::new(config).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        let request = visit.request().await;
        // Pings are answered while this waits for a request that does not come.
        let more = tokio::time::timeout(Duration::from_millis(500), visit.request()).await;
        assert!(more.is_err(), "asked again: {more:?}");
        visit.done(request.id, 1).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(client.put(put("a")), play) }).await;
    assert_eq!(answer.unwrap().revision, Revision(1));
}

#[tokio::test]
async fn a_cancelled_call_does_no_harm_to_the_next() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let cancelled = tokio::spawn({
        let client = client.clone();
        async move { client.put(put("first")).await }
    });
    let mut visit = within(puppet.visit()).await;
    let first = within(visit.request()).await;
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    let play = async {
        let second = visit.request().await;
        visit.done(first.id, 1).await;
        visit.done(second.id, 2).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(client.put(put("second")), play) }).await;
    assert_eq!(answer.unwrap().revision, Revision(2));
}

#[tokio::test]
async fn a_node_that_sends_nonsense_is_left() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        visit.request().await;
        visit.say(&[0, 0, 0, 3, 0xff, 0xff, 0xff]).await;
        let mut visit = puppet.visit().await;
        let request = visit.request().await;
        visit.answer(request.id, found(1)).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(range(&client), play) }).await;
    assert_eq!(answer.unwrap(), Revision(1));
}

/// Both numbers are in the message, so that one knows which side to change; and it comes at once.
#[tokio::test]
async fn a_mismatched_welcome_is_an_error_that_names_both_values() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let welcome = ServerHello {
        versions: SUPPORTED_VERSIONS,
        cluster: CLUSTER,
        node: NodeId(1),
        in_flight_max: 1,
        members: vec![],
    };
    let other = ClusterId(0xbad);
    for (welcome, expected) in [
        (
            ServerHello { versions: VersionRange::new(77, 78).unwrap(), ..welcome.clone() },
            [format!("supports {SUPPORTED_VERSIONS}"), "the node 77 to 78".to_owned()],
        ),
        (ServerHello { cluster: other, ..welcome }, [CLUSTER.to_string(), other.to_string()]),
    ] {
        let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
        let (answer, _visit) =
            within(async { tokio::join!(client.put(put("a")), puppet.visit_saying(welcome)) })
                .await;
        let Err(Error::Unavailable { reason }) = answer else { panic!("{answer:?}") };
        assert!(expected.iter().all(|part| reason.contains(part)), "{reason}");
    }
}

/// An unused response is no answer: the client does not take one for another.
#[tokio::test]
async fn an_answer_to_another_question_is_an_error() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::WhenSafe)).unwrap();
    let play = async {
        let mut visit = puppet.visit().await;
        let request = visit.request().await;
        visit.answer(request.id, done(1)).await;
        visit
    };
    let (answer, _visit) = within(async { tokio::join!(range(&client), play) }).await;
    assert!(matches!(answer, Err(Error::Protocol(_))), "{answer:?}");
}

/// A leader without disk space says so at once: to ask again until the deadline does not help. After
/// a lost attempt the refusal says nothing about that attempt.
#[tokio::test]
async fn a_refusal_for_space_ends_the_call() {
    let issuer = Issuer::new();
    let puppet = Puppet::new(&issuer, 1);
    let client = Client::new(config(&issuer, &[&puppet], Retry::ExactlyOnce)).unwrap();
    let no_space = NoSpace { free_bytes: 1, needed_bytes: 2 };
    let refused = || ResponseBody::Refused(Refusal::NoSpace(no_space));
    let play = async {
        let mut visit = puppet.visit().await;
        let opening = visit.request().await;
        let outcome = Outcome::SessionOpened { session: SessionId(1) };
        visit
            .answer(opening.id, ResponseBody::Output(Output { revision: Revision(0), outcome }))
            .await;
        let first = visit.request().await;
        visit.answer(first.id, refused()).await;
        visit.request().await;
        visit.vanish();
        let mut visit = puppet.visit().await;
        let again = visit.request().await;
        visit.answer(again.id, refused()).await;
        visit
    };
    let calls = async { (client.put(put("a")).await, client.put(put("b")).await) };
    let ((first, second), _visit) = within(async { tokio::join!(calls, play) }).await;
    assert!(matches!(first, Err(Error::NoSpace(reason)) if reason == no_space), "{first:?}");
    assert!(matches!(second, Err(Error::Unknown { .. })), "{second:?}");
}
