//! The bounds of a command or read, and what an outcome may depend on.

use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::ports::StateMachine;
use raft_core::{LogId, LogIndex, Term};
use raft_server::kv::state_machine::{
    Command, DeleteRange, KeyRange, KvOptions, KvStateMachine, Op, Outcome, Output, Projection,
    Put, QueryResultBody, RangeRequest, Revision, Rules, StoreRefusal, Txn, TxnOp, TxnOpResult,
};
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

use super::store::{IDENTITY, OPTIONS, Store, bytes, delete, key, prefix, put, txn};

const KEYS: u64 = 20_000;
const KEYS_MAX: u64 = Rules::CURRENT.visited_keys_max;
const TOO_MANY: Outcome = Outcome::Refused(StoreRefusal::TooManyKeys { keys_max: KEYS_MAX });

/// A store whose keys stay in memtables, where the database counts steps.
fn numbered(keys: u64) -> Store {
    let mut store = Store::with_options(KvOptions { write_buffer_bytes: 64 << 20, ..OPTIONS });
    put_numbered(&mut store, keys);
    store
}

fn put_numbered(store: &mut Store, keys: u64) {
    for number in 0..keys {
        store.apply(&Command::without_session(put(&format!("key/{number:08}"), "v")));
    }
    store.flush();
}

/// Counts the records that the database steps over on this thread.
fn steps(work: impl FnOnce()) -> u64 {
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    work();
    let steps = context.metric(PerfMetric::NextOnMemtableCount);
    set_perf_stats(PerfStatsLevel::Disable);
    steps
}

fn first(limit: u64) -> RangeRequest {
    RangeRequest { limit: Some(limit), ..RangeRequest::new(prefix("key/")) }
}

fn reading(requests: Vec<RangeRequest>) -> Op {
    let then = requests.into_iter().map(TxnOp::Range).collect();
    txn(Txn { compare: vec![], then, otherwise: vec![] })
}

fn counting(range: KeyRange) -> RangeRequest {
    RangeRequest { projection: Projection::CountOnly, ..RangeRequest::new(range) }
}

/// To set `more`, the store reads one key beyond the limit and not all of them.
#[test]
fn limited_range_reads_no_further_than_its_limit() {
    let mut store = numbered(KEYS);
    for revision in [None, Some(Revision(KEYS - 1))] {
        let steps = steps(|| {
            let found = store.range(RangeRequest { revision, ..first(1) }).unwrap();
            assert_eq!((found.kvs.len(), found.more, found.count), (1, true, None));
        });
        assert!(steps <= 4, "{steps} steps for one key as of {revision:?}");
    }
}

/// The same on the thread that applies commands, on every node.
#[test]
fn limited_ranges_of_a_transaction_read_no_further_than_their_limits() {
    let mut store = numbered(KEYS);
    let steps = steps(|| {
        store.run(reading(vec![first(1); 128]));
    });
    assert!(steps <= 4 * 128, "{steps} steps for 128 keys");
}

/// A count visits every key, so a count in a command is bounded. The bound is exact.
#[test]
fn command_that_visits_too_many_keys_is_refused() {
    let mut store = numbered(1_000);
    let hundred = usize::try_from(KEYS_MAX / 1_000).unwrap();
    let full = vec![counting(prefix("key/")); hundred];
    let output = store.run(reading(full.clone()));
    assert!(matches!(output.outcome, Outcome::Txn(_)), "{output:?}");
    let one_more = [full, vec![RangeRequest::new(key("key/00000000"))]].concat();
    assert_eq!(store.run(reading(one_more)).outcome, TOO_MANY);
    // A read outside the log delays no other command.
    assert_eq!(store.range(counting(prefix("key/"))).unwrap().count, Some(1_000));
}

