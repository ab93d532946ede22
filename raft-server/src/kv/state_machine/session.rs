//! Exactly-once execution for clients that retry (thesis §6.3).
//!
//! The table is part of the replicated state: the same log gives the same table on every node,
//! evictions included. Serials and ages are in memory; replies stay on disk until a retry asks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use raft_core::LogIndex;
use rocksdb::WriteBatch;

use super::command::SessionSerial;
use super::database::{Database, Family};
use super::error::ReadError;
use super::layout::{self, SessionRecord};
use super::output::{Outcome, Output, StoreRefusal};
use super::rules::Rules;
use super::{Revision, SessionId};

/// What is known of a command before it is carried out.
pub(super) enum Lookup {
    /// It is new.
    New,
    /// It was carried out; this was the reply.
    Done(Bytes),
    /// It must not be carried out.
    Refused(StoreRefusal),
}

/// The sessions, with the changes of the batch under way.
#[derive(Debug)]
pub(super) struct Sessions {
    by_id: HashMap<u64, Last>,
    /// From the longest unused to the last used. A command that opens a session from within
    /// another uses both at one index: the older session comes first then.
    by_age: BTreeSet<(LogIndex, u64)>,
    /// Records to write with the batch; `None` removes one.
    staged: BTreeMap<u64, Option<Vec<u8>>>,
    /// Bytes that were put into `staged` since it was empty.
    staged_bytes: u64,
}

/// A session's last command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Last {
    serial: u64,
    used_at: LogIndex,
}

impl Sessions {
    /// Reads the table from disk.
    pub(super) fn load(database: &Database) -> Result<Self, ReadError> {
        let mut sessions = Self {
            by_id: HashMap::new(),
            by_age: BTreeSet::new(),
            staged: BTreeMap::new(),
            staged_bytes: 0,
        };
        let mut records = database.db().raw_iterator_cf(database.family(Family::Sessions));
        records.seek_to_first();
        while let Some((key, record)) = records.item() {
            let id = layout::decode_session_key(key)?;
            let SessionRecord { serial, used_at, reply: _ } = SessionRecord::decode(record)?;
            sessions.by_id.insert(id, Last { serial, used_at });
            sessions.by_age.insert((used_at, id));
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
        self.reply(database, command.session.0).map(Lookup::Done)
    }

    /// Opens a session, named after the command that does it.
    pub(super) fn open(&mut self, at: LogIndex, revision: Revision, rules: &Rules) -> SessionId {
        let session = SessionId(at.get());
        let output = Output { revision, outcome: Outcome::SessionOpened { session } };
        self.record(SessionSerial { session, serial: 0 }, at, &output.encode());
        while self.by_id.len() > rules.sessions_max {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.by_id.remove(&oldest);
            self.stage(oldest, None);
        }
        session
    }

    /// Keeps a command's reply. Does nothing if the session was evicted by the very command.
    pub(super) fn keep_output(
        &mut self,
        command: SessionSerial,
        at: LogIndex,
        reply: &[u8],
        revision: Revision,
        rules: &Rules,
    ) {
        if !self.by_id.contains_key(&command.session.0) {
            return;
        }
        if reply.len() > rules.kept_output_bytes_max {
            let not_kept = Output { revision, outcome: Outcome::OutputNotKept };
            self.record(command, at, &not_kept.encode());
        } else {
            self.record(command, at, reply);
        }
    }

    /// Memory that the changes of the batch take up, in bytes, approximately.
    pub(super) const fn staged_bytes(&self) -> u64 {
        self.staged_bytes
    }

    /// Adds what changed to the batch.
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

    fn record(&mut self, command: SessionSerial, at: LogIndex, reply: &[u8]) {
        let id = command.session.0;
        let last = Last { serial: command.serial, used_at: at };
        if let Some(before) = self.by_id.insert(id, last) {
            self.by_age.remove(&(before.used_at, id));
        }
        self.by_age.insert((at, id));
        let record = SessionRecord { serial: command.serial, used_at: at, reply };
        self.stage(id, Some(record.encode()));
    }

    fn stage(&mut self, id: u64, record: Option<Vec<u8>>) {
        self.staged_bytes += Rules::weight(&[], record.as_deref().unwrap_or_default());
        self.staged.insert(id, record);
    }

    fn reply(&self, database: &Database, id: u64) -> Result<Bytes, ReadError> {
        if let Some(Some(record)) = self.staged.get(&id) {
            return Ok(Bytes::copy_from_slice(SessionRecord::decode(record)?.reply));
        }
        let record = database
            .db()
            .get_pinned_cf(database.family(Family::Sessions), layout::session_key(id))
            .map_err(|source| ReadError::io("reading a session", source))?;
        match record {
            Some(record) => Ok(Bytes::copy_from_slice(SessionRecord::decode(&record)?.reply)),
            None => {
                let detail = format!("the record of session {id} is missing");
                Err(ReadError::Corrupt { detail })
            }
        }
    }
}
