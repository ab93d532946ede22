//! Frames: every message survives the encoding, and malformed bytes are errors.

use bytes::Bytes;
use raft_core::{ClusterId, LogId, LogIndex, NodeId, Term};
use raft_server::kv::protocol::{
    ClientHello, Consistency, FRAME_BYTES_MAX, FollowerReport, FrameError, FrameReader, LeaderHint,
    MemberReport, Refusal, Request, RequestBody, Response, ResponseBody, Role, ServerHello,
    StatusReport, read_message, write_frame,
};
use raft_server::kv::state_machine::{
    Command, Compare, DeleteRange, Expected, KeyRange, KeyValue, Op, Outcome, Output, Put,
    QueryResult, QueryResultBody, RangeRequest, RangeResult, Relation, Revision, SessionId,
    SessionSerial, Txn, TxnOp,
};
use raft_server::space::{NoSpace, SpaceLevel, SpaceReport};
use raft_transport_quic::FrameTooLarge;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn requests() -> Vec<Request> {
    let key = || Bytes::from_static(b"key");
    let put = || Put { key: key(), value: Bytes::from_static(b"\x00\xff"), prev_kv: true };
    let delete = || DeleteRange { range: KeyRange::Prefix(key()), prev_kv: false };
    let range = RangeRequest::new(KeyRange::Span { start: key(), end: key() });
    let txn = Txn {
        compare: vec![Compare {
            key: key(),
            relation: Relation::Less,
            expected: Expected::Value(key()),
        }],
        then: vec![TxnOp::Put(put()), TxnOp::Range(range.clone())],
        otherwise: vec![TxnOp::DeleteRange(delete())],
    };
    let session = Some(SessionSerial { session: SessionId(7), serial: 8 });
    let commands = [Op::Put(put()), Op::DeleteRange(delete()), Op::Txn(txn), Op::OpenSession]
        .map(|op| RequestBody::Command(Command { session, op }));
    let consistency = Consistency::Serializable;
    let others = [
        RequestBody::Range { request: range, consistency },
        RequestBody::Status,
        RequestBody::Members,
        RequestBody::Ping,
    ];
    let bodies = commands.into_iter().chain(others);
    bodies.zip(u64::MAX - 20..).map(|(body, id)| Request { id, body }).collect()
}

fn responses() -> Vec<Response> {
    let kv = KeyValue {
        key: Bytes::from_static(b"k"),
        value: Bytes::new(),
        create_revision: Revision(1),
        mod_revision: Revision(u64::MAX),
        version: 3,
    };
    let hint = || LeaderHint { node: NodeId(2), address: Some("host:1".to_owned()) };
    let outcome = Outcome::Put { prev_kv: Some(kv.clone()) };
    let found = RangeResult { kvs: vec![kv; 3], more: true, count: None };
    let report = StatusReport {
        release: "1".to_owned(),
        cluster: ClusterId(u128::MAX),
        node: NodeId(1),
        role: Role::Candidate,
        term: Term(2),
        leader: None,
        first_index: LogIndex(1),
        last_log: LogId::new(Term(2), LogIndex(9)),
        commit_index: LogIndex(8),
        applied_index: LogIndex(7),
        revision: Some(Revision(6)),
        followers: vec![FollowerReport { node: NodeId(3), match_index: LogIndex(5) }],
        problem: Some("a\nb".to_owned()),
        space: Some(SpaceReport {
            free_bytes: u64::MAX,
            reserve_bytes: 1,
            level: SpaceLevel::Low,
            refused: 2,
        }),
    };
    let member = MemberReport {
        node: NodeId(1),
        voter: true,
        leader: false,
        peer_address: None,
        client_address: Some(String::new()),
    };
    [
        ResponseBody::Output(Output { revision: Revision(4), outcome }),
        ResponseBody::Range {
            result: QueryResult { revision: Revision(4), body: QueryResultBody::Range(found) },
            staleness_ms: Some(7),
        },
        ResponseBody::Status(Box::new(report)),
        ResponseBody::Members(vec![member]),
        ResponseBody::Pong,
        ResponseBody::Refused(Refusal::NotLeader { leader: hint() }),
        ResponseBody::Refused(Refusal::Busy { retry_after_ms: 3 }),
        ResponseBody::Refused(Refusal::Invalid { reason: "é".to_owned() }),
        ResponseBody::Refused(Refusal::NoSpace(NoSpace { free_bytes: 1, needed_bytes: 2 })),
        ResponseBody::Unknown { leader: Some(hint()) },
        ResponseBody::Failed { reason: "disk".to_owned() },
    ]
    .into_iter()
    .zip(0..)
    .map(|(body, id)| Response { id, body, leader: None })
    .collect()
}

