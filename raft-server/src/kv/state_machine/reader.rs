//! Reads on threads other than the one that applies commands.

use std::fmt;
use std::sync::Arc;

use super::database::{Database, Family};
use super::error::{OperationError, ReadError};
use super::hash;
use super::key::KeyRange;
use super::query::{HashResult, Query, QueryResult, QueryResultBody, RangeRequest};
use super::refusal::StoreRefusal;
use super::shared::SharedDatabase;
use super::staged::EMPTY;
use super::types::Revision;
use super::view::View;

/// Reads what was flushed, on any thread, while commands are applied.
///
/// Each result is of one revision. For a read that must return every write acknowledged before it,
/// the caller first waits until the node has applied those writes. The database stays open until
/// every reader is dropped. After [`StateMachine::restore`](raft_core::ports::StateMachine::restore)
/// new reads are of the restored state; a read that began before is of the earlier one.
#[derive(Clone)]
pub struct KvReader {
    shared: SharedDatabase,
}

impl fmt::Debug for KvReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvReader").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

impl KvReader {
    pub(super) const fn new(shared: SharedDatabase) -> Self {
        Self { shared }
    }

    /// The database of one read.
    pub(super) fn database(&self) -> Arc<Database> {
        self.shared.get()
    }

    /// The newest revision that was flushed.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.database().revision()
    }

    /// Executes a query.
    ///
    /// # Errors
    /// When the database fails. A revision that cannot be read is a result, not an error.
    pub fn query(&self, query: &Query) -> Result<QueryResult, ReadError> {
        match query {
            Query::Range(request) => self.range(request),
            Query::Hash(revision) => self.hash(*revision),
        }
    }

    /// Reads a range.
    ///
    /// # Errors
    /// When the database fails.
    pub fn range(&self, request: &RangeRequest) -> Result<QueryResult, ReadError> {
        let database = self.database();
        if let Some(result) = newest_of_one_key(&database, request)? {
            return Ok(result);
        }
        let snapshot = database.db().snapshot();
        let state = database.state(Some(&snapshot))?;
        let result_of = |body| QueryResult { revision: state.revision, body };
        if let Some(revision) = request.revision
            && let Err(refused) = state.check_revision(revision)
        {
            return Ok(result_of(QueryResultBody::Refused(refused)));
        }
        let view = view(&database, Some(&snapshot), state.compact_revision);
        let result = match view.range(request, None) {
            Ok(result) => result,
            Err(OperationError::Refused(refused)) => {
                return Ok(result_of(QueryResultBody::Refused(refused)));
            }
            Err(OperationError::Failed(error)) => return Err(error),
        };
        // A sweep removes versions in spite of snapshots. It raises this number before it removes
        // anything.
        let swept = database.swept();
        if request.revision.is_some_and(|revision| revision < swept) {
            let refused = StoreRefusal::Compacted { compact_revision: swept };
            return Ok(result_of(QueryResultBody::Refused(refused)));
        }
        Ok(result_of(QueryResultBody::Range(result)))
    }

    /// Hashes every version that can be read up to `revision`, the newest if `None`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn hash(&self, revision: Option<Revision>) -> Result<QueryResult, ReadError> {
        let database = self.database();
        loop {
            let snapshot = database.db().snapshot();
            let state = database.state(Some(&snapshot))?;
            let result_of = |body| QueryResult { revision: state.revision, body };
            let revision = revision.unwrap_or(state.revision);
            if let Err(refused) = state.check_revision(revision) {
                return Ok(result_of(QueryResultBody::Refused(refused)));
            }
            let compact_revision = state.compact_revision;
            let view = view(&database, Some(&snapshot), compact_revision);
            let hash = hash::hash(&view, compact_revision, revision)?;
            // Some of the versions may have been swept in the meantime: hash again without them.
            if database.swept() <= compact_revision {
                let hash = HashResult { revision, compact_revision, hash };
                return Ok(result_of(QueryResultBody::Hash(hash)));
            }
        }
    }

    /// The approximate number of keys.
    #[must_use]
    pub fn keys_estimate(&self) -> u64 {
        self.database().property(Family::Current, "rocksdb.estimate-num-keys")
    }

    /// The revision up to which the space of superseded versions has been freed since the store was
    /// opened, 0 if none has. It reaches the compact revision with a delay.
    #[must_use]
    pub fn swept_revision(&self) -> Revision {
        self.database().sweep_ended()
    }

    /// Space that the store's files and write buffers take up, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        const PROPERTIES: [&str; 2] =
            ["rocksdb.total-sst-files-size", "rocksdb.size-all-mem-tables"];
        let database = self.database();
        let families = [Family::Current, Family::History, Family::Sessions];
        families
            .into_iter()
            .flat_map(|family| PROPERTIES.map(|name| database.property(family, name)))
            .sum()
    }
}

/// The common case: one lookup without a snapshot. `None` if the request is of another kind, or if a
/// write began in the meantime, so that key and revision may be of different states.
fn newest_of_one_key(
    database: &Database,
    request: &RangeRequest,
) -> Result<Option<QueryResult>, ReadError> {
    let RangeRequest { range: KeyRange::Key(_), revision: None, .. } = request else {
        return Ok(None);
    };
    let revision = database.revision();
    let body = match view(database, None, Revision::ZERO).range(request, None) {
        Ok(result) => QueryResultBody::Range(result),
        Err(OperationError::Refused(refused)) => QueryResultBody::Refused(refused),
        Err(OperationError::Failed(error)) => return Err(error),
    };
    if !database.is_still_at(revision) {
        return Ok(None);
    }
    Ok(Some(QueryResult { revision, body }))
}

fn view<'a>(
    database: &'a Database,
    snapshot: Option<&'a rocksdb::Snapshot<'a>>,
    compact_revision: Revision,
) -> View<'a> {
    View { database, snapshot, current: &EMPTY, history: &EMPTY, compact_revision }
}
