//! An inbox that records messages and that a test can wait for.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raft_core::ports::{Inbox, PeerRefusal, SnapshotOffer, SnapshotResponse};
use raft_core::{GroupId, Message, NodeId};

use super::snapshot_host::Received;
use super::wait::WAIT_MAX;

/// The group of probes: messages that test whether two nodes are connected.
pub(super) const PROBES: GroupId = GroupId(u64::MAX);

/// Records what a transport delivers.
#[derive(Default, Debug)]
pub struct RecordingInbox {
    record: Mutex<Record>,
    changed: Condvar,
    /// The receiving host of snapshots.
    pub(super) snapshots: Received,
}

/// The record of an inbox.
#[derive(Default, Debug)]
pub(super) struct Record {
    pub(super) messages: Vec<Message>,
    pub(super) unreachable: Vec<NodeId>,
    /// The refusals of this node: by which peer, and the reason for logs.
    pub(super) refusals: Vec<(NodeId, PeerRefusal, String)>,
    probes: BTreeMap<NodeId, u64>,
}

impl Record {
    pub(super) fn unreachable_count(&self, peer: NodeId) -> usize {
        self.unreachable.iter().filter(|&&lost| lost == peer).count()
    }

    pub(super) fn is_refused(&self, by: NodeId, refusal: PeerRefusal) -> bool {
        self.refusals.iter().any(|(peer, kind, _)| (*peer, *kind) == (by, refusal))
    }
}

impl RecordingInbox {
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `wanted` returns true for the record. `what` describes it in the failure.
    pub(super) fn wait_until(&self, what: &str, wanted: impl Fn(&Record) -> bool) {
        let record = self.record();
        let (record, outcome) = self
            .changed
            .wait_timeout_while(record, WAIT_MAX, |record| !wanted(record))
            .unwrap_or_else(PoisonError::into_inner);
        let (messages, unreachable) = (record.messages.len(), record.unreachable.clone());
        drop(record);
        assert!(
            !outcome.timed_out(),
            "not within {WAIT_MAX:?}: {what}; {messages} messages, unreachable {unreachable:?}"
        );
    }

    /// Repeats `send`, which sends a probe, until a probe of that node arrives.
    pub(super) fn wait_for_probe(&self, from: NodeId, send: impl Fn()) {
        const REPEAT_AFTER: Duration = Duration::from_millis(5);
        let count = |record: &Record| record.probes.get(&from).copied().unwrap_or(0);
        let before = count(&self.record());
        for _ in 0..WAIT_MAX.as_millis() / REPEAT_AFTER.as_millis() {
            send();
            let (record, _) = self
                .changed
                .wait_timeout_while(self.record(), REPEAT_AFTER, |r| count(r) == before)
                .unwrap_or_else(PoisonError::into_inner);
            if count(&record) > before {
                return;
            }
        }
        panic!("no probe of node {from} arrives");
    }
}

impl Inbox for RecordingInbox {
    fn deliver(&self, message: Message) {
        let mut record = self.record();
        if message.group == PROBES {
            *record.probes.entry(message.from).or_default() += 1;
        } else {
            record.messages.push(message);
        }
        drop(record);
        self.changed.notify_all();
    }

    fn peer_unreachable(&self, peer: NodeId) {
        self.record().unreachable.push(peer);
        self.changed.notify_all();
    }

    fn snapshot_offered(&self, from: NodeId, offer: &SnapshotOffer) -> SnapshotResponse {
        self.snapshots.offered(from, offer)
    }

    fn refused_by_peer(&self, peer: NodeId, refusal: PeerRefusal, reason: &str) {
        self.record().refusals.push((peer, refusal, reason.to_owned()));
        self.changed.notify_all();
    }
}
