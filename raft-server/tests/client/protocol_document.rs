//! Keeps `docs/client-protocol.md` equal to the code: its examples, limits and close codes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raft_core::{ClusterId, LogId, LogIndex, NodeId, Term};
use raft_server::kv::client_api::ClientApiConfig;
use raft_server::kv::protocol::{
    ClientHello, Consistency, ExplanationReport, FRAME_BYTES_MAX, FindingReport, FollowerReport,
    LeaderHint, MemberReport, PROTOCOL_VERSION, REQUEST_BYTES_MAX, Refusal, Request, RequestBody,
    Response, ResponseBody, Role, ServerHello, SnapshotRequest, SnapshotResponse, StatusReport,
    read_extensible, read_message,
};
use raft_server::kv::state_machine::{
    Command, Compare, DeleteRange, Deleted, Expected, HashResult, KeyRange, KeyValue, Limits, Op,
    Outcome, Output, Projection, Put, QueryResult, QueryResultBody, RangeRequest, RangeResult,
    Relation, Revision, Rules, SessionId, SessionSerial, StoreRefusal, Txn, TxnOp, TxnOpResult,
    TxnResult,
};
use raft_server::space::{NoSpace, SpaceLevel, SpaceReport};
use raft_transport_quic::{CloseCode, VersionRange, tls};

use super::membership_examples::{changes, membership};
use super::raw_client::frame;
use super::tls::Issuer;

const MARK: &str = "<!-- examples: UPDATE=1 rewrites this table -->\n";
const CLUSTER: ClusterId = ClusterId(0x1122_3344_5566_7788_99aa_bbcc_ddee_ff00);

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn kv() -> KeyValue {
    KeyValue {
        key: bytes("a"),
        value: bytes("1"),
        create_revision: Revision(2),
        mod_revision: Revision(300),
        version: 4,
    }
}

fn range_result() -> RangeResult {
    RangeResult { kvs: vec![kv()], more: false, count: Some(1) }
}

fn ops() -> Vec<Op> {
    let put = Put { key: bytes("a"), value: bytes("1"), prev_kv: true };
    let delete = DeleteRange { range: KeyRange::Prefix(bytes("a")), prev_kv: false };
    let read = RangeRequest::new(KeyRange::Key(bytes("b")));
    let compare = |relation, expected| Compare { key: bytes("a"), relation, expected };
    let txn = Txn {
        compare: vec![
            compare(Relation::Equal, Expected::Value(bytes("1"))),
            compare(Relation::NotEqual, Expected::Version(0)),
            compare(Relation::Less, Expected::CreateRevision(Revision(9))),
            compare(Relation::Greater, Expected::ModRevision(Revision(1))),
        ],
        then: vec![TxnOp::Put(put.clone()), TxnOp::Range(read)],
        otherwise: vec![TxnOp::DeleteRange(delete.clone())],
    };
    vec![
        Op::Put(put),
        Op::DeleteRange(delete),
        Op::Txn(txn),
        Op::Compact(Revision(300)),
        Op::OpenSession,
    ]
}

/// Every kind of request, with every kind of range.
fn requests() -> Vec<RequestBody> {
    let session = |op: &Op| match op {
        Op::Put(_) => Some(SessionSerial { session: SessionId(7), serial: 1 }),
        _ => None,
    };
    let commands = ops().into_iter().map(|op| Command { session: session(&op), op });
    let all = RangeRequest::new(KeyRange::all());
    let span = KeyRange::Span { start: bytes("a"), end: bytes("c") };
    let page = RangeRequest {
        revision: Some(Revision(300)),
        limit: Some(10),
        projection: Projection::KeysOnly,
        ..RangeRequest::new(span)
    };
    let count = RangeRequest {
        projection: Projection::CountOnly,
        ..RangeRequest::new(KeyRange::From(bytes("a")))
    };
    let ranges = [
        (all, Consistency::Linearizable),
        (page, Consistency::Serializable),
        (count.clone(), Consistency::Leased),
        (count, Consistency::Bounded { staleness_ms_max: 500 }),
    ];
    let snapshots = [
        SnapshotRequest::CompactLog,
        SnapshotRequest::Begin,
        SnapshotRequest::Read { id: 1, offset: 300 },
    ];
    commands
        .map(RequestBody::Command)
        .chain(ranges.map(|(request, consistency)| RequestBody::Range { request, consistency }))
        .chain([RequestBody::Status, RequestBody::Members, RequestBody::Ping])
        .chain([None, Some(NodeId(2))].map(|to| RequestBody::Transfer { to }))
        .chain([RequestBody::Explain])
        .chain(snapshots.map(RequestBody::Snapshot))
        .chain([RequestBody::Membership])
        .chain(changes().map(|(change, if_version)| RequestBody::ChangeMembership {
            change,
            if_version: if_version.map(LogIndex),
        }))
        .collect()
}

