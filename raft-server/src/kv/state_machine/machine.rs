//! The store as a replicated state machine.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{Identity, LogId, LogIndex};

use super::apply;
use super::command::Command;
use super::database::Database;
use super::directory::StoreDirectory;
use super::encoding::FormatError;
use super::error::{OpenError, ReadError};
use super::layout::State;
use super::maintenance::Maintenance;
use super::options::KvOptions;
use super::output::{Outcome, Output};
use super::query::Query;
use super::reader::KvReader;
use super::refusal::StoreRefusal;
use super::rules::Rules;
use super::session::Lookup;
use super::shared::SharedDatabase;
use super::snapshot::{self, CapturedState, Header, Origin, RestoreError};
use super::store::Store;

/// Bytes of batches after which a sync is requested: about what the log must retain because the
/// store could lose it.
const SYNC_BYTES: usize = 16 << 20;

/// The key-value store of one node.
///
/// Commands change memory until [`StateMachine::flush`], which writes the keys, the sessions and
/// the applied index in one atomic batch without a sync: after a power cut the store is in the
/// state of some earlier batch, and the node applies the rest of the log again.
///
/// [`StateMachine::durable_applied`] rises when a background thread has synced the batches, after
/// every 16 MiB of them, and at each capture, restore, compaction and start.
///
/// A captured state is a checkpoint of the database: it shares the table files of the database, and
/// takes up space of its own once the database has replaced them. A restore builds a second
/// database beside the current one and then switches to it.
pub struct KvStateMachine {
    identity: Identity,
    options: KvOptions,
    directory: StoreDirectory,
    store: Store,
    /// The database of `store`, for the readers.
    shared: SharedDatabase,
    /// What is on disk, without the staged changes.
    written: State,
    /// Bytes of batches since the last requested sync.
    unsynced_bytes: usize,
    maintenance: Maintenance,
    /// Set once the storage has failed: memory and disk may differ, and the machine refuses to
    /// apply or flush anything further.
    failed: Option<String>,
}

impl fmt::Debug for KvStateMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvStateMachine")
            .field("state", &self.store.state)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl KvStateMachine {
    /// Opens the store in `dir`, or creates an empty one if the directory is missing or empty.
    ///
    /// # Errors
    /// When the directory belongs to another node, has a newer format, is in use, or cannot be
    /// read. Existing data is not changed in these cases.
    pub fn open(dir: &Path, identity: Identity, options: &KvOptions) -> Result<Self, OpenError> {
        let (directory, database) = StoreDirectory::open(dir, &identity)?;
        let path = database.path().to_owned();
        let (database, state) = Database::open(database, options)?;
        let store =
            Store::of(database, state).map_err(|source| OpenError::Read { path, source })?;
        let maintenance = Maintenance::start(&store.database).map_err(OpenError::Thread)?;
        Ok(Self {
            identity,
            options: *options,
            directory,
            shared: SharedDatabase::new(Arc::clone(&store.database)),
            store,
            written: state,
            unsynced_bytes: 0,
            maintenance,
            failed: None,
        })
    }

    /// A reader for other threads. It reads what was flushed.
    #[must_use]
    pub fn reader(&self) -> KvReader {
        KvReader::new(self.shared.clone())
    }

    /// The last log entry that was applied, whether or not its effect is flushed.
    #[must_use]
    pub const fn applied_id(&self) -> LogId {
        self.store.state.applied
    }

    fn apply_bytes(&mut self, id: LogId, bytes: &[u8]) -> Result<Bytes, ApplyError> {
        let (rules, command) = match Command::decode(bytes) {
            Ok(decoded) => decoded,
            // Nodes of another release can apply this command. If this node skipped it, its state
            // would differ from theirs.
            Err(error @ FormatError::Version { .. }) => {
                return Err(ApplyError::Unsupported { reason: error.to_string() });
            }
            Err(FormatError::Empty | FormatError::Damaged) => {
                return Ok(self.output(Outcome::Refused(StoreRefusal::Malformed)));
            }
        };
        self.apply_command(rules, id, &command)
            .map_err(|error| ApplyError::Storage(self.record_failure(&error)))
    }

    fn apply_command(
        &mut self,
        rules: &'static Rules,
        id: LogId,
        command: &Command,
    ) -> Result<Bytes, ReadError> {
        if let Some(session) = command.session {
            match self.store.sessions.look_up(&self.store.database, session)? {
                Lookup::New => {}
                Lookup::Applied(output) => return Ok(output),
                Lookup::Refused(refusal) => return Ok(self.output(Outcome::Refused(refusal))),
            }
        }
        let outcome = apply::apply(&mut self.store, id.index, &command.op, rules)?;
        let output = self.output(outcome);
        if let Some(session) = command.session {
            let revision = self.store.state.revision;
            self.store.sessions.keep_output(session, id.index, &output, revision, rules);
        }
        Ok(output)
    }

    fn capture_written(&mut self) -> Result<CapturedState, ReadError> {
        let header = Header::new(&self.identity, self.written);
        CapturedState::new(&self.store.database, self.directory.new_capture(), header)
    }

    /// Replaces the whole state by one that was captured in another cluster, at the entry `applied`:
    /// the beginning of a new cluster. On return the state is durable.
    ///
    /// # Errors
    /// As for [`StateMachine::restore`].
    pub fn import(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        self.replace_state(applied, source, Origin::AnyCluster)
    }

    fn replace_state(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
        origin: Origin,
    ) -> Result<(), StorageFailure> {
        self.check_usable()?;
        let restored = self.build_restored(applied, source, origin);
        let (store, maintenance) = restored.map_err(|error| {
            let reason = format!("the key-value store keeps its earlier state: {error}");
            StorageFailure { reason }
        })?;
        if let Err(error) = self.switch_to(store, maintenance) {
            let failure = format!("switching to a restored key-value store failed: {error}");
            return Err(self.record_failure(&failure));
        }
        Ok(())
    }

    /// Builds the store of a captured state. Nothing uses it yet.
    fn build_restored(
        &self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
        origin: Origin,
    ) -> Result<(Store, Maintenance), RestoreError> {
        let directory = self.directory.new_database()?;
        let (database, state) =
            snapshot::restore(source, (&self.identity, origin), applied, directory, &self.options)?;
        let store = Store::of(database, state)?;
        let maintenance = Maintenance::start(&store.database).map_err(OpenError::Thread)?;
        Ok((store, maintenance))
    }

    /// Replaces the current store. The replaced database is closed and removed when the last read of
    /// it ends.
    fn switch_to(&mut self, store: Store, maintenance: Maintenance) -> Result<(), OpenError> {
        self.directory.switch_to(store.database.directory())?;
        self.shared.replace(Arc::clone(&store.database));
        self.written = store.state;
        self.unsynced_bytes = 0;
        let replaced = std::mem::replace(&mut self.store, store).database;
        std::mem::replace(&mut self.maintenance, maintenance).stop(&replaced);
        replaced.directory().remove_when_dropped();
        Ok(())
    }

    fn output(&self, outcome: Outcome) -> Bytes {
        Output { revision: self.store.state.revision, outcome }.encode()
    }

    /// Records that the storage failed. Nothing is applied or flushed after that.
    fn record_failure(&mut self, error: &dyn fmt::Display) -> StorageFailure {
        let reason = error.to_string();
        self.failed = Some(reason.clone());
        StorageFailure { reason }
    }

    fn check_usable(&self) -> Result<(), StorageFailure> {
        match &self.failed {
            None => Ok(()),
            Some(reason) => Err(StorageFailure {
                reason: format!("the key-value store stopped after an earlier failure: {reason}"),
            }),
        }
    }
}

