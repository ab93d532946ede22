//! Transactions.

use raft_server::kv::state_machine::{
    Compare, DeleteRange, Expected, KeyRange, Op, Outcome, Projection, Put, RangeRequest, Relation,
    Revision, Rules, StoreRefusal, Txn, TxnOp, TxnOpResult, TxnResult,
};

use super::store::{Store, bytes, delete, key, prefix, put, txn};

const OUTPUT_BYTES_MAX: u64 = Rules::CURRENT.output_bytes_max;
const STAGED_BYTES_MAX: u64 = Rules::CURRENT.staged_bytes_max;

fn put_op(name: &str, value: &str) -> TxnOp {
    TxnOp::Put(Put { key: bytes(name), value: bytes(value), prev_kv: true })
}

fn succeeded(store: &mut Store, compare: Vec<Compare>) -> bool {
    match store.run(txn(Txn { compare, then: vec![], otherwise: vec![] })).outcome {
        Outcome::Txn(result) => result.succeeded,
        other => panic!("no transaction but {other:?}"),
    }
}

/// Every property with every relation, for a key that exists and one that does not.
#[test]
fn comparisons_hold_as_in_the_table() {
    use Relation::{Equal, Greater, Less, NotEqual};
    let mut store = Store::new();
    store.run(put("other", ""));
    store.run(put("key", "a"));
    store.run(put("key", "m")); // created at 2, changed at 3, version 2
    let modified = |revision| Expected::ModRevision(Revision(revision));
    let created = |revision| Expected::CreateRevision(Revision(revision));
    let value = |text| Expected::Value(bytes(text));
    #[rustfmt::skip]
    let table = [
        // key     expected              =      !=     <      >
        ("key",  value("m"),            [true,  false, false, false]),
        ("key",  value("z"),            [false, true,  true,  false]),
        ("key",  value("a"),            [false, true,  false, true ]),
        ("key",  value(""),             [false, true,  false, true ]),
        ("key",  Expected::Version(2),  [true,  false, false, false]),
        ("key",  Expected::Version(3),  [false, true,  true,  false]),
        ("key",  Expected::Version(0),  [false, true,  false, true ]),
        ("key",  created(2),            [true,  false, false, false]),
        ("key",  created(3),            [false, true,  true,  false]),
        ("key",  created(1),            [false, true,  false, true ]),
        ("key",  modified(3),           [true,  false, false, false]),
        ("key",  modified(4),           [false, true,  true,  false]),
        ("key",  modified(2),           [false, true,  false, true ]),
        ("none", value(""),             [false, false, false, false]),
        ("none", Expected::Version(0),  [true,  false, false, false]),
        ("none", Expected::Version(1),  [false, true,  true,  false]),
        ("none", created(0),            [true,  false, false, false]),
        ("none", modified(0),           [true,  false, false, false]),
        ("none", modified(1),           [false, true,  true,  false]),
    ];
    for (name, expected, holds) in table {
        for (relation, holds) in [Equal, NotEqual, Less, Greater].into_iter().zip(holds) {
            let compare = Compare { key: bytes(name), relation, expected: expected.clone() };
            assert_eq!(succeeded(&mut store, vec![compare.clone()]), holds, "{compare:?}");
        }
    }
}

/// `then` requires every comparison; an empty list holds.
#[test]
fn all_comparisons_must_hold() {
    let mut store = Store::new();
    store.run(put("key", "a"));
    let equals = |version| Compare {
        key: bytes("key"),
        relation: Relation::Equal,
        expected: Expected::Version(version),
    };
    assert!(succeeded(&mut store, vec![]));
    assert!(succeeded(&mut store, vec![equals(1), equals(1)]));
    assert!(!succeeded(&mut store, vec![equals(1), equals(2)]));
}

/// All changes have one revision; each operation reads the effects of those before it.
#[test]
fn operations_share_a_revision_and_read_earlier_effects() {
    let mut store = Store::new();
    store.run(put("a", "old"));
    let read = || TxnOp::Range(RangeRequest::new(KeyRange::all()));
    let output = store.run(txn(Txn {
        compare: vec![],
        then: vec![
            put_op("b", "1"),
            read(),
            TxnOp::DeleteRange(DeleteRange { range: key("a"), prev_kv: true }),
            put_op("a", "new"),
            put_op("a", "newer"),
            read(),
        ],
        otherwise: vec![],
    }));
    assert_eq!(output.revision, Revision(2));
    let Outcome::Txn(TxnResult { succeeded: true, results }) = output.outcome else { panic!() };
    let seen = |result: &TxnOpResult| match result {
        TxnOpResult::Range(result) => {
            result.kvs.iter().map(|kv| (kv.key.clone(), kv.value.clone())).collect::<Vec<_>>()
        }
        other => panic!("no range but {other:?}"),
    };
    assert_eq!(seen(&results[1]), [(bytes("a"), bytes("old")), (bytes("b"), bytes("1"))]);
    assert_eq!(seen(&results[5]), [(bytes("a"), bytes("newer")), (bytes("b"), bytes("1"))]);
    let a = store.get("a").unwrap();
    // It was deleted before: it is a new key with two puts.
    assert_eq!((a.create_revision, a.mod_revision, a.version), (Revision(2), Revision(2), 2));
    let before = store.all(Some(Revision(1))).unwrap();
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].value, bytes("old"));
}

