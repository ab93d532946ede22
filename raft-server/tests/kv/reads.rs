//! Ranges, past revisions, compaction, hashes, and readers on other threads.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use raft_server::kv::state_machine::{
    Command, KeyRange, Op, Outcome, Projection, QueryResultBody, RangeRequest, Revision, Rules,
    StoreRefusal, Txn, TxnOp,
};

use super::store::{Store, bytes, delete, key, prefix, put, txn};

const RANGE_KEYS_DEFAULT: u64 = Rules::CURRENT.range.keys_default;
const RANGE_KEYS_MAX: u64 = Rules::CURRENT.range.keys_max;
const RANGE_BYTES_MAX: u64 = Rules::CURRENT.range.bytes_max;

fn numbered(store: &mut Store, keys: u64) {
    for number in 0..keys {
        store.apply(&Command::without_session(put(&format!("{number:06}"), "v")));
    }
    store.flush();
}

/// The end of a prefix that ends in 0xff is shorter than the prefix; some have no end.
#[test]
fn prefix_of_highest_bytes_has_the_right_end() {
    let end = |prefix: &'static [u8]| KeyRange::Prefix(Bytes::from_static(prefix)).end();
    assert_eq!(end(b""), None);
    assert_eq!(end(b"\xff"), None);
    assert_eq!(end(b"\xff\xff"), None);
    assert_eq!(end(b"a"), Some(Bytes::from_static(b"b")));
    assert_eq!(end(b"a\xff"), Some(Bytes::from_static(b"b")));
    assert_eq!(end(b"a\xfe"), Some(Bytes::from_static(b"a\xff")));
    assert_eq!(end(b"\xff\0"), Some(Bytes::from_static(b"\xff\x01")));
}

/// The pages of a range contain each key of the range once.
#[test]
fn concatenated_pages_equal_the_range() {
    let mut store = Store::new();
    numbered(&mut store, 25);
    for whole in [KeyRange::all(), prefix("0000"), KeyRange::From(bytes("000003"))] {
        let all = store.range(RangeRequest::new(whole.clone())).unwrap();
        let mut pages = Vec::new();
        let mut rest = whole;
        loop {
            let request = RangeRequest { limit: Some(7), ..RangeRequest::new(rest.clone()) };
            let page = store.range(request).unwrap();
            let count = (!page.more).then_some(page.kvs.len() as u64);
            assert_eq!(page.count, count, "only the last page has a count");
            pages.extend(page.kvs);
            if !page.more {
                break;
            }
            rest = rest.after(&pages.last().unwrap().key);
        }
        assert_eq!(pages, all.kvs);
    }
}

/// A range without a limit returns a default number of keys.
#[test]
fn range_is_bounded_in_keys_whatever_its_limit() {
    let mut store = Store::new();
    numbered(&mut store, RANGE_KEYS_MAX + 1);
    let count = RANGE_KEYS_MAX + 1;
    for (limit, expected) in
        [(None, RANGE_KEYS_DEFAULT), (Some(0), 0), (Some(3), 3), (Some(u64::MAX), RANGE_KEYS_MAX)]
    {
        let request = RangeRequest { limit, ..RangeRequest::new(KeyRange::all()) };
        let result = store.range(request).unwrap();
        assert_eq!((result.kvs.len() as u64, result.more, result.count), (expected, true, None));
    }
    let request =
        RangeRequest { projection: Projection::CountOnly, ..RangeRequest::new(KeyRange::all()) };
    let result = store.range(request).unwrap();
    assert_eq!((result.kvs.len(), result.more, result.count), (0, false, Some(count)));
}

