//! Limits that are checked before a command is proposed, and bytes that are not a command.

use bytes::Bytes;
use raft_core::ports::{ApplyError, StateMachine};
use raft_core::{LogId, LogIndex, Term};
use raft_server::kv::state_machine::{
    Command, Compare, Expected, FormatError, KeyRange, LimitExceeded, Limits, Op, Outcome, Output,
    Put, Query, QueryResult, RangeRequest, Relation, Revision, Rules, SessionId, SessionSerial,
    StoreRefusal, Txn, TxnOp,
};

use super::store::{Store, bytes, delete, put};

const LIMITS: Limits =
    Limits { key_bytes_max: 8, value_bytes_max: 16, txn_ops_max: 2, command_bytes_max: 64 };

fn check(op: Op) -> Result<(), LimitExceeded> {
    let command = Command::without_session(op);
    LIMITS.check(&command, command.encode().len())
}

fn list(op: TxnOp, count: usize) -> Vec<TxnOp> {
    vec![op; count]
}

/// Each limit, exactly reached and exceeded by one, in every place where it applies.
#[test]
fn each_limit_is_exact() {
    let put_op = |key: &str, value: &str| {
        TxnOp::Put(Put { key: bytes(key), value: bytes(value), prev_kv: false })
    };
    let in_txn = |op: TxnOp| Op::Txn(Txn { compare: vec![], then: vec![], otherwise: vec![op] });
    let compare = |key: &str, value: &str| {
        let expected = Expected::Value(bytes(value));
        let compare = Compare { key: bytes(key), relation: Relation::Less, expected };
        Op::Txn(Txn { compare: vec![compare], then: vec![], otherwise: vec![] })
    };
    let read = |range| TxnOp::Range(RangeRequest::new(range));
    let (key, long_key) = ("12345678", "123456789");
    let (value, long_value) = ("1234567890123456", "12345678901234567");
    for op in [
        put(key, value),
        in_txn(put_op(key, value)),
        compare(key, value),
        delete(KeyRange::From(bytes(long_key))),
        in_txn(read(KeyRange::all())),
    ] {
        assert_eq!(check(op), Ok(()));
    }
    let too_long = LimitExceeded::KeyTooLarge { bytes: 9, bytes_max: 8 };
    for op in [
        put(long_key, ""),
        in_txn(put_op(long_key, "")),
        compare(long_key, ""),
        delete(KeyRange::Key(bytes(long_key))),
        in_txn(read(KeyRange::Key(bytes(long_key)))),
    ] {
        assert_eq!(check(op), Err(too_long));
    }
    let longer = bytes("1234567890");
    let span = KeyRange::Span { start: Bytes::new(), end: longer };
    assert_eq!(check(delete(span)), Err(LimitExceeded::KeyTooLarge { bytes: 10, bytes_max: 8 }));
    let too_long = LimitExceeded::ValueTooLarge { bytes: 17, bytes_max: 16 };
    for op in [put("a", long_value), in_txn(put_op("a", long_value)), compare("a", long_value)] {
        assert_eq!(check(op), Err(too_long));
    }
    for op in [put("", ""), delete(KeyRange::Key(Bytes::new())), compare("", "")] {
        assert_eq!(check(op), Err(LimitExceeded::KeyEmpty));
    }
}

/// Each list has a limit, and so has the command as a whole.
#[test]
fn transactions_are_limited_in_parts_and_bytes() {
    let op = TxnOp::Range(RangeRequest::new(KeyRange::all()));
    let sized = |then, otherwise| {
        Op::Txn(Txn {
            compare: vec![],
            then: list(op.clone(), then),
            otherwise: list(op.clone(), otherwise),
        })
    };
    assert_eq!(check(sized(2, 2)), Ok(()));
    let refused = check(sized(0, 3)).unwrap_err();
    assert_eq!(
        refused,
        LimitExceeded::TxnTooLarge { list: "operations in the second list", ops: 3, ops_max: 2 }
    );
    let full =
        TxnOp::Put(Put { key: bytes("12345678"), value: bytes("1234567890123456"), prev_kv: true });
    let large =
        Op::Txn(Txn { compare: vec![], then: list(full.clone(), 2), otherwise: list(full, 1) });
    let Err(LimitExceeded::CommandTooLarge { bytes, bytes_max: 64 }) = check(large.clone()) else {
        panic!("it must be too large as a whole");
    };
    assert_eq!(bytes, Command::without_session(large).encode().len());
}

