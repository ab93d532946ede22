//! Requests about the log and the snapshots of one node.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::{LogId, LogIndex, Membership};

use super::call::Caller;
use super::error::Error;
use super::outputs::unexpected;
use crate::kv::protocol::{RequestBody, ResponseBody, SnapshotRequest, SnapshotResponse};

/// The captured state of a node while it is read. The node keeps it until its end was read, or until
/// no part was read for 30 seconds.
pub struct SnapshotDownload {
    caller: Arc<Caller>,
    endpoint: String,
    id: u64,
    last: LogId,
    membership: (LogIndex, Membership),
    offset: u64,
    checksum: u32,
}

impl SnapshotDownload {
    /// Captures the state of the node at an endpoint.
    pub(super) async fn begin(caller: Arc<Caller>, endpoint: &str) -> Result<Self, Error> {
        let response = request(&caller, endpoint, SnapshotRequest::Begin).await?;
        let SnapshotResponse::Begun { id, last, membership } = response else {
            return Err(unexpected(&ResponseBody::Snapshot(response)));
        };
        let endpoint = endpoint.to_owned();
        Ok(Self { caller, endpoint, id, last, membership, offset: 0, checksum: 0 })
    }

    /// The last entry that it covers.
    #[must_use]
    pub const fn last(&self) -> LogId {
        self.last
    }

    /// The configuration in force at that entry, and its index.
    #[must_use]
    pub const fn membership(&self) -> &(LogIndex, Membership) {
        &self.membership
    }

    /// The number of bytes read so far.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next part; `None` at the end, once the checksum of all parts is verified.
    ///
    /// # Errors
    /// When the node does not respond in time, cannot read the state, or the checksum is wrong:
    /// begin again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let read = SnapshotRequest::Read { id: self.id, offset: self.offset };
        match request(&self.caller, &self.endpoint, read).await? {
            SnapshotResponse::Part(part) => {
                self.offset += part.len() as u64;
                self.checksum = crc32c::crc32c_append(self.checksum, &part);
                Ok(Some(part))
            }
            SnapshotResponse::End { checksum } if checksum == self.checksum => Ok(None),
            SnapshotResponse::End { checksum } => Err(Error::Protocol(format!(
                "the snapshot has checksum {:08x} and not {checksum:08x}",
                self.checksum
            ))),
            other @ (SnapshotResponse::Compacted { .. }
            | SnapshotResponse::Begun { .. }
            | SnapshotResponse::Failed { .. }) => Err(unexpected(&ResponseBody::Snapshot(other))),
        }
    }
}

/// Compacts the log of the node at an endpoint. Returns the index of its first entry.
pub(super) async fn compact_log(caller: &Caller, endpoint: &str) -> Result<LogIndex, Error> {
    let response = request(caller, endpoint, SnapshotRequest::CompactLog).await?;
    let SnapshotResponse::Compacted { first_index } = response else {
        return Err(unexpected(&ResponseBody::Snapshot(response)));
    };
    Ok(first_index)
}

async fn request(
    caller: &Caller,
    endpoint: &str,
    request: SnapshotRequest,
) -> Result<SnapshotResponse, Error> {
    let body = caller.call_at(endpoint, RequestBody::Snapshot(request)).await?;
    let ResponseBody::Snapshot(response) = body else { return Err(unexpected(&body)) };
    if let SnapshotResponse::Failed { reason } = response {
        return Err(Error::Unavailable { reason: format!("{endpoint}: {reason}") });
    }
    Ok(response)
}

impl fmt::Debug for SnapshotDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotDownload")
            .field("endpoint", &self.endpoint)
            .field("last", &self.last)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
