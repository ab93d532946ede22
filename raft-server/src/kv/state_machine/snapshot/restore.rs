//! Builds a database from a captured state.

use raft_core::ports::SnapshotSource;
use raft_core::{Identity, LogId};
use rocksdb::WriteBatch;

use super::super::database::{Database, Family};
use super::super::directory::OwnedDirectory;
use super::super::layout::{self, DamagedRecord, SessionRecord, State, Version};
use super::super::options::KvOptions;
use super::error::RestoreError;
use super::format::Header;
use super::reader::Reader;

/// Where a captured state may come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Origin {
    /// The cluster and group of this node.
    SameCluster,
    /// Any cluster: the state is the beginning of a new one.
    AnyCluster,
}

/// Builds a database in a directory that does not exist yet. The captured state must be of the
/// permitted origin, and of the entry `applied`. On return the database is durable.
///
/// After an error the directory is removed.
pub(in super::super) fn restore(
    source: &mut dyn SnapshotSource,
    (identity, origin): (&Identity, Origin),
    applied: LogId,
    directory: OwnedDirectory,
    options: &KvOptions,
) -> Result<(Database, State), RestoreError> {
    let mut reader = Reader::new(source);
    let header = reader.header()?;
    check(&header, (identity, origin), applied)?;
    let (database, _) = Database::open(directory, options)?;
    while restore_frame(&database, &mut reader)? {}
    database.finish_restore(header.state)?;
    Ok((database, header.state))
}

fn check(
    header: &Header,
    (identity, origin): (&Identity, Origin),
    applied: LogId,
) -> Result<(), RestoreError> {
    let is_same = (header.cluster, header.group) == (identity.cluster, identity.group);
    if origin == Origin::SameCluster && !is_same {
        return Err(RestoreError::OtherCluster {
            found_cluster: header.cluster,
            found_group: header.group,
            cluster: identity.cluster,
            group: identity.group,
        });
    }
    if header.state.applied != applied {
        return Err(RestoreError::OtherEntry { found: header.state.applied, expected: applied });
    }
    Ok(())
}

/// Writes the records of the next frame. Returns whether there was one.
fn restore_frame(database: &Database, reader: &mut Reader<'_>) -> Result<bool, RestoreError> {
    let mut batch = WriteBatch::default();
    let exists = reader.frame(&mut |family, key, value| {
        check_record(family, key, value).map_err(|damaged| damaged.to_string())?;
        batch.put_cf(database.family(family), key, value);
        Ok(())
    })?;
    database.write_restored(batch)?;
    Ok(exists)
}

/// A record must decode: a read of it may not fail later.
pub(super) fn check_record(family: Family, key: &[u8], value: &[u8]) -> Result<(), DamagedRecord> {
    match family {
        Family::Current => Version::decode_current(value).map(drop),
        Family::History => {
            let modified = layout::split_history_key(key, &mut Vec::new())?;
            Version::decode_history(modified, value).map(drop)
        }
        Family::Sessions => {
            layout::decode_session_key(key)?;
            SessionRecord::decode(value).map(drop)
        }
    }
}
