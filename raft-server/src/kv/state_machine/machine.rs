//! The store as a replicated state machine.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, StateMachine, StorageFailure};
use raft_core::{Identity, LogId, LogIndex};
use rocksdb::WriteBatch;

use super::command::Command;
use super::database::{Database, Family};
use super::error::{OpenError, ReadError};
use super::identity;
use super::layout::{STATE_KEY, State};
use super::output::{Outcome, Output, StoreRefusal};
use super::query::Query;
use super::reader::KvReader;
use super::rules::Rules;
use super::session::{Lookup, Sessions};
use super::staged::Staged;
use super::sweeper::Sweeper;
use super::view::View;
use super::words::FormatError;

/// How the store uses the machine. None of it changes what a command does: that is for the
/// [`Rules`], which are the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KvOptions {
    /// Memory for blocks that were read.
    pub block_cache_bytes: usize,
    /// Memory of one column family for what is not yet in a table file; up to two are full at a
    /// time.
    pub write_buffer_bytes: usize,
}

impl Default for KvOptions {
    fn default() -> Self {
        Self { block_cache_bytes: 128 << 20, write_buffer_bytes: 64 << 20 }
    }
}

/// The key-value store of one node.
///
/// Commands change memory until [`StateMachine::flush`], which writes the keys, the sessions and
/// the applied index in one atomic batch, unsynced: after a power cut the store is at some earlier
/// batch, whole, and the log brings it forward again.
pub struct KvStateMachine {
    pub(super) database: Arc<Database>,
    pub(super) staged: Staged,
    /// With the batch under way.
    pub(super) state: State,
    /// Without it: what is on disk.
    written: State,
    sessions: Sessions,
    sweeper: Sweeper,
    /// Set once the storage has failed: what is in memory may not be what is on disk, and nothing
    /// is applied any more.
    failed: Option<String>,
}

impl fmt::Debug for KvStateMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvStateMachine")
            .field("state", &self.state)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl KvStateMachine {
    /// Opens the store in `dir`, or makes an empty one if the directory is missing or empty.
    ///
    /// # Errors
    /// When the directory is another node's, of a newer format, in use, or cannot be read. Nothing
    /// of what is there is changed then.
    pub fn open(dir: &Path, identity: Identity, options: &KvOptions) -> Result<Self, OpenError> {
        let (lock, path) = identity::claim(dir, &identity)?;
        let (database, state) = Database::open(&path, options, lock)?;
        let sessions =
            Sessions::load(&database).map_err(|source| OpenError::Read { path, source })?;
        let database = Arc::new(database);
        let sweeper = Sweeper::start(Arc::clone(&database)).map_err(OpenError::Thread)?;
        Ok(Self {
            database,
            staged: Staged::default(),
            state,
            written: state,
            sessions,
            sweeper,
            failed: None,
        })
    }

    /// A reader for other threads. It sees what was flushed.
    #[must_use]
    pub fn reader(&self) -> KvReader {
        KvReader::new(Arc::clone(&self.database))
    }

    /// The last log entry whose effect is in the store, with those not yet flushed.
    #[must_use]
    pub const fn applied_id(&self) -> LogId {
        self.state.applied
    }

    /// What commands see: the disk with the batch under way above it.
    pub(super) fn view(&self) -> View<'_> {
        View {
            database: &self.database,
            snapshot: None,
            current: &self.staged.current,
            history: &self.staged.history,
            compact_revision: self.state.compact_revision,
        }
    }

    fn run(&mut self, id: LogId, bytes: &[u8]) -> Result<Bytes, ApplyError> {
        let (rules, command) = match Command::decode(bytes) {
            Ok(decoded) => decoded,
            // Nodes of another release know what this means and apply it: to go on without it
            // would make this node's state differ from theirs.
            Err(error @ FormatError::Version { .. }) => {
                return Err(ApplyError::Unsupported { reason: error.to_string() });
            }
            Err(FormatError::Empty | FormatError::Damaged) => {
                return Ok(self.output(Outcome::Refused(StoreRefusal::Malformed)));
            }
        };
        self.run_by(rules, id, &command).map_err(|error| ApplyError::Storage(self.failed(&error)))
    }

    fn run_by(
        &mut self,
        rules: &'static Rules,
        id: LogId,
        command: &Command,
    ) -> Result<Bytes, ReadError> {
        if let Some(session) = command.session {
            match self.sessions.look_up(&self.database, session)? {
                Lookup::New => {}
                Lookup::Done(reply) => return Ok(reply),
                Lookup::Refused(refused) => return Ok(self.output(Outcome::Refused(refused))),
            }
        }
        let outcome = self.execute(id.index, &command.op, rules)?;
        let reply = self.output(outcome);
        if let Some(session) = command.session {
            self.sessions.keep_output(session, id.index, &reply, self.state.revision, rules);
        }
        Ok(reply)
    }

    pub(super) fn open_session(&mut self, at: LogIndex, rules: &Rules) -> Outcome {
        let session = self.sessions.open(at, self.state.revision, rules);
        Outcome::SessionOpened { session }
    }

    fn output(&self, outcome: Outcome) -> Bytes {
        Output { revision: self.state.revision, outcome }.encode()
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

    /// Notes that the storage failed. Nothing is applied or flushed after that.
    fn failed(&mut self, error: &dyn fmt::Display) -> StorageFailure {
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
        self.sweeper.stop(&self.database);
    }
}

impl StateMachine for KvStateMachine {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(self.written.applied.index)
    }

    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        let last = self.state.applied;
        assert!(id.index > last.index, "{id} comes after {last}, which is applied");
        self.check_usable()?;
        let reply = self.run(id, command)?;
        self.state.applied = id;
        Ok(reply)
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        let last = self.state.applied;
        assert!(applied.index >= last.index, "{applied} does not take back {last}");
        self.check_usable()?;
        self.state.applied = applied;
        if let Err(error) = self.database.write(self.batch(), self.state.revision) {
            let what = format!("writing a batch to the key-value store failed: {error}");
            return Err(self.failed(&what));
        }
        self.staged.clear();
        self.sessions.written();
        if self.state.compact_revision > self.written.compact_revision {
            self.sweeper.sweep();
        }
        self.written = self.state;
        Ok(())
    }

    fn staged_bytes(&self) -> u64 {
        self.staged.bytes() + self.sessions.staged_bytes()
    }

    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError> {
        let query =
            Query::decode(query).map_err(|error| QueryError { reason: error.to_string() })?;
        let answer = self
            .reader()
            .answer(&query)
            .map_err(|error| QueryError { reason: error.to_string() })?;
        Ok(answer.encode())
    }
}
