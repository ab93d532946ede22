//! A store in a directory of its own, used as the node uses it.

use bytes::Bytes;
use raft_core::ports::StateMachine;
use raft_core::{ClusterId, GroupId, Identity, Incarnation, LogId, LogIndex, NodeId, Term};
use raft_server::kv::state_machine::{
    Command, DeleteRange, HashResult, KeyRange, KeyValue, KvOptions, KvStateMachine, Op, Outcome,
    Output, Put, Query, QueryResult, QueryResultBody, RangeRequest, RangeResult, Revision, Rules,
    SessionId, SessionSerial, StoreRefusal, Txn,
};
use tempfile::TempDir;

pub(super) const IDENTITY: Identity = Identity {
    cluster: ClusterId(7),
    group: GroupId(1),
    node: NodeId(1),
    incarnation: Incarnation(1),
};

/// Small, so that tests write table files.
pub(super) const OPTIONS: KvOptions =
    KvOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 64 << 10 };

/// A machine, its directory, and the log that it has applied.
pub(super) struct Store {
    machine: Option<KvStateMachine>,
    pub(super) dir: TempDir,
    /// Every command in the order of its index, from 1, with its output.
    log: Vec<(Bytes, Bytes)>,
    options: KvOptions,
}

impl Store {
    pub(super) fn new() -> Self {
        Self::with_options(OPTIONS)
    }

    pub(super) fn with_options(options: KvOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = KvStateMachine::open(dir.path(), IDENTITY, &options).unwrap();
        Self { machine: Some(machine), dir, log: Vec::new(), options }
    }

    pub(super) fn machine(&mut self) -> &mut KvStateMachine {
        self.machine.as_mut().unwrap()
    }

    /// Applies and flushes a command without a session.
    pub(super) fn run(&mut self, op: Op) -> Output {
        let output = self.apply(&Command::without_session(op));
        self.flush();
        output
    }

    /// Applies and flushes a command of a session.
    pub(super) fn run_in(&mut self, session: SessionId, serial: u64, op: Op) -> Output {
        let session = Some(SessionSerial { session, serial });
        let output = self.apply(&Command { session, op });
        self.flush();
        output
    }

    /// Applies a command without a flush.
    pub(super) fn apply(&mut self, command: &Command) -> Output {
        self.apply_bytes(command.encode())
    }

    pub(super) fn apply_bytes(&mut self, command: Bytes) -> Output {
        let id = self.last_id(self.log.len() + 1);
        let output = self.machine().apply(id, &command).unwrap();
        self.log.push((command, output.clone()));
        Output::decode(&output).unwrap()
    }

    pub(super) fn flush(&mut self) {
        let id = self.last_id(self.log.len());
        self.machine().flush(id).unwrap();
    }

    /// Closes the machine without a flush, opens it again, and applies the lost commands again:
    /// every output must equal the first one. Returns the number of lost commands.
    pub(super) fn crash_and_replay(&mut self) -> usize {
        self.close();
        self.open();
        let applied = usize::try_from(self.machine().applied().unwrap().get()).unwrap();
        for position in applied..self.log.len() {
            let (command, first) = self.log[position].clone();
            let id = self.last_id(position + 1);
            let again = self.machine().apply(id, &command).unwrap();
            let decoded = Output::decode(&again).unwrap();
            assert_eq!(decoded, Output::decode(&first).unwrap(), "replay of {id}");
        }
        self.log.len() - applied
    }

    pub(super) fn close(&mut self) {
        self.machine = None;
    }

    pub(super) fn open(&mut self) {
        let machine = KvStateMachine::open(self.dir.path(), IDENTITY, &self.options).unwrap();
        self.machine = Some(machine);
    }

    pub(super) fn applied(&mut self) -> LogIndex {
        self.machine().applied().unwrap()
    }

    /// Commands so far.
    pub(super) fn commands(&self) -> Vec<Bytes> {
        self.log.iter().map(|(command, _)| command.clone()).collect()
    }

    pub(super) fn outputs(&self) -> Vec<Bytes> {
        self.log.iter().map(|(_, output)| output.clone()).collect()
    }

    /// Queries through the port, as the node does.
    pub(super) fn query(&mut self, query: &Query) -> QueryResult {
        QueryResult::decode(&self.machine().query(&query.encode()).unwrap()).unwrap()
    }

    pub(super) fn range(&mut self, request: RangeRequest) -> Result<RangeResult, StoreRefusal> {
        match self.query(&Query::Range(request)).body {
            QueryResultBody::Range(result) => Ok(result),
            QueryResultBody::Refused(refused) => Err(refused),
            QueryResultBody::Hash(_) => panic!("the result of a range is a hash"),
        }
    }

    /// Every key, as of a revision.
    pub(super) fn all(
        &mut self,
        revision: Option<Revision>,
    ) -> Result<Vec<KeyValue>, StoreRefusal> {
        let request = RangeRequest { revision, ..RangeRequest::new(KeyRange::all()) };
        self.range(request).map(|result| result.kvs)
    }

    pub(super) fn get(&mut self, key: &str) -> Option<KeyValue> {
        let range = KeyRange::Key(Bytes::copy_from_slice(key.as_bytes()));
        self.range(RangeRequest::new(range)).unwrap().kvs.pop()
    }

    pub(super) fn hash(&mut self, revision: Option<Revision>) -> Result<HashResult, StoreRefusal> {
        match self.query(&Query::Hash(revision)).body {
            QueryResultBody::Hash(hash) => Ok(hash),
            QueryResultBody::Refused(refused) => Err(refused),
            QueryResultBody::Range(_) => panic!("the result of a hash is a range"),
        }
    }

    /// Opens sessions in one batch until only `left` more fit without an eviction. Returns them.
    pub(super) fn fill_sessions(&mut self, left: usize) -> Vec<SessionId> {
        let open = Command::without_session(Op::OpenSession);
        let sessions = (left..Rules::CURRENT.sessions_max)
            .map(|_| match self.apply(&open).outcome {
                Outcome::SessionOpened { session } => session,
                other => panic!("no session but {other:?}"),
            })
            .collect();
        self.flush();
        sessions
    }

    pub(super) fn open_session(&mut self) -> SessionId {
        match self.run(Op::OpenSession).outcome {
            Outcome::SessionOpened { session } => session,
            other => panic!("no session but {other:?}"),
        }
    }

    fn last_id(&self, index: usize) -> LogId {
        LogId::new(Term(1), LogIndex(index as u64))
    }
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn put(key: &str, value: &str) -> Op {
    Op::Put(Put { key: bytes(key), value: bytes(value), prev_kv: false })
}

pub(super) fn delete(range: KeyRange) -> Op {
    Op::DeleteRange(DeleteRange { range, prev_kv: true })
}

pub(super) fn key(key: &str) -> KeyRange {
    KeyRange::Key(bytes(key))
}

pub(super) fn prefix(prefix: &str) -> KeyRange {
    KeyRange::Prefix(bytes(prefix))
}

pub(super) fn txn(txn: Txn) -> Op {
    Op::Txn(txn)
}