/// A transaction that only reads creates no revision.
#[test]
fn transaction_without_changes_keeps_the_revision() {
    let mut store = Store::new();
    store.run(put("a", ""));
    let output = store.run(txn(Txn {
        compare: vec![],
        then: vec![
            TxnOp::Range(RangeRequest::new(KeyRange::all())),
            TxnOp::DeleteRange(DeleteRange { range: key("nothing"), prev_kv: false }),
        ],
        otherwise: vec![],
    }));
    assert_eq!(output.revision, Revision(1));
    assert_eq!(store.run(delete(key("nothing"))).revision, Revision(1));
}

/// The last operation is refused: those before it must leave no effect, neither in the newest state
/// nor in past revisions.
#[test]
fn refused_operation_rolls_the_whole_transaction_back() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    store.run(put("b", "1"));
    let hash = store.hash(None).unwrap();
    let ahead = RangeRequest { revision: Some(Revision(3)), ..RangeRequest::new(key("a")) };
    let output = store.run(txn(Txn {
        compare: vec![],
        then: vec![
            put_op("a", "2"),
            put_op("c", "2"),
            TxnOp::DeleteRange(DeleteRange { range: key("b"), prev_kv: false }),
            put_op("a", "3"),
            TxnOp::Range(ahead),
        ],
        otherwise: vec![],
    }));
    let refused = StoreRefusal::FutureRevision { revision: Revision(2) };
    assert_eq!(output.outcome, Outcome::Refused(refused));
    assert_eq!(output.revision, Revision(2));
    assert_eq!(store.hash(None).unwrap(), hash);
    assert_eq!(store.run(put("d", "")).revision, Revision(3));
}

fn fill(store: &mut Store, keys: u64, value_bytes: usize) {
    let value = "x".repeat(value_bytes);
    for number in 0..keys {
        store.run(put(&format!("key/{number:04}"), &value));
    }
}

/// The output of a command is bounded; a larger one is refused before anything changes.
#[test]
fn command_with_too_large_an_output_changes_nothing() {
    let mut store = Store::new();
    fill(&mut store, OUTPUT_BYTES_MAX >> 20, 1 << 20);
    let hash = store.hash(None).unwrap();
    let refused = Outcome::Refused(StoreRefusal::TooLarge { bytes_max: OUTPUT_BYTES_MAX });
    assert_eq!(store.run(delete(prefix("key/"))).outcome, refused);
    let op = TxnOp::DeleteRange(DeleteRange { range: prefix("key/"), prev_kv: true });
    let output = store.run(txn(Txn {
        compare: vec![],
        then: vec![put_op("key/0000", "changed"), put_op("key/0001", "changed"), op],
        otherwise: vec![],
    }));
    assert_eq!(output.outcome, refused);
    assert_eq!(store.hash(None).unwrap(), hash);
    // Without the values the output is small enough.
    let op = Op::DeleteRange(DeleteRange { range: prefix("key/"), prev_kv: false });
    let Outcome::DeleteRange(deleted) = store.run(op).outcome else { panic!() };
    assert_eq!(deleted.count, OUTPUT_BYTES_MAX >> 20);
}

/// Deleted versions are staged in memory and are bounded as well.
#[test]
fn deletion_of_too_many_bytes_changes_nothing() {
    let mut store = Store::new();
    fill(&mut store, STAGED_BYTES_MAX >> 20, 1 << 20);
    let op = Op::DeleteRange(DeleteRange { range: prefix("key/"), prev_kv: false });
    let refused = StoreRefusal::TooLarge { bytes_max: STAGED_BYTES_MAX };
    assert_eq!(store.run(op).outcome, Outcome::Refused(refused));
    let counting = Projection::CountOnly;
    let all = RangeRequest { projection: counting, ..RangeRequest::new(prefix("key/")) };
    let count = store.range(all).unwrap().count;
    assert_eq!(count, Some(STAGED_BYTES_MAX >> 20));
}
