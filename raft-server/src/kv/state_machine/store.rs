//! The state that commands read and change: the database and the changes staged above it.

use std::ops::ControlFlow;
use std::sync::Arc;

use raft_core::LogIndex;
use rocksdb::WriteBatch;

use super::budget::Budget;
use super::command::{DeleteRange, Put};
use super::database::{Database, Family};
use super::error::{OperationError, ReadError};
use super::key::KeyValue;
use super::layout::{STATE_KEY, State, Version};
use super::output::Deleted;
use super::refusal::StoreRefusal;
use super::rules::Rules;
use super::session::Sessions;
use super::staged::Staged;
use super::types::{Revision, SessionId};
use super::view::{self, CurrentRecord, RangeVisitor, View};

/// The database, and above it what is applied but not yet written.
pub(super) struct Store {
    pub(super) database: Arc<Database>,
    pub(super) staged: Staged,
    pub(super) sessions: Sessions,
    /// Includes the staged changes.
    pub(super) state: State,
}

impl Store {
    /// The store of a database whose state record is `state`.
    pub(super) fn of(database: Database, state: State) -> Result<Self, ReadError> {
        let sessions = Sessions::load(&database)?;
        Ok(Self { database: Arc::new(database), staged: Staged::default(), sessions, state })
    }

    /// The state that commands read.
    pub(super) fn view(&self) -> View<'_> {
        View {
            database: &self.database,
            snapshot: None,
            current: &self.staged.current,
            history: &self.staged.history,
            compact_revision: self.state.compact_revision,
        }
    }

    /// Sets a key. `at` is the revision that the current command creates.
    pub(super) fn put(
        &mut self,
        put: &Put,
        at: Revision,
        budget: &mut Budget,
    ) -> Result<Option<KeyValue>, OperationError> {
        budget.charge_key()?;
        let Self { database, staged, .. } = self;
        // `View::get` would borrow the staged records, which change below while the record that
        // was read from disk is still in use.
        let staged_record = staged.current.get(&put.key[..]).cloned();
        let record = match &staged_record {
            Some(Some(bytes)) => Some(CurrentRecord::Staged(bytes)),
            Some(None) => None,
            None => view::get_on_disk(database, None, &put.key)?.map(CurrentRecord::Disk),
        };
        let old = record.as_ref().map(CurrentRecord::version).transpose()?;
        budget.charge_staged(&put.key, &put.value)?;
        if let Some(old) = &old {
            budget.charge_staged(&put.key, old.value)?;
            if put.prev_kv {
                budget.charge_output(&put.key, old.value)?;
            }
        }
        let new = Version {
            created: old.map_or(at, |old| old.created),
            modified: at,
            version: old.map_or(1, |old| old.version.saturating_add(1)),
            value: &put.value,
        };
        staged.put(&put.key, old.as_ref(), &new);
        let prev_kv = old.filter(|_| put.prev_kv).map(|old| view::key_value(&put.key, &old));
        Ok(prev_kv)
    }

    /// Deletes every key of a range, or none if that exceeds the budget. `at` is the revision that
    /// the current command creates.
    pub(super) fn delete_range(
        &mut self,
        delete: &DeleteRange,
        at: Revision,
        budget: &mut Budget,
    ) -> Result<Deleted, OperationError> {
        let mut deletions =
            DeletionCollector { kvs: Vec::new(), are_output: delete.prev_kv, budget };
        self.view().scan(&delete.range, None, &mut deletions)?;
        let kvs = deletions.kvs;
        for kv in &kvs {
            let old = Version {
                created: kv.create_revision,
                modified: kv.mod_revision,
                version: kv.version,
                value: &kv.value,
            };
            self.staged.delete(&kv.key, &old, at);
        }
        let count = kvs.len() as u64;
        Ok(Deleted { count, prev_kvs: if delete.prev_kv { kvs } else { Vec::new() } })
    }

    /// Refuses reads below `revision` from now on. The space is freed later.
    pub(super) fn compact(&mut self, revision: Revision) -> Result<(), StoreRefusal> {
        self.state.check_revision(revision)?;
        self.state.compact_revision = revision;
        Ok(())
    }

    /// Opens a session for the command at log index `at`.
    pub(super) fn open_session(&mut self, at: LogIndex, rules: &Rules) -> SessionId {
        self.sessions.open(at, self.state.revision, rules)
    }

    /// Memory that the staged changes take up, in bytes, approximately.
    pub(super) const fn staged_bytes(&self) -> u64 {
        self.staged.bytes() + self.sessions.staged_bytes()
    }

    /// Writes the staged changes in one atomic batch, without a sync. Returns its length in bytes.
    pub(super) fn write(&mut self) -> Result<usize, rocksdb::Error> {
        let batch = self.batch();
        let bytes = batch.size_in_bytes();
        self.database.write(batch, &self.state)?;
        self.staged.clear();
        self.sessions.written();
        Ok(bytes)
    }

    fn batch(&self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        let families =
            [(Family::Current, &self.staged.current), (Family::History, &self.staged.history)];
        for (family, records) in families {
            let family = self.database.family(family);
            for (key, record) in records {
                match record {
                    Some(record) => batch.put_cf(family, key, record),
                    None => batch.delete_cf(family, key),
                }
            }
        }
        self.sessions.write_to(&self.database, &mut batch);
        batch.put(STATE_KEY, self.state.encode());
        batch
    }
}

/// Collects the keys that are to be deleted.
struct DeletionCollector<'a> {
    kvs: Vec<KeyValue>,
    /// Whether the output contains the deleted keys.
    are_output: bool,
    budget: &'a mut Budget,
}

impl RangeVisitor for DeletionCollector<'_> {
    fn examine(&mut self) -> Result<(), OperationError> {
        Ok(self.budget.charge_key()?)
    }

    fn visit(
        &mut self,
        key: &[u8],
        version: &Version<'_>,
    ) -> Result<ControlFlow<()>, OperationError> {
        self.budget.charge_staged(key, version.value)?;
        if self.are_output {
            self.budget.charge_output(key, version.value)?;
        }
        self.kvs.push(view::key_value(key, version));
        Ok(ControlFlow::Continue(()))
    }
}
