//! The store as a replicated state machine.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{Identity, LogId, LogIndex};

use super::apply;
use super::command::Command;
use super::encoding::FormatError;
use super::error::{OpenError, ReadError};
use super::identity;
use super::layout::State;
use super::options::KvOptions;
use super::output::{Outcome, Output};
use super::query::Query;
use super::reader::KvReader;
use super::refusal::StoreRefusal;
use super::rules::Rules;
use super::session::Lookup;
use super::store::Store;
use super::sweeper::Sweeper;

/// The key-value store of one node.
///
/// Commands change memory until [`StateMachine::flush`], which writes the keys, the sessions and
/// the applied index in one atomic batch without a sync: after a power cut the store is in the
/// state of some earlier batch, and the node applies the rest of the log again.
pub struct KvStateMachine {
    store: Store,
    /// What is on disk, without the staged changes.
    written: State,
    sweeper: Sweeper,
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
        let (lock, path) = identity::claim(dir, &identity)?;
        let store = Store::open(&path, options, lock)?;
        let sweeper = Sweeper::start(Arc::clone(&store.database)).map_err(OpenError::Thread)?;
        Ok(Self { written: store.state, store, sweeper, failed: None })
    }

    /// A reader for other threads. It reads what was flushed.
    #[must_use]
    pub fn reader(&self) -> KvReader {
        KvReader::new(Arc::clone(&self.store.database))
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
        self.sweeper.stop(&self.store.database);
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
        if let Err(error) = self.store.write() {
            let failure = format!("writing a batch to the key-value store failed: {error}");
            return Err(self.record_failure(&failure));
        }
        if self.store.state.compact_revision > self.written.compact_revision {
            self.sweeper.sweep();
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
        Ok(self.store.database.durable_applied())
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        Err(StorageFailure { reason: "the key-value store does not capture its state".to_owned() })
    }

    fn restore(
        &mut self,
        _applied: LogId,
        _source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        Err(StorageFailure { reason: "the key-value store does not restore a state".to_owned() })
    }
}