/// The message contains the limit, the size that was sent, and what to do.
#[test]
fn messages_contain_the_limit_the_size_and_the_remedy() {
    let message = check(put("123456789", "")).unwrap_err().to_string();
    for part in ["9 bytes", "at most 8", "shorter key"] {
        assert!(message.contains(part), "{message}");
    }
    let message = check(put("1", &"x".repeat(20))).unwrap_err().to_string();
    for part in ["20 bytes", "at most 16", "split"] {
        assert!(message.contains(part), "{message}");
    }
}

/// Every kind of command survives its encoding.
#[test]
fn decoded_command_equals_the_encoded_one() {
    let everything = Op::Txn(Txn {
        compare: vec![Compare {
            key: Bytes::from_static(b"\0\xff"),
            relation: Relation::Greater,
            expected: Expected::ModRevision(Revision(u64::MAX)),
        }],
        then: vec![TxnOp::Range(RangeRequest {
            revision: Some(Revision(3)),
            limit: Some(u64::MAX),
            ..RangeRequest::new(KeyRange::Span { start: bytes("a"), end: bytes("b") })
        })],
        otherwise: vec![],
    });
    let session = Some(SessionSerial { session: SessionId(u64::MAX), serial: 1 });
    for op in [
        everything,
        put("a", "b"),
        delete(KeyRange::all()),
        Op::Compact(Revision(1)),
        Op::OpenSession,
    ] {
        let command = Command { session, op };
        let encoded = command.encode();
        assert_eq!(Command::decode(&encoded), Ok((&Rules::CURRENT, command)));
        for cut in 0..encoded.len() {
            assert!(Command::decode(&encoded[..cut]).is_err());
        }
        let longer = [&encoded[..], &[0]].concat();
        assert_eq!(Command::decode(&longer), Err(FormatError::Damaged));
    }
}

/// No bytes may make a decoder panic, or allocate more memory than its input.
#[test]
fn random_bytes_never_panic_a_decoder() {
    let seed = 4711;
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..200_000 {
        let length = rng.usize(..40);
        let mut noise: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
        if let Some(first) = noise.first_mut() {
            *first = Rules::CURRENT.version;
        }
        let _ = Command::decode(&noise);
        let _ = Output::decode(&noise);
        let _ = Query::decode(&noise);
        let _ = QueryResult::decode(&noise);
    }
}

/// Every node must refuse bytes that are not a command, with the same output, and continue.
#[test]
fn bytes_that_are_not_a_command_change_nothing() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    for noise in [&b""[..], b"\0", b"\x02", b"\x02\xff\xff"] {
        let output = store.apply_bytes(Bytes::copy_from_slice(noise));
        assert_eq!(output.outcome, Outcome::Refused(StoreRefusal::Malformed));
        assert_eq!(output.revision, Revision(1));
    }
    assert_eq!(store.run(put("a", "2")).revision, Revision(2));
}

/// Another release, later or earlier, can apply a command of a version that this release does not
/// support. A node that skipped it would have a different state. It stops instead and changes
/// nothing.
#[test]
fn command_of_an_unknown_version_is_not_skipped() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    let id = LogId::new(Term(1), LogIndex(2));
    for version in [1, Rules::CURRENT.version + 1, u8::MAX] {
        let mut command = Command::without_session(put("a", "x")).encode().to_vec();
        command[0] = version;
        let error = store.machine().apply(id, &command.into()).unwrap_err();
        let ApplyError::Unsupported { reason } = &error else { panic!("{error:?}") };
        assert!(reason.contains(&format!("version {version}")), "{error}");
    }
    assert_eq!(store.run(put("a", "2")).revision, Revision(2));
}
