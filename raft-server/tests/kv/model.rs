//! A simple model of the store: it keeps every state.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft_server::kv::state_machine::{
    Command, Compare, DeleteRange, Deleted, Expected, KeyRange, KeyValue, Op, Outcome, Output,
    Projection, Put, RangeRequest, RangeResult, Relation, Revision, Rules, SessionId,
    SessionSerial, StoreRefusal, Txn, TxnOp, TxnOpResult, TxnResult,
};

type State = BTreeMap<Bytes, KeyValue>;

pub(super) struct Model {
    /// One state per revision, from zero.
    states: Vec<State>,
    compact_revision: Revision,
    /// By the index of the last command and the id: the least recently used first.
    sessions: BTreeMap<(u64, SessionId), (u64, Output)>,
    commands: u64,
}

impl Model {
    pub(super) fn new() -> Self {
        let states = vec![State::new()];
        let sessions = BTreeMap::new();
        Self { states, compact_revision: Revision(0), sessions, commands: 0 }
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.states.len() as u64 - 1)
    }

    pub(super) fn compact_revision(&self) -> Revision {
        self.compact_revision
    }

    pub(super) fn sessions(&self) -> Vec<(SessionId, u64)> {
        self.sessions.iter().map(|((_, session), (serial, _))| (*session, *serial)).collect()
    }

    /// Commands so far.
    pub(super) fn commands(&self) -> u64 {
        self.commands
    }

    /// Applies the commands of a log from its beginning.
    pub(super) fn replay(&mut self, log: &[Bytes]) {
        for (index, command) in (1..).zip(log) {
            let (_, command) = Command::decode(command).unwrap();
            self.apply(index, &command);
        }
    }

    pub(super) fn apply(&mut self, index: u64, command: &Command) -> Output {
        self.commands += 1;
        if let Some(retry) = command.session {
            let known = self.sessions.iter().find(|((_, id), _)| *id == retry.session);
            let Some((_, (last_serial, output))) = known else {
                return self.output(Outcome::Refused(StoreRefusal::SessionExpired));
            };
            if retry.serial == *last_serial {
                return output.clone();
            }
            if retry.serial < *last_serial {
                let last_serial = *last_serial;
                return self.output(Outcome::Refused(StoreRefusal::SessionStale { last_serial }));
            }
        }
        let outcome = self.execute(index, &command.op);
        let output = self.output(outcome);
        if let Some(done) = command.session {
            self.use_session(index, done, output.clone());
        }
        output
    }

    pub(super) fn check(&self, revision: Revision) -> Result<(), StoreRefusal> {
        if revision > self.revision() {
            return Err(StoreRefusal::FutureRevision { revision: self.revision() });
        }
        if revision < self.compact_revision {
            return Err(StoreRefusal::Compacted { compact_revision: self.compact_revision });
        }
        Ok(())
    }

    pub(super) fn range(&self, request: &RangeRequest) -> Result<RangeResult, StoreRefusal> {
        range_of(self, self.newest(), request)
    }

    fn newest(&self) -> &State {
        self.states.last().unwrap()
    }

    fn output(&self, outcome: Outcome) -> Output {
        Output { revision: self.revision(), outcome }
    }

    fn use_session(&mut self, index: u64, done: SessionSerial, output: Output) {
        let known = self.sessions.keys().find(|(_, id)| *id == done.session).copied();
        if let Some(entry) = known {
            self.sessions.remove(&entry);
            let output = if output.encode().len() > Rules::CURRENT.kept_output_bytes_max {
                Output { outcome: Outcome::OutputNotKept, ..output }
            } else {
                output
            };
            self.sessions.insert((index, done.session), (done.serial, output));
        }
    }

    fn execute(&mut self, index: u64, op: &Op) -> Outcome {
        let at = Revision(self.revision().0 + 1);
        let mut next = self.newest().clone();
        match op {
            Op::Put(put) => {
                let prev_kv = put_in(&mut next, put, at);
                self.states.push(next);
                Outcome::Put { prev_kv }
            }
            Op::DeleteRange(delete) => {
                let deleted = delete_in(&mut next, delete);
                if deleted.count > 0 {
                    self.states.push(next);
                }
                Outcome::DeleteRange(deleted)
            }
            Op::Txn(txn) => self.apply_txn(txn, next, at),
            Op::Compact(revision) => match self.check(*revision) {
                Ok(()) => {
                    self.compact_revision = *revision;
                    Outcome::Compact
                }
                Err(refused) => Outcome::Refused(refused),
            },
            Op::OpenSession => {
                let session = SessionId(index);
                let opened = self.output(Outcome::SessionOpened { session });
                self.sessions.insert((index, session), (0, opened));
                if self.sessions.len() > Rules::CURRENT.sessions_max {
                    self.sessions.pop_first();
                }
                Outcome::SessionOpened { session }
            }
        }
    }

    fn apply_txn(&mut self, txn: &Txn, mut next: State, at: Revision) -> Outcome {
        let succeeded = txn.compare.iter().all(|compare| holds(compare, &next));
        let mut results = Vec::new();
        let mut changed = false;
        for op in if succeeded { &txn.then } else { &txn.otherwise } {
            results.push(match op {
                TxnOp::Put(put) => {
                    changed = true;
                    TxnOpResult::Put { prev_kv: put_in(&mut next, put, at) }
                }
                TxnOp::DeleteRange(delete) => {
                    let deleted = delete_in(&mut next, delete);
                    changed |= deleted.count > 0;
                    TxnOpResult::DeleteRange(deleted)
                }
                TxnOp::Range(request) => match range_of(self, &next, request) {
                    Ok(result) => TxnOpResult::Range(result),
                    Err(refused) => return Outcome::Refused(refused),
                },
            });
        }
        if changed {
            self.states.push(next);
        }
        Outcome::Txn(TxnResult { succeeded, results })
    }
}