impl Drop for KvStateMachine {
    fn drop(&mut self) {
        self.maintenance.stop(&self.store.database);
    }
}

impl StateMachine for KvStateMachine {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(self.written.applied.index)
    }

    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        let last = self.store.state.applied;
        assert!(id.index > last.index, "{id} comes after {last}, which is applied");
        self.check_usable()?;
        let output = self.apply_bytes(id, command)?;
        self.store.state.applied = id;
        Ok(output)
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        let last = self.store.state.applied;
        assert!(
            applied.index >= last.index,
            "a flush at {applied} is not below {last}, which is applied"
        );
        self.check_usable()?;
        self.store.state.applied = applied;
        match self.store.write() {
            Ok(bytes) => self.unsynced_bytes += bytes,
            Err(error) => {
                let failure = format!("writing a batch to the key-value store failed: {error}");
                return Err(self.record_failure(&failure));
            }
        }
        if self.unsynced_bytes >= SYNC_BYTES {
            self.unsynced_bytes = 0;
            self.maintenance.sync();
        }
        if self.store.state.compact_revision > self.written.compact_revision {
            self.maintenance.sweep();
        }
        self.written = self.store.state;
        Ok(())
    }

    fn staged_bytes(&self) -> u64 {
        self.store.staged_bytes()
    }

    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError> {
        let query =
            Query::decode(query).map_err(|error| QueryError { reason: error.to_string() })?;
        let result = self
            .reader()
            .query(&query)
            .map_err(|error| QueryError { reason: error.to_string() })?;
        Ok(result.encode())
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        self.check_usable()?;
        if let Some(error) = self.maintenance.sync_failure() {
            let failure = error.to_owned();
            return Err(self.record_failure(&failure));
        }
        Ok(self.store.database.durable_applied())
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        self.check_usable()?;
        match self.capture_written() {
            Ok(captured) => Ok(Box::new(captured)),
            Err(error) => Err(StorageFailure { reason: error.to_string() }),
        }
    }

    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        self.replace_state(applied, source, Origin::SameCluster)
    }
}
