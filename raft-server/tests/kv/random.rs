//! Random commands, compared with the model.

use bytes::Bytes;
use fastrand::Rng;
use raft_core::ports::StateMachine;
use raft_core::{LogId, LogIndex, Term};
use raft_server::kv::state_machine::{
    Command, Compare, DeleteRange, Expected, KeyRange, KvOptions, KvStateMachine, Op, Projection,
    Put, RangeRequest, Relation, Revision, SessionId, SessionSerial, Txn, TxnOp,
};

use super::model::Model;
use super::store::{IDENTITY, OPTIONS, Store};

const SEEDS: u64 = 12;
const COMMANDS: usize = 400;
/// Free sessions at the start: few, so that evictions begin soon.
const SESSIONS_LEFT: usize = 2;

/// Runs a test with several seeds and prints the one that fails; `KV_SEED` selects a single one.
fn with_seeds(test: impl Fn(&mut Rng)) {
    let seeds = match std::env::var("KV_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            test(&mut Rng::with_seed(seed));
        }));
        if let Err(panic) = outcome {
            eprintln!("failed with seed {seed}: repeat it with KV_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// The store returns what the model returns for every command and read, independent of flushes and
/// crashes.
#[test]
fn store_returns_what_the_model_returns() {
    with_seeds(|rng| {
        let mut store = Store::new();
        let mut model = Model::new();
        store.fill_sessions(SESSIONS_LEFT);
        model.replay(&store.commands());
        for index in (model.commands() + 1..).take(COMMANDS) {
            let command = command(rng, &model);
            let expected = model.apply(index, &command);
            assert_eq!(store.apply(&command), expected, "command {index}: {command:?}");
            match rng.u32(..20) {
                0..=6 => store.flush(),
                7 => {
                    store.crash_and_replay();
                }
                8..=10 => {
                    // The model has no flushes: reads are compared after a flush only.
                    store.flush();
                    for _ in 0..5 {
                        let request = range_request(rng, &model);
                        let expected = model.range(&request);
                        assert_eq!(store.range(request.clone()), expected, "{request:?}");
                    }
                }
                _ => {}
            }
        }
        store.flush();
        for revision in 0..=model.revision().0 + 1 {
            let request = RangeRequest {
                revision: Some(Revision(revision)),
                ..RangeRequest::new(KeyRange::all())
            };
            assert_eq!(store.range(request.clone()), model.range(&request), "{revision}");
        }
    });
}

/// Nodes divide the log into different batches and crash at different times.
#[test]
fn outputs_and_hashes_do_not_depend_on_batches_and_crashes() {
    with_seeds(|rng| {
        let mut one = Store::new();
        let mut other = Store::new();
        let mut model = Model::new();
        one.fill_sessions(SESSIONS_LEFT);
        other.fill_sessions(SESSIONS_LEFT);
        model.replay(&one.commands());
        for index in (model.commands() + 1..).take(COMMANDS) {
            let command = command(rng, &model);
            model.apply(index, &command);
            one.apply(&command);
            one.flush();
            other.apply(&command);
            match rng.u32(..40) {
                0 => other.flush(),
                1 => {
                    other.crash_and_replay();
                }
                _ => {}
            }
        }
        other.flush();
        assert_eq!(one.outputs(), other.outputs());
        let newest = one.hash(None).unwrap();
        assert_eq!(newest.revision, model.revision());
        assert_eq!(newest.compact_revision, model.compact_revision());
        assert_eq!(other.hash(None).unwrap(), newest);
        for revision in model.compact_revision().0..=model.revision().0 {
            let at = Some(Revision(revision));
            assert_eq!(one.hash(at).unwrap(), other.hash(at).unwrap());
        }
        replay_in_one_batch(&one, &newest);
    });
}

fn replay_in_one_batch(store: &Store, expected: &raft_server::kv::state_machine::HashResult) {
    let dir = tempfile::tempdir().unwrap();
    let options = KvOptions { write_buffer_bytes: 1 << 20, ..OPTIONS };
    let mut machine = KvStateMachine::open(dir.path(), IDENTITY, &options).unwrap();
    let mut last = LogId::ORIGIN;
    for (position, (command, output)) in store.commands().iter().zip(store.outputs()).enumerate() {
        last = LogId::new(Term(1), LogIndex(position as u64 + 1));
        assert_eq!(machine.apply(last, command).unwrap(), output, "command {last}");
    }
    machine.flush(last).unwrap();
    let found = machine.reader().hash(None).unwrap();
    let body = raft_server::kv::state_machine::QueryResultBody::Hash(*expected);
    assert_eq!(found.body, body);
}

fn command(rng: &mut Rng, model: &Model) -> Command {
    let session = if rng.u32(..3) == 0 { session(rng, model) } else { None };
    let op = match rng.u32(..100) {
        0..=49 => Op::Put(random_put(rng)),
        50..=69 => Op::DeleteRange(random_delete(rng)),
        70..=89 => Op::Txn(random_txn(rng, model)),
        90..=94 => Op::Compact(random_revision(rng, model)),
        _ => Op::OpenSession,
    };
    Command { session, op }
}

/// A new command of a session, a retry, a stale command, or one of an unknown session.
fn session(rng: &mut Rng, model: &Model) -> Option<SessionSerial> {
    let sessions = model.sessions();
    if sessions.is_empty() || rng.u32(..10) == 0 {
        return Some(SessionSerial { session: SessionId(rng.u64(1 << 40..)), serial: 1 });
    }
    // A session that is evicted soon, or one that was used recently.
    let position = rng.usize(..sessions.len().min(4));
    let (session, last) = if rng.u32(..4) == 0 {
        sessions[position]
    } else {
        sessions[sessions.len() - 1 - position]
    };
    let serial = match rng.u32(..10) {
        0..=5 => last + rng.u64(1..3),
        6..=8 => last,
        _ => last.saturating_sub(1),
    };
    Some(SessionSerial { session, serial })
}

/// A short key of few distinct bytes, those with a meaning in the encoding included.
fn random_key(rng: &mut Rng) -> Bytes {
    const ALPHABET: [u8; 5] = [0, 1, b'a', 0xfe, 0xff];
    let length = rng.usize(1..4);
    (0..length).map(|_| ALPHABET[rng.usize(..ALPHABET.len())]).collect()
}

fn random_range(rng: &mut Rng) -> KeyRange {
    match rng.u32(..10) {
        0..=4 => KeyRange::Key(random_key(rng)),
        5 | 6 => {
            let length = rng.usize(..3);
            let key = random_key(rng);
            KeyRange::Prefix(key.slice(..length.min(key.len())))
        }
        7 | 8 => KeyRange::Span { start: random_key(rng), end: random_key(rng) },
        _ => KeyRange::From(random_key(rng)),
    }
}

fn random_value(rng: &mut Rng) -> Bytes {
    let length = if rng.u32(..30) == 0 { rng.usize(..20_000) } else { rng.usize(..4) };
    let byte = rng.u8(..4);
    Bytes::from(vec![byte; length])
}

fn random_put(rng: &mut Rng) -> Put {
    Put { key: random_key(rng), value: random_value(rng), prev_kv: rng.bool() }
}

fn random_delete(rng: &mut Rng) -> DeleteRange {
    DeleteRange { range: random_range(rng), prev_kv: rng.bool() }
}

fn random_revision(rng: &mut Rng, model: &Model) -> Revision {
    let newest = model.revision().0;
    let oldest = model.compact_revision().0;
    match rng.u32(..10) {
        0 => Revision(newest + 1),
        1 => Revision(oldest.saturating_sub(1)),
        _ => Revision(rng.u64(oldest..=newest)),
    }
}

fn range_request(rng: &mut Rng, model: &Model) -> RangeRequest {
    let revision = rng.bool().then(|| random_revision(rng, model));
    let limit = rng.bool().then(|| rng.u64(..5));
    let projection = match rng.u32(..4) {
        0 => Projection::KeysOnly,
        1 => Projection::CountOnly,
        _ => Projection::KeysAndValues,
    };
    RangeRequest { range: random_range(rng), revision, limit, projection }
}

fn random_txn(rng: &mut Rng, model: &Model) -> Txn {
    let compare = (0..rng.usize(..3)).map(|_| random_compare(rng, model)).collect();
    let then = (0..rng.usize(..4)).map(|_| random_txn_op(rng, model)).collect();
    let otherwise = (0..rng.usize(..4)).map(|_| random_txn_op(rng, model)).collect();
    Txn { compare, then, otherwise }
}

fn random_txn_op(rng: &mut Rng, model: &Model) -> TxnOp {
    match rng.u32(..3) {
        0 => TxnOp::Put(random_put(rng)),
        1 => TxnOp::DeleteRange(random_delete(rng)),
        _ => TxnOp::Range(range_request(rng, model)),
    }
}

fn random_compare(rng: &mut Rng, model: &Model) -> Compare {
    let expected = match rng.u32(..4) {
        0 => Expected::Value(random_value(rng)),
        1 => Expected::Version(rng.u64(..3)),
        2 => Expected::CreateRevision(random_revision(rng, model)),
        _ => Expected::ModRevision(random_revision(rng, model)),
    };
    let relation = match rng.u32(..4) {
        0 => Relation::Equal,
        1 => Relation::NotEqual,
        2 => Relation::Less,
        _ => Relation::Greater,
    };
    Compare { key: random_key(rng), relation, expected }
}