fn outcomes() -> Vec<Outcome> {
    let deleted = || Deleted { count: 1, prev_kvs: vec![kv()] };
    let results = vec![
        TxnOpResult::Put { prev_kv: None },
        TxnOpResult::DeleteRange(deleted()),
        TxnOpResult::Range(range_result()),
    ];
    let refusals = [
        StoreRefusal::Malformed,
        StoreRefusal::Compacted { compact_revision: Revision(2) },
        StoreRefusal::FutureRevision { revision: Revision(300) },
        StoreRefusal::SessionStale { last_serial: 5 },
        StoreRefusal::SessionExpired,
        StoreRefusal::TooLarge { bytes_max: 4_194_304 },
        StoreRefusal::TooManyKeys { keys_max: 100_000 },
    ];
    [
        Outcome::Put { prev_kv: Some(kv()) },
        Outcome::DeleteRange(deleted()),
        Outcome::Txn(TxnResult { succeeded: true, results }),
        Outcome::Compact,
        Outcome::SessionOpened { session: SessionId(7) },
        Outcome::OutputNotKept,
    ]
    .into_iter()
    .chain(refusals.map(Outcome::Refused))
    .collect()
}

fn status() -> StatusReport {
    StatusReport {
        release: "0.1.0".to_owned(),
        cluster: CLUSTER,
        node: NodeId(1),
        role: Role::Leader,
        term: Term(3),
        leader: Some(NodeId(1)),
        first_index: LogIndex(1),
        last_log: LogId::new(Term(3), LogIndex(9)),
        commit_index: LogIndex(8),
        applied_index: LogIndex(7),
        revision: Some(Revision(300)),
        followers: vec![FollowerReport { node: NodeId(2), match_index: LogIndex(8) }],
        problem: None,
        space: Some(SpaceReport {
            free_bytes: 1_000_000,
            reserve_bytes: 1_000,
            level: SpaceLevel::Ample,
            refused: 0,
        }),
    }
}

fn explanation() -> ExplanationReport {
    let (topic, text) = ("leader".to_owned(), "nothing".to_owned());
    ExplanationReport {
        node: NodeId(1),
        role: Role::Candidate,
        term: Term(3),
        leader: None,
        findings: vec![FindingReport { topic, text }],
    }
}

fn hint() -> LeaderHint {
    LeaderHint { node: NodeId(2), address: Some("host:7002".to_owned()) }
}

/// Every kind of response.
fn responses() -> Vec<ResponseBody> {
    let hash = HashResult { revision: Revision(300), compact_revision: Revision(2), hash: 5 };
    let refused = StoreRefusal::Compacted { compact_revision: Revision(2) };
    let results = [
        QueryResultBody::Range(range_result()),
        QueryResultBody::Hash(hash),
        QueryResultBody::Refused(refused),
    ];
    let member = MemberReport {
        node: NodeId(1),
        voter: true,
        leader: false,
        peer_address: Some("host:7001".to_owned()),
        client_address: None,
    };
    let refusals = [
        Refusal::NotLeader { leader: hint() },
        Refusal::NoLeader,
        Refusal::NotReady,
        Refusal::Busy { retry_after_ms: 30 },
        Refusal::Stopped,
        Refusal::Invalid { reason: "too long".to_owned() },
        Refusal::Unreadable { reason: "disk".to_owned() },
        Refusal::NoSpace(NoSpace { free_bytes: 1, needed_bytes: 1_000 }),
        Refusal::NotTransferred { reason: "no voter".to_owned() },
        Refusal::TooStale { staleness_ms: Some(812) },
        Refusal::ChangeInProgress { reason: "version 7".to_owned() },
        Refusal::Lagging {
            reason: "too far".to_owned(),
            match_index: LogIndex(3),
            last_index: LogIndex(9),
        },
        Refusal::MembershipNotChanged { reason: "no member".to_owned() },
    ];
    let revision = Revision(300);
    let snapshots = [
        SnapshotResponse::Compacted { first_index: LogIndex(300) },
        SnapshotResponse::Part(bytes("abc")),
        SnapshotResponse::End { checksum: 0x0102_0304 },
        SnapshotResponse::Failed { reason: "busy".to_owned() },
    ];
    let outputs = outcomes().into_iter().map(|outcome| Output { revision, outcome });
    outputs
        .map(ResponseBody::Output)
        .chain(results.into_iter().zip([Some(0), Some(12), None]).map(|(body, staleness_ms)| {
            ResponseBody::Range { result: QueryResult { revision, body }, staleness_ms }
        }))
        .chain([
            ResponseBody::Status(Box::new(status())),
            ResponseBody::Members(vec![member]),
            ResponseBody::Pong,
        ])
        .chain(refusals.map(ResponseBody::Refused))
        .chain([
            ResponseBody::Unknown { leader: Some(hint()) },
            ResponseBody::Failed { reason: "disk".to_owned() },
            ResponseBody::Transferred { leader: NodeId(2) },
            ResponseBody::Explanation(Box::new(explanation())),
            ResponseBody::Membership(membership()),
            ResponseBody::MembershipChanged { version: LogIndex(8) },
        ])
        .chain(snapshots.map(ResponseBody::Snapshot))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The table of the document: each message in Rust's notation, and its frame.
fn examples() -> String {
    let versions = VersionRange::new(2, 3).unwrap();
    let client_hello = ClientHello { versions, cluster: Some(CLUSTER) };
    let server_hello = ServerHello {
        versions,
        cluster: CLUSTER,
        node: NodeId(1),
        in_flight_max: 1024,
        members: vec![(NodeId(1), "host:7002".to_owned())],
    };
    let mut rows = Vec::new();
    let client_frame = frame(&client_hello);
    assert_eq!(read_extensible::<ClientHello>(&client_frame[4..]), Ok(client_hello));
    rows.push((format!("{client_hello:?}"), client_frame));
    let server_frame = frame(&server_hello);
    assert_eq!(read_extensible::<ServerHello>(&server_frame[4..]), Ok(server_hello.clone()));
    rows.push((format!("{server_hello:?}"), server_frame));
    for (body, id) in requests().into_iter().zip(1..) {
        let request = Request { id, body };
        let frame = frame(&request);
        rows.push((format!("{request:?}"), frame.clone()));
        assert_eq!(read_message::<Request>(&frame[4..]), Ok(request));
    }
    for (body, id) in responses().into_iter().zip(1..) {
        let leader = matches!(body, ResponseBody::Range { .. }).then(hint);
        let response = Response { id, body, leader };
        let frame = frame(&response);
        rows.push((format!("{response:?}"), frame.clone()));
        assert_eq!(read_message::<Response>(&frame[4..]), Ok(response));
    }
    let mut table = "| message | frame |\n| --- | --- |\n".to_owned();
    for (message, frame) in rows {
        writeln!(table, "| `{message}` | `{}` |", hex(&frame)).unwrap();
    }
    table
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/client-protocol.md")
}

fn document() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// A client in another language is written from the document: its examples must be what nodes send
/// and accept.
#[test]
fn examples_of_the_document_are_what_the_encoder_writes() {
    let document = document();
    let (before, table) = document.split_once(MARK).expect("the document has the mark");
    let expected = format!("\n{}", examples());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(), format!("{before}{MARK}{expected}")).unwrap();
        return;
    }
    assert_eq!(table, expected, "run this test with UPDATE=1 and read the difference");
}

