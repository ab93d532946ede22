//! The thread that reads older entries back from the log store.

use std::sync::Arc;

use raft_core::ports::LogReader;
use raft_core::{EntriesFetched, FetchEntries};

use super::error::StopReason;
use super::mailbox::Mailbox;
use super::work_queue::WorkQueue;

/// Serves [`FetchEntries`] until the queue is closed. The core fetches only durable entries. If one
/// cannot be read, the disk has failed or the data is damaged, and the node stops.
pub(super) fn run(
    mut reader: Box<dyn LogReader>,
    mailbox: &Mailbox,
    queue: &WorkQueue<FetchEntries>,
) {
    let mut batch = Vec::new();
    while queue.take(&mut batch) {
        for fetch in batch.drain(..) {
            match reader.read(fetch.from, fetch.last, fetch.bytes_max) {
                Ok(entries) => {
                    let fetched = EntriesFetched { id: fetch.id, from: fetch.from, entries };
                    mailbox.post(|arrivals| arrivals.fetched.push(fetched));
                }
                Err(error) => {
                    queue.close();
                    return mailbox.fail(StopReason::Storage(Arc::new(error)));
                }
            }
        }
    }
}