/// A refused deletion of many small keys changes nothing.
#[test]
fn deletion_of_too_many_keys_changes_nothing() {
    let mut store = numbered(KEYS_MAX + 1);
    let hash = store.hash(None).unwrap();
    let all = Op::DeleteRange(DeleteRange { range: prefix("key/"), prev_kv: false });
    let put_first = TxnOp::Put(Put { key: bytes("key/"), value: Bytes::new(), prev_kv: false });
    let delete_all = TxnOp::DeleteRange(DeleteRange { range: prefix("key/"), prev_kv: false });
    let in_txn = Txn { compare: vec![], then: vec![put_first, delete_all], otherwise: vec![] };
    for op in [all, txn(in_txn)] {
        assert_eq!(store.run(op).outcome, TOO_MANY);
        assert_eq!(store.hash(None).unwrap(), hash);
    }
    store.run(Op::DeleteRange(DeleteRange { range: key("key/00000000"), prev_kv: false }));
    let rest = Op::DeleteRange(DeleteRange { range: prefix("key/"), prev_kv: false });
    let Outcome::DeleteRange(deleted) = store.run(rest).outcome else { panic!() };
    assert_eq!(deleted.count, KEYS_MAX);
}

/// Small puts can supersede large values, which are staged as well.
#[test]
fn command_that_stages_too_many_bytes_is_refused() {
    let mut store = Store::new();
    let mebibytes = Rules::CURRENT.staged_bytes_max >> 20;
    let value = Bytes::from(vec![7; 1 << 20]);
    for number in 0..mebibytes {
        let put = Put { key: bytes(&number.to_string()), value: value.clone(), prev_kv: false };
        store.run(Op::Put(put));
    }
    let hash = store.hash(None).unwrap();
    let emptied = |keys: u64| {
        let empty = |number: u64| {
            let key = bytes(&number.to_string());
            TxnOp::Put(Put { key, value: Bytes::new(), prev_kv: false })
        };
        txn(Txn { compare: vec![], then: (0..keys).map(empty).collect(), otherwise: vec![] })
    };
    let bytes_max = Rules::CURRENT.staged_bytes_max;
    let refused = Outcome::Refused(StoreRefusal::TooLarge { bytes_max });
    assert_eq!(store.run(emptied(mebibytes)).outcome, refused);
    assert_eq!(store.hash(None).unwrap(), hash);
    assert!(matches!(store.run(emptied(mebibytes - 1)).outcome, Outcome::Txn(_)));
}

/// The node decides by this number when to flush.
#[test]
fn staged_bytes_grow_with_commands_and_are_zero_after_a_flush() {
    let mut store = Store::new();
    let session = store.open_session();
    assert_eq!(store.machine().staged_bytes(), 0);
    store.apply(&Command::without_session(put("a", &"x".repeat(1_000))));
    let after_put = store.machine().staged_bytes();
    assert!((1_000..2_000).contains(&after_put), "{after_put}");
    // The superseded value and the kept output count as well.
    let serial = raft_server::kv::state_machine::SessionSerial { session, serial: 1 };
    store.apply(&Command { session: Some(serial), op: delete(key("a")) });
    let after_delete = store.machine().staged_bytes();
    assert!((after_put + 2_000..after_put + 3_000).contains(&after_delete), "{after_delete}");
    store.flush();
    assert_eq!(store.machine().staged_bytes(), 0);
}

/// Nodes sweep compacted versions at different times. Whether a command exceeds its bound must not
/// depend on that: if one node refused a command that another applies, their states would differ.
#[test]
fn visits_of_a_past_revision_do_not_depend_on_what_is_swept() {
    const KEYS: u64 = 100;
    let mut store = Store::new();
    let value = "x".repeat(4 << 10);
    let write_all = |store: &mut Store, name: &str| {
        for number in 0..KEYS {
            store.apply(&Command::without_session(put(&format!("{name}/{number:03}"), &value)));
        }
        store.flush();
    };
    for _ in 0..3 {
        write_all(&mut store, "key/live");
        write_all(&mut store, "key/dead");
    }
    store.run(Op::DeleteRange(DeleteRange { range: prefix("key/dead"), prev_kv: false }));
    let past = Revision(6 * KEYS + 1);
    write_all(&mut store, "key/live");
    write_all(&mut store, "key/live");
    let reader = store.machine().reader();
    // Three visits per live key: the newest version, the version of `past`, and the one between.
    let range = RangeRequest { revision: Some(past), ..counting(prefix("key/")) };
    let ranges = KEYS_MAX / (3 * KEYS);
    let gets = KEYS_MAX - ranges * 3 * KEYS;
    let full = [
        vec![range; usize::try_from(ranges).unwrap()],
        vec![RangeRequest::new(key("none")); usize::try_from(gets).unwrap()],
    ]
    .concat();
    let one_more = [full.clone(), vec![RangeRequest::new(key("none"))]].concat();
    let check = |store: &mut Store| {
        let outcome = |store: &mut Store, requests: &[RangeRequest]| {
            store.apply(&Command::without_session(reading(requests.to_vec()))).outcome
        };
        let Outcome::Txn(done) = outcome(store, &full) else { panic!("refused") };
        assert!(matches!(&done.results[0], TxnOpResult::Range(found) if found.count == Some(KEYS)));
        assert_eq!(outcome(store, &one_more), TOO_MANY);
    };
    // The sweep begins with the flush.
    store.apply(&Command::without_session(Op::Compact(past)));
    check(&mut store);
    store.flush();
    let deadline = Instant::now() + Duration::from_secs(60);
    while reader.swept_revision() < past {
        assert!(Instant::now() < deadline, "the history is not swept");
        std::thread::yield_now();
    }
    check(&mut store);
}