/// A number with separators between groups of three digits, as in the document.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The numbers of the document are repeated by hand: each must be the one of the code.
#[test]
fn numbers_of_the_document_are_those_of_the_code() {
    let document = document();
    let (rules, limits) = (Rules::CURRENT, Limits::default());
    let issuer = Issuer::new();
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let port = ClientApiConfig::new(listen, CLUSTER, NodeId(1), issuer.node(1));
    let bytes = |number: usize| grouped(number as u64);
    for expected in [
        format!("This page describes version {PROTOCOL_VERSION}."),
        format!("| ALPN | `{}` |", String::from_utf8_lossy(tls::Protocol::Client.alpn())),
        format!("| client to node, requests | {} |", bytes(REQUEST_BYTES_MAX)),
        format!("| node to client | {} |", bytes(FRAME_BYTES_MAX)),
        format!("connections are at their limit ({})", bytes(port.connections_max)),
        format!("({} by default)", grouped(u64::from(port.in_flight_max))),
        format!(
            "{} requests or {} MiB",
            grouped(u64::from(port.in_flight_max)),
            port.in_flight_bytes_max >> 20
        ),
        format!("budgets of {} MiB for a connection", port.connection_response_bytes_max >> 20),
        format!("{} MiB for all", port.identity_response_bytes_max >> 20),
        format!("| key | {} bytes", bytes(limits.key_bytes_max)),
        format!("| value | {} bytes", bytes(limits.value_bytes_max)),
        format!("{} comparisons, and {0} operations", limits.txn_ops_max),
        format!("in the log | {} bytes", bytes(limits.command_bytes_max)),
        format!("| output | {} bytes", grouped(rules.output_bytes_max)),
        format!("supersedes | {} bytes", grouped(rules.staged_bytes_max)),
        format!("skipped | {} |", grouped(rules.visited_keys_max)),
        format!("value is their bytes plus {}:", Rules::weight(&[], &[])),
        format!("encoded output has more than {} bytes", bytes(rules.kept_output_bytes_max)),
        format!("The store keeps {} sessions", bytes(rules.sessions_max)),
        format!("returns {} keys if it sets no limit", grouped(rules.range.keys_default)),
        format!(
            "more than {} keys or {} bytes",
            grouped(rules.range.keys_max),
            grouped(rules.range.bytes_max)
        ),
    ] {
        assert!(document.contains(&expected), "the document must contain: {expected}");
    }
    for code in [
        CloseCode::Shutdown,
        CloseCode::WrongPort,
        CloseCode::NoIdentity,
        CloseCode::WrongCluster,
        CloseCode::FrameTooLarge,
        CloseCode::Malformed,
        CloseCode::Protocol,
        CloseCode::Overloaded,
        CloseCode::Version,
    ] {
        let row = format!("| {} | `{code:?}` |", code as u32);
        assert!(document.contains(&row), "the document must contain: {row}");
    }
}