fn frame<M: Serialize>(message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, message).unwrap();
    bytes
}

/// A read may end anywhere in a frame.
#[test]
fn messages_survive_the_encoding_however_the_stream_is_split() {
    let stream: Vec<u8> = requests().iter().flat_map(frame).collect();
    for step in [1, 2, 3, 7, 64, stream.len()] {
        let mut reader = FrameReader::default();
        let mut found = Vec::new();
        for chunk in stream.chunks(step) {
            reader.extend(chunk);
            while let Some(frame) = reader.next_frame().unwrap() {
                found.push(read_message::<Request>(frame).unwrap());
            }
        }
        assert_eq!(found, requests(), "in steps of {step}");
    }
    for response in responses() {
        let frame = frame(&response);
        assert_eq!(read_message::<Response>(&frame[4..]).unwrap(), response);
    }
}

#[test]
fn length_beyond_the_limit_is_refused_before_memory_is_allocated() {
    let mut reader = FrameReader::default();
    reader.extend(&u32::MAX.to_be_bytes());
    let bytes = u32::MAX as usize;
    let expected = FrameError::TooLarge(FrameTooLarge { bytes, bytes_max: FRAME_BYTES_MAX });
    assert_eq!(reader.next_frame(), Err(expected));
}

#[test]
fn message_beyond_the_limit_is_not_written() {
    let mut out = b"before".to_vec();
    let error = write_frame(&mut out, &vec![0_u8; FRAME_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { .. }), "{error:?}");
    assert_eq!(out, b"before");
}

#[test]
fn bytes_after_a_message_are_an_error() {
    let mut bytes = frame(&requests()[0]);
    bytes.push(0);
    assert_eq!(read_message::<Request>(&bytes[4..]), Err(FrameError::TrailingBytes(1)));
}

/// Flipped bits and missing bytes lead to an error or another message, never to a panic.
#[test]
fn damaged_messages_never_panic() {
    let seed = 20_261_121;
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut refused = 0;
    for round in 0..20_000 {
        let (requests, responses) = (requests(), responses());
        let mut bytes = match round % 2 {
            0 => frame(rng.choice(&requests).unwrap()),
            _ => frame(rng.choice(&responses).unwrap()),
        };
        bytes.drain(..4);
        match rng.u8(..3) {
            0 => bytes.truncate(rng.usize(..bytes.len())),
            1 => {
                let position = rng.usize(..bytes.len());
                bytes[position] ^= 1 << rng.u8(..8);
            }
            _ => {
                let position = rng.usize(..bytes.len());
                bytes.truncate(position);
                bytes.extend([0xff; 10]);
            }
        }
        refused += u32::from(is_refused::<Request>(&bytes));
        refused += u32::from(is_refused::<Response>(&bytes));
        refused += u32::from(is_refused::<ClientHello>(&bytes));
        refused += u32::from(is_refused::<ServerHello>(&bytes));
    }
    assert!(refused > 40_000, "only {refused} refused: were they damaged at all?");
}

fn is_refused<M: DeserializeOwned>(bytes: &[u8]) -> bool {
    read_message::<M>(bytes).is_err()
}