/// Large values end a page early. The first key is always returned, so that paging makes progress.
#[test]
fn range_is_bounded_in_bytes() {
    let mut store = Store::new();
    let large = "x".repeat(usize::try_from(RANGE_BYTES_MAX / 2).unwrap());
    let huge = "x".repeat(usize::try_from(RANGE_BYTES_MAX + 1).unwrap());
    store.run(put("a", &large));
    store.run(put("b", &large));
    store.run(put("c", &huge));
    let result = store.range(RangeRequest::new(KeyRange::all())).unwrap();
    assert_eq!((result.kvs.len(), result.more, result.count), (1, true, None));
    let result = store.range(RangeRequest::new(KeyRange::From(bytes("c")))).unwrap();
    assert_eq!((result.kvs.len(), result.more), (1, false));
    let request =
        RangeRequest { projection: Projection::KeysOnly, ..RangeRequest::new(KeyRange::all()) };
    let result = store.range(request).unwrap();
    assert_eq!((result.kvs.len(), result.more), (3, false));
    assert!(result.kvs.iter().all(|kv| kv.value.is_empty()));
}

/// A deleted key exists at revisions below the deletion and not from there on.
#[test]
fn deleted_keys_stay_readable_in_the_past() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    store.run(delete(key("a")));
    store.run(put("a", "2"));
    let values = |store: &mut Store, revision| {
        let kvs = store.all(Some(Revision(revision))).unwrap();
        kvs.into_iter().map(|kv| (kv.value, kv.version)).collect::<Vec<_>>()
    };
    assert_eq!(values(&mut store, 0), []);
    assert_eq!(values(&mut store, 1), [(bytes("1"), 1)]);
    assert_eq!(values(&mut store, 2), []);
    assert_eq!(values(&mut store, 3), [(bytes("2"), 1)]);
    let refused = StoreRefusal::FutureRevision { revision: Revision(3) };
    assert_eq!(store.all(Some(Revision(4))), Err(refused));
}

/// The compact revision itself can be read. Lower revisions are refused at once for reads, hashes,
/// transactions and further compactions.
#[test]
fn compaction_refuses_what_is_below_and_keeps_the_rest() {
    let mut store = Store::new();
    for value in ["1", "2", "3"] {
        store.run(put("a", value));
    }
    store.run(delete(key("a")));
    store.run(put("b", "5"));
    let kept: Vec<_> = (2..=5).map(|at| store.all(Some(Revision(at))).unwrap()).collect();
    let output = store.run(Op::Compact(Revision(2)));
    assert_eq!((output.outcome, output.revision), (Outcome::Compact, Revision(5)));
    let refused = StoreRefusal::Compacted { compact_revision: Revision(2) };
    assert_eq!(store.all(Some(Revision(1))), Err(refused));
    assert_eq!(store.hash(Some(Revision(1))), Err(refused));
    assert_eq!(store.run(Op::Compact(Revision(1))).outcome, Outcome::Refused(refused));
    let past = RangeRequest { revision: Some(Revision(1)), ..RangeRequest::new(key("a")) };
    let op = Txn { compare: vec![], then: vec![TxnOp::Range(past)], otherwise: vec![] };
    assert_eq!(store.run(txn(op)).outcome, Outcome::Refused(refused));
    assert_eq!(store.run(Op::Compact(Revision(2))).outcome, Outcome::Compact);
    let ahead = StoreRefusal::FutureRevision { revision: Revision(5) };
    assert_eq!(store.run(Op::Compact(Revision(6))).outcome, Outcome::Refused(ahead));
    for (at, kept) in (2..=5).zip(kept) {
        assert_eq!(store.all(Some(Revision(at))).unwrap(), kept);
    }
    store.crash_and_replay();
    assert_eq!(store.all(Some(Revision(1))), Err(refused));
}

/// Compaction frees the space, and the hash does not depend on whether it has.
#[test]
fn swept_history_frees_space_and_keeps_the_hash() {
    let mut store = Store::new();
    let value = "x".repeat(1 << 10);
    for number in 0..4_000 {
        store.apply(&Command::without_session(put(&format!("{}", number % 10), &value)));
        if number % 100 == 0 {
            store.flush();
        }
    }
    store.flush();
    let reader = store.machine().reader();
    let before = reader.size_bytes();
    assert!(before > 4_000 << 10, "{before}");
    let compact = Revision(3_995);
    store.run(Op::Compact(compact));
    let hash = store.hash(None).unwrap();
    // The sweeper runs on its own thread; it is done when the space is free.
    while reader.size_bytes() > before / 10 {
        std::thread::yield_now();
    }
    assert_eq!(store.hash(None).unwrap(), hash);
    assert_eq!(store.all(Some(compact)).unwrap().len(), 10);
}

