//! Captured states that clients read in parts, for backups.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::{SnapshotSource, StorageFailure};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::kv::protocol::SnapshotResponse;
use crate::{CapturedState, NodeHandle};

/// Bytes of one part.
pub(super) const PART_BYTES: usize = 1 << 20;
/// Captured states at a time: each keeps files of the database that it has replaced.
const SAVES_MAX: usize = 2;
/// How long a captured state is kept for the next request.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// The captured states that clients read.
#[derive(Clone, Debug, Default)]
pub(super) struct Saves {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    open: BTreeMap<u64, mpsc::Sender<ReadPart>>,
}

/// A request for the part that begins at this offset.
#[derive(Debug)]
struct ReadPart {
    offset: u64,
    response: oneshot::Sender<SnapshotResponse>,
}

/// A captured state between two reads.
struct Save {
    source: Box<dyn SnapshotSource>,
    offset: u64,
    checksum: u32,
}

impl Saves {
    /// Captures the state machine of the node.
    pub(super) async fn begin(&self, node: &NodeHandle) -> SnapshotResponse {
        let (sender, requests) = mpsc::channel(1);
        let id = {
            let mut state = self.state();
            if state.open.len() >= SAVES_MAX {
                return failed("too many snapshots are being saved; try again later");
            }
            state.last_id += 1;
            let id = state.last_id;
            state.open.insert(id, sender);
            id
        };
        // Removes it from the map if this request is cancelled as well.
        let slot = Slot { saves: self.clone(), id };
        match node.capture().await {
            Ok(CapturedState { last, membership, source }) => {
                tokio::spawn(serve(slot, Save { source, offset: 0, checksum: 0 }, requests));
                SnapshotResponse::Begun { id, last, membership }
            }
            Err(error) => failed(&error.to_string()),
        }
    }

    /// Reads the next part.
    pub(super) async fn read(&self, id: u64, offset: u64) -> SnapshotResponse {
        let save = self.state().open.get(&id).cloned();
        let (response, receiver) = oneshot::channel();
        let sent = match save {
            Some(save) => save.send(ReadPart { offset, response }).await.is_ok(),
            None => false,
        };
        let part = if sent { receiver.await.ok() } else { None };
        part.unwrap_or_else(|| failed("the captured state is no longer kept: begin again"))
    }

    /// The map changes as a whole, so it is consistent after a panic under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the map, until it is dropped.
struct Slot {
    saves: Saves,
    id: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.saves.state().open.remove(&self.id);
    }
}

/// Serves the reads of one captured state, until its end or until no client reads it.
async fn serve(slot: Slot, save: Save, mut requests: mpsc::Receiver<ReadPart>) {
    let mut kept = Some(save);
    while let Some(save) = kept.take() {
        let Ok(Some(ReadPart { offset, response })) = timeout(IDLE_TIME_MAX, requests.recv()).await
        else {
            kept = Some(save);
            break;
        };
        if offset != save.offset {
            let _ = response.send(failed("the parts of a captured state are read in order"));
            kept = Some(save);
            break;
        }
        // A runtime that shuts down does not run it. A source that is at its end is dropped there:
        // removing what it holds may wait for the disk.
        let Ok((next, part)) = tokio::task::spawn_blocking(move || save.next()).await else {
            break;
        };
        kept = next;
        let _ = response.send(part);
    }
    tokio::task::spawn_blocking(move || drop(kept));
    drop(slot);
}

impl Save {
    /// The next part, and the rest unless this was the end.
    fn next(mut self) -> (Option<Self>, SnapshotResponse) {
        match self.read() {
            Ok(part) if part.is_empty() => {
                (None, SnapshotResponse::End { checksum: self.checksum })
            }
            Ok(part) => (Some(self), SnapshotResponse::Part(part)),
            Err(failure) => (None, failed(&failure.reason)),
        }
    }

    fn read(&mut self) -> Result<Bytes, StorageFailure> {
        let mut part = vec![0; PART_BYTES];
        let mut filled = 0;
        while filled < part.len() {
            match self.source.read(&mut part[filled..])? {
                0 => break,
                length => filled += length,
            }
        }
        part.truncate(filled);
        self.offset += filled as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, &part);
        Ok(part.into())
    }
}

fn failed(reason: &str) -> SnapshotResponse {
    SnapshotResponse::Failed { reason: reason.to_owned() }
}
