//! The rules of a state machine on the store. A crash loses everything that is not synced.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex};
use raft_server::kv::state_machine::{
    Command, Compare, Expected, KeyRange, KvOptions, KvStateMachine, Op, Projection, Query,
    RangeRequest, Relation, Revision, SessionId, SessionSerial, Txn, TxnOp,
};
use raft_testkit::suite::state_machine::StateMachineFactory;
use tempfile::TempDir;

use super::store::{IDENTITY, OPTIONS, bytes, delete, put};

/// RocksDB writes no table files on its own, so that a crash loses every write since the last sync.
const LARGE_BUFFERS: KvOptions = KvOptions { write_buffer_bytes: 8 << 20, ..OPTIONS };

/// A store whose unsynced writes are lost when it is dropped.
struct PoweredStore {
    /// Closed before the writes are removed.
    machine: Option<KvStateMachine>,
    directory: PathBuf,
    durable: LogIndex,
    /// The newest write-ahead log when the durable index last changed, and its length.
    synced: Option<(PathBuf, u64)>,
}

impl PoweredStore {
    fn machine(&mut self) -> &mut KvStateMachine {
        self.machine.as_mut().expect("absent only while it is dropped")
    }

    /// Records what a power failure leaves from now on, if the durable index has changed.
    fn record_synced(&mut self) {
        let durable = self.machine().durable_applied().unwrap();
        let newest = newest_log(&database(&self.directory));
        let is_other = |(log, _): &(PathBuf, u64)| log.parent() != newest.0.parent();
        if durable != self.durable || self.synced.as_ref().is_none_or(is_other) {
            self.durable = durable;
            self.synced = Some(newest);
        }
    }
}

impl Drop for PoweredStore {
    fn drop(&mut self) {
        self.machine = None;
        let Some((synced, length)) = &self.synced else { return };
        let mut logs = logs(synced.parent().unwrap());
        logs.sort_unstable();
        // RocksDB has synced every log but the newest: a flush of one column family, as the
        // sweeper causes, begins a new log and syncs the earlier ones, so that no column family is
        // ahead of the others after a crash.
        let Some(newest) = logs.pop() else { return };
        let left = if newest == *synced { *length } else { 0 };
        fs::OpenOptions::new().write(true).open(&newest).unwrap().set_len(left).unwrap();
    }
}

/// The directory of the current database.
fn database(directory: &Path) -> PathBuf {
    let pointer = fs::read_to_string(directory.join("DATABASE")).unwrap_or_default();
    directory.join(pointer.lines().next().unwrap_or("db"))
}

fn logs(database: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(database).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "log")).collect()
}

fn newest_log(database: &Path) -> (PathBuf, u64) {
    let newest = logs(database).into_iter().max().unwrap();
    let length = fs::metadata(&newest).unwrap().len();
    (newest, length)
}

impl StateMachine for PoweredStore {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        self.machine().applied()
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        self.record_synced();
        self.machine().durable_applied()
    }

    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        self.machine().apply(id, command)
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        self.machine().flush(applied)?;
        self.record_synced();
        Ok(())
    }

    fn staged_bytes(&self) -> u64 {
        self.machine.as_ref().map_or(0, StateMachine::staged_bytes)
    }

    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError> {
        self.machine().query(query)
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        let captured = self.machine().capture()?;
        self.record_synced();
        Ok(captured)
    }

    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        self.machine().restore(applied, source)?;
        self.record_synced();
        Ok(())
    }
}

struct Stores {
    directory: TempDir,
    options: KvOptions,
}

impl Stores {
    fn new(options: KvOptions) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), options }
    }
}

impl StateMachineFactory for Stores {
    type Machine = PoweredStore;

    fn open(&mut self) -> PoweredStore {
        let directory = self.directory.path().to_owned();
        let machine = KvStateMachine::open(&directory, IDENTITY, &self.options).unwrap();
        let durable = LogIndex::ZERO;
        let mut store = PoweredStore { machine: Some(machine), directory, durable, synced: None };
        store.record_synced();
        store
    }

    fn command(&self, number: u64) -> Bytes {
        command(number).encode()
    }

    fn queries(&self) -> Vec<Bytes> {
        let at = |revision| {
            Query::Range(RangeRequest {
                revision: Some(Revision(revision)),
                projection: Projection::KeysAndValues,
                ..RangeRequest::new(KeyRange::all())
            })
        };
        let queries = [
            Query::Range(RangeRequest::new(KeyRange::all())),
            Query::Hash(None),
            at(10),
            at(50),
            at(80),
        ];
        queries.iter().map(Query::encode).collect()
    }
}

/// Commands of every kind. The session that command `n` opens has the id `n`, because the suite
/// puts it at index `n`.
fn command(number: u64) -> Command {
    let in_session = |session: u64, serial: u64| {
        let session = Some(SessionSerial { session: SessionId(session), serial });
        Command { session, op: put("session", &serial.to_string()) }
    };
    let key = |number: u64| format!("k{}", number % 13);
    let op = match number % 20 {
        1 => Op::OpenSession,
        2 => return in_session(number - 1, number),
        // A retry of a command that is twenty-one commands old, perhaps in a captured state.
        3 => return in_session(number.saturating_sub(22), number.saturating_sub(21)),
        7 => delete(KeyRange::Key(bytes(&key(number)))),
        10 => Op::Compact(Revision(number / 3)),
        14 => delete(KeyRange::Prefix(bytes("k1"))),
        17 => Op::Txn(Txn {
            compare: vec![Compare {
                key: bytes(&key(number)),
                relation: Relation::Greater,
                expected: Expected::Version(1),
            }],
            then: vec![
                txn_put(&key(number), "then"),
                TxnOp::Range(RangeRequest::new(KeyRange::all())),
            ],
            otherwise: vec![txn_put(&key(number + 1), "otherwise")],
        }),
        _ => put(&key(number * 7), &format!("value {number}")),
    };
    Command::without_session(op)
}

fn txn_put(key: &str, value: &str) -> TxnOp {
    match put(key, value) {
        Op::Put(put) => TxnOp::Put(put),
        other => panic!("no put but {other:?}"),
    }
}

raft_testkit::state_machine_suite!(Stores::new(LARGE_BUFFERS));
