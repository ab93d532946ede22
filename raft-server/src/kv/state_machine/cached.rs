//! Reads that do not wait for the disk.

use rocksdb::{DBPinnableSlice, ErrorKind, ReadOptions, ReadTier};

use super::database::{Database, Family};
use super::error::{OperationError, ReadError};
use super::key::KeyRange;
use super::layout::{STATE_KEY, State};
use super::query::{QueryResult, QueryResultBody, RangeRequest};
use super::reader::KvReader;
use super::view::{self, CurrentRecord};

/// The result of a read in memory: the record, if the key has one; or `None` if the memory does not
/// contain it.
type Cached<'a> = Option<Option<DBPinnableSlice<'a>>>;

impl KvReader {
    /// Reads the newest version of one key from memory: from the write buffers and the block
    /// cache. `None` if that would need the disk, or if the request is of another kind: call
    /// [`KvReader::range`] then, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// When the database fails.
    pub fn range_in_memory(
        &self,
        request: &RangeRequest,
    ) -> Result<Option<QueryResult>, ReadError> {
        let RangeRequest { range: KeyRange::Key(key), revision: None, .. } = request else {
            return Ok(None);
        };
        let database = self.database();
        let revision = database.revision();
        let Some(record) = cached_record(&database, key, database.in_memory())? else {
            return Ok(None);
        };
        let body = result_body(request, key, record)?;
        if database.is_still_at(revision) {
            return Ok(Some(QueryResult { revision, body }));
        }
        // A write began in the meantime, so record and revision may be of different states.
        let snapshot = database.db().snapshot();
        let mut options = ReadOptions::default();
        options.set_read_tier(ReadTier::BlockCache);
        options.set_snapshot(&snapshot);
        let Some(state) = cached_state(&database, &options)? else { return Ok(None) };
        let Some(record) = cached_record(&database, key, &options)? else { return Ok(None) };
        let body = result_body(request, key, record)?;
        Ok(Some(QueryResult { revision: state.revision, body }))
    }
}

fn cached_record<'a>(
    database: &'a Database,
    key: &[u8],
    options: &ReadOptions,
) -> Result<Cached<'a>, ReadError> {
    let family = database.family(Family::Current);
    in_memory("reading a key", database.db().get_pinned_cf_opt(family, key, options))
}

fn cached_state(database: &Database, options: &ReadOptions) -> Result<Option<State>, ReadError> {
    let found = database.db().get_pinned_opt(STATE_KEY, options);
    match in_memory("reading the state record", found)? {
        Some(Some(record)) => Ok(Some(State::decode(&record)?)),
        Some(None) => Ok(Some(State::default())),
        None => Ok(None),
    }
}

fn result_body(
    request: &RangeRequest,
    key: &[u8],
    record: Option<DBPinnableSlice<'_>>,
) -> Result<QueryResultBody, ReadError> {
    match view::one_key(request, key, record.map(CurrentRecord::Disk)) {
        Ok(result) => Ok(QueryResultBody::Range(result)),
        Err(OperationError::Refused(refused)) => Ok(QueryResultBody::Refused(refused)),
        Err(OperationError::Failed(error)) => Err(error),
    }
}

/// `None` if the read stopped where it would have needed the disk.
fn in_memory<'a>(
    operation: &'static str,
    found: Result<Option<DBPinnableSlice<'a>>, rocksdb::Error>,
) -> Result<Cached<'a>, ReadError> {
    match found {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.kind() == ErrorKind::Incomplete => Ok(None),
        Err(source) => Err(ReadError::io(operation, source)),
    }
}