fn put_in(state: &mut State, put: &Put, at: Revision) -> Option<KeyValue> {
    let before = state.get(&put.key).cloned();
    let kv = KeyValue {
        key: put.key.clone(),
        value: put.value.clone(),
        create_revision: before.as_ref().map_or(at, |kv| kv.create_revision),
        mod_revision: at,
        version: before.as_ref().map_or(0, |kv| kv.version) + 1,
    };
    state.insert(put.key.clone(), kv);
    before.filter(|_| put.prev_kv)
}

fn delete_in(state: &mut State, delete: &DeleteRange) -> Deleted {
    let deleted: Vec<_> = state.values().filter(|kv| matches(&delete.range, kv)).cloned().collect();
    for kv in &deleted {
        state.remove(&kv.key);
    }
    let count = deleted.len() as u64;
    Deleted { count, prev_kvs: if delete.prev_kv { deleted } else { Vec::new() } }
}

fn range_of(
    model: &Model,
    newest: &State,
    request: &RangeRequest,
) -> Result<RangeResult, StoreRefusal> {
    let state = match request.revision {
        Some(revision) => {
            model.check(revision)?;
            &model.states[usize::try_from(revision.0).unwrap()]
        }
        None => newest,
    };
    let mut kvs: Vec<_> =
        state.values().filter(|kv| matches(&request.range, kv)).cloned().collect();
    let count = kvs.len() as u64;
    let limit = usize::try_from(request.limit.unwrap_or(u64::MAX)).unwrap();
    let more = kvs.len() > limit && request.projection != Projection::CountOnly;
    kvs.truncate(limit);
    match request.projection {
        Projection::KeysAndValues => {}
        Projection::KeysOnly => kvs.iter_mut().for_each(|kv| kv.value = Bytes::new()),
        Projection::CountOnly => kvs.clear(),
    }
    Ok(RangeResult { kvs, more, count: (!more).then_some(count) })
}

/// Implemented here because [`KeyRange::contains`] is under test as well.
fn matches(range: &KeyRange, kv: &KeyValue) -> bool {
    match range {
        KeyRange::Key(key) => kv.key == key,
        KeyRange::Prefix(prefix) => {
            kv.key.len() >= prefix.len() && kv.key[..prefix.len()] == prefix[..]
        }
        KeyRange::Span { start, end } => kv.key >= start && kv.key < end,
        KeyRange::From(start) => kv.key >= start,
    }
}

fn holds(compare: &Compare, state: &State) -> bool {
    let kv = state.get(&compare.key);
    let ordering = match &compare.expected {
        Expected::Value(value) => match kv {
            Some(kv) => kv.value.cmp(value),
            None => return false,
        },
        Expected::Version(version) => kv.map_or(0, |kv| kv.version).cmp(version),
        Expected::CreateRevision(revision) => {
            kv.map_or(0, |kv| kv.create_revision.0).cmp(&revision.0)
        }
        Expected::ModRevision(revision) => kv.map_or(0, |kv| kv.mod_revision.0).cmp(&revision.0),
    };
    match compare.relation {
        Relation::Equal => ordering.is_eq(),
        Relation::NotEqual => ordering.is_ne(),
        Relation::Less => ordering.is_lt(),
        Relation::Greater => ordering.is_gt(),
    }
}
