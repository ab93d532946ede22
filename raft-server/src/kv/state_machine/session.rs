//! Sessions: a retried command is applied once (thesis §6.3).
//!
//! The table is part of the replicated state: the same log gives the same table on every node,
//! evictions included. Serials and the order of use are in memory; outputs are on disk and are read
//! for a retry only.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use raft_core::LogIndex;
use rocksdb::WriteBatch;

use super::command::SessionSerial;
use super::database::{Database, Family};
use super::error::ReadError;
use super::layout::{self, SessionRecord};
use super::output::{Outcome, Output};
use super::refusal::StoreRefusal;
use super::rules::Rules;
use super::types::{Revision, SessionId};

/// What the session table contains for a command before it is applied.
pub(super) enum Lookup {
    /// The command was not applied yet.
    New,
    /// The command was applied; this is its output.
    Applied(Bytes),
    /// The command must not be applied.
    Refused(StoreRefusal),
}

/// The session table, including the staged changes.
#[derive(Debug)]
pub(super) struct Sessions {
    by_id: HashMap<u64, LastCommand>,
    /// From the least to the most recently used. A command of one session that opens another uses
    /// both at one index: the older session comes first then.
    by_last_use: BTreeSet<(LogIndex, u64)>,
    /// Records to write with the batch; `None` removes one.
    staged: BTreeMap<u64, Option<Vec<u8>>>,
    /// Bytes that were added to `staged` since it was empty.
    staged_bytes: u64,
}

/// A session's last command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct LastCommand {
    serial: u64,
    used_at: LogIndex,
}

impl Sessions {
    /// Reads the table from disk.
    pub(super) fn load(database: &Database) -> Result<Self, ReadError> {
        let mut sessions = Self {
            by_id: HashMap::new(),
            by_last_use: BTreeSet::new(),
            staged: BTreeMap::new(),
            staged_bytes: 0,
        };
        let mut records = database.db().raw_iterator_cf(database.family(Family::Sessions));
        records.seek_to_first();
        while let Some((key, record)) = records.item() {
            let id = layout::decode_session_key(key)?;
            let SessionRecord { serial, used_at, output: _ } = SessionRecord::decode(record)?;
            sessions.by_id.insert(id, LastCommand { serial, used_at });
            sessions.by_last_use.insert((used_at, id));
            records.next();
        }
        records.status().map_err(|source| ReadError::io("reading the sessions", source))?;
        Ok(sessions)
    }

    /// Whether a command is new to its session.
    pub(super) fn look_up(
        &self,
        database: &Database,
        command: SessionSerial,
    ) -> Result<Lookup, ReadError> {
        let Some(last) = self.by_id.get(&command.session.0) else {
            return Ok(Lookup::Refused(StoreRefusal::SessionExpired));
        };
        if command.serial > last.serial {
            return Ok(Lookup::New);
        }
        if command.serial < last.serial {
            return Ok(Lookup::Refused(StoreRefusal::SessionStale { last_serial: last.serial }));
        }
        self.output(database, command.session.0).map(Lookup::Applied)
    }

    /// Opens a session. Its id is the log index of the command that opens it.
    pub(super) fn open(&mut self, at: LogIndex, revision: Revision, rules: &Rules) -> SessionId {
        let session = SessionId(at.get());
        let output = Output { revision, outcome: Outcome::SessionOpened { session } };
        self.record(SessionSerial { session, serial: 0 }, at, &output.encode());
        while self.by_id.len() > rules.sessions_max {
            let Some((_, oldest)) = self.by_last_use.pop_first() else { break };
            self.by_id.remove(&oldest);
            self.stage(oldest, None);
        }
        session
    }

    /// Keeps the output of a command, unless the command evicted its own session.
    pub(super) fn keep_output(
        &mut self,
        command: SessionSerial,
        at: LogIndex,
        output: &[u8],
        revision: Revision,
        rules: &Rules,
    ) {
        if !self.by_id.contains_key(&command.session.0) {
            return;
        }
        if output.len() > rules.kept_output_bytes_max {
            let not_kept = Output { revision, outcome: Outcome::OutputNotKept };
            self.record(command, at, &not_kept.encode());
        } else {
            self.record(command, at, output);
        }
    }

    /// Memory that the staged changes take up, in bytes, approximately.
    pub(super) const fn staged_bytes(&self) -> u64 {
        self.staged_bytes
    }

    /// Adds the staged changes to the batch.
    pub(super) fn write_to(&self, database: &Database, batch: &mut WriteBatch) {
        let family = database.family(Family::Sessions);
        for (id, record) in &self.staged {
            match record {
                Some(record) => batch.put_cf(family, layout::session_key(*id), record),
                None => batch.delete_cf(family, layout::session_key(*id)),
            }
        }
    }

    /// The batch is written.
    pub(super) fn written(&mut self) {
        self.staged.clear();
        self.staged_bytes = 0;
    }

    fn record(&mut self, command: SessionSerial, at: LogIndex, output: &[u8]) {
        let id = command.session.0;
        let last = LastCommand { serial: command.serial, used_at: at };
        if let Some(before) = self.by_id.insert(id, last) {
            self.by_last_use.remove(&(before.used_at, id));
        }
        self.by_last_use.insert((at, id));
        let record = SessionRecord { serial: command.serial, used_at: at, output };
        self.stage(id, Some(record.encode()));
    }

    fn stage(&mut self, id: u64, record: Option<Vec<u8>>) {
        self.staged_bytes += Rules::weight(&[], record.as_deref().unwrap_or_default());
        self.staged.insert(id, record);
    }

    fn output(&self, database: &Database, id: u64) -> Result<Bytes, ReadError> {
        if let Some(Some(record)) = self.staged.get(&id) {
            return Ok(Bytes::copy_from_slice(SessionRecord::decode(record)?.output));
        }
        let record = database
            .db()
            .get_pinned_cf(database.family(Family::Sessions), layout::session_key(id))
            .map_err(|source| ReadError::io("reading a session", source))?;
        match record {
            Some(record) => Ok(Bytes::copy_from_slice(SessionRecord::decode(&record)?.output)),
            None => {
                let detail = format!("the record of session {id} is missing");
                Err(ReadError::Corrupt { detail })
            }
        }
    }
}