/// The hash covers everything that can differ between nodes.
#[test]
fn hash_differs_for_every_difference() {
    let hash_of = |ops: &[Op]| {
        let mut store = Store::new();
        for op in ops {
            store.run(op.clone());
        }
        store.hash(None).unwrap().hash
    };
    let base = [put("a", "1"), put("b", "1"), put("a", "2")];
    let other_value = [put("a", "1"), put("b", "1"), put("a", "3")];
    let other_past = [put("a", "0"), put("b", "1"), put("a", "2")];
    let other_order = [put("b", "1"), put("a", "1"), put("a", "2")];
    let deleted = [put("a", "1"), put("b", "1"), delete(key("a"))];
    let compacted = [put("a", "1"), put("b", "1"), put("a", "2"), Op::Compact(Revision(3))];
    let mut hashes = [&base[..], &other_value, &other_past, &other_order, &deleted, &compacted]
        .map(hash_of)
        .to_vec();
    assert_eq!(hash_of(&base), hashes[0]);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
}

/// Readers return only what was flushed.
#[test]
fn readers_see_nothing_before_the_flush() {
    let mut store = Store::new();
    let reader = store.machine().reader();
    store.apply(&Command::without_session(put("a", "1")));
    assert_eq!(reader.revision(), Revision(0));
    assert!(store.get("a").is_none());
    store.flush();
    assert_eq!(reader.revision(), Revision(1));
    assert!(store.get("a").is_some());
}

/// Two keys always change together. A concurrent reader must never read one without the other, a
/// revision that does not match the keys, or a revision below an earlier one.
#[test]
fn concurrent_readers_read_complete_revisions() {
    let mut store = Store::new();
    let reader = store.machine().reader();
    let done = AtomicBool::new(false);
    let seen_at = |request: &RangeRequest| {
        let found = reader.range(request).unwrap();
        let QueryResultBody::Range(result) = found.body else { panic!("{found:?}") };
        (found.revision, result.kvs)
    };
    std::thread::scope(|scope| {
        let one = scope.spawn(|| {
            let mut last = Revision(0);
            while !done.load(Ordering::Acquire) {
                let (revision, kvs) = seen_at(&RangeRequest::new(key("a")));
                assert!(revision >= last, "{revision} after {last}");
                assert_eq!(kvs.first().map_or(0, |kv| kv.mod_revision.0), revision.0);
                last = revision;
            }
        });
        let both = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let (revision, kvs) = seen_at(&RangeRequest::new(KeyRange::all()));
                assert!(kvs.iter().all(|kv| kv.mod_revision == revision), "{kvs:?}");
                let past =
                    RangeRequest { revision: Some(revision), ..RangeRequest::new(KeyRange::all()) };
                match reader.range(&past).unwrap().body {
                    QueryResultBody::Range(result) => assert_eq!(result.kvs, kvs),
                    QueryResultBody::Refused(StoreRefusal::Compacted { compact_revision }) => {
                        assert!(compact_revision > revision);
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        for round in 0..3_000_u64 {
            let both = ["a", "b"].map(|name| {
                TxnOp::Put(match put(name, &round.to_string()) {
                    Op::Put(put) => put,
                    _ => unreachable!(),
                })
            });
            let op = Txn { compare: vec![], then: both.to_vec(), otherwise: vec![] };
            store.apply(&Command::without_session(txn(op)));
            if round % 3 == 0 {
                store.flush();
            }
            if round % 500 == 499 {
                store.run(Op::Compact(Revision(round)));
            }
        }
        store.flush();
        done.store(true, Ordering::Release);
        one.join().unwrap();
        both.join().unwrap();
    });
}