/// The memory and disk settings of a node, and how it divides the log into batches, must not change
/// outputs or state.
#[test]
fn outcomes_do_not_depend_on_a_nodes_configuration() {
    let mut one = Store::new();
    let sessions = one.fill_sessions(0);
    one.run_in(sessions[0], 1, put("a", "1"));
    one.open_session();
    one.run_in(sessions[1], 1, put("a", "2"));
    one.run_in(sessions[2], 1, put("b", &"x".repeat(Rules::CURRENT.kept_output_bytes_max)));
    one.run_in(sessions[2], 2, delete(key("b")));
    one.run_in(sessions[2], 2, delete(key("b")));
    put_numbered(&mut one, 3);
    one.run(reading(vec![first(1), first(10), counting(prefix("key/"))]));
    one.run(Op::Compact(Revision(2)));

    let dir = tempfile::tempdir().unwrap();
    let options = KvOptions { block_cache_bytes: 8 << 20, write_buffer_bytes: 8 << 20 };
    let mut other = KvStateMachine::open(dir.path(), IDENTITY, &options).unwrap();
    let mut last = LogId::ORIGIN;
    for (index, (command, output)) in (1..).zip(one.commands().iter().zip(one.outputs())) {
        last = LogId::new(Term(1), LogIndex(index));
        assert_eq!(other.apply(last, command).unwrap(), output, "command {last}");
    }
    other.flush(last).unwrap();
    let hash = one.hash(None).unwrap();
    assert_eq!(other.reader().hash(None).unwrap().body, QueryResultBody::Hash(hash));
}

/// Outcomes under this version must not change as long as a log may contain commands of it. If this
/// test fails, the change needs a new version in `rules.rs`: do not update the expected values.
#[test]
fn outcomes_of_this_version_never_change() {
    let expected = Rules::CURRENT;
    assert_eq!(
        format!("{expected:?}"),
        "Rules { version: 2, sessions_max: 10000, kept_output_bytes_max: 16384, output_bytes_max: \
         4194304, visited_keys_max: 100000, staged_bytes_max: 67108864, range: RangeBounds { \
         keys_default: 1000, keys_max: 10000, bytes_max: 2097152 } }"
    );
    let mut store = Store::new();
    let session = store.open_session();
    store.run_in(session, 1, put("a", "1"));
    store.run_in(session, 1, put("a", "1"));
    store.run_in(session, 0, put("a", "1"));
    let with_previous = |op: &str| match op {
        "put" => Op::Put(Put { key: bytes("a"), value: bytes("2"), prev_kv: true }),
        _ => delete(prefix("")),
    };
    store.run(with_previous("put"));
    store.run(reading(vec![first(0), RangeRequest::new(prefix("")), counting(KeyRange::all())]));
    store.run(with_previous("delete"));
    store.run(Op::Compact(Revision(2)));
    store.run(Op::Compact(Revision(1)));
    store.run(reading(vec![RangeRequest { revision: Some(Revision(9)), ..first(1) }]));
    let commands = store.commands().concat();
    let outputs = store.outputs().concat();
    let last = Output::decode(store.outputs().last().unwrap()).unwrap();
    assert_eq!(last.revision, Revision(3));
    assert_eq!(
        (crc32c::crc32c(&commands), crc32c::crc32c(&outputs)),
        (4_221_458_268, 1_064_714_832)
    );
}
