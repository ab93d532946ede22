//! The snapshots of a node: its own, those that it sends, and the one that it installs.

use alloc::collections::BTreeMap;

use crate::log::TermRuns;
use crate::types::{LogId, LogIndex, NodeId, PersistId};

/// Belongs to the node, not to a leadership: a capture and a transfer stay pending until the host
/// reports their end, whatever happens to the role or to the follower's progress meanwhile. That
/// bounds the work of the host to one capture and one transfer to each follower.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    /// The last entry of the latest durable snapshot of this node's state machine.
    latest: Option<LogId>,
    /// The index that was applied when the pending capture was requested: the snapshot will cover
    /// at least as much.
    capturing_from: Option<LogIndex>,
    /// The transfer in progress to each follower.
    transfers: BTreeMap<NodeId, LogId>,
    /// The snapshot to which the log is reset, until the reset is durable.
    resetting: Option<Reset>,
}

/// A reset of the log that is not known to be durable.
#[derive(Clone, Copy, Debug)]
struct Reset {
    last: LogId,
    /// The persist that carries it; `None` until the end of the step.
    persist: Option<PersistId>,
}

/// The own snapshot and its transfers.
impl Snapshots {
    /// The latest snapshot, if the log holds every entry after it.
    pub(crate) fn usable(&self, terms: &TermRuns) -> Option<LogId> {
        self.latest.filter(|&last| terms.contains(last))
    }

    /// The last entry that the next snapshot for a follower covers at least: the usable one, or the
    /// one that is captured.
    pub(crate) fn pinned_index(&self, terms: &TermRuns) -> Option<LogIndex> {
        self.usable(terms).map(|last| last.index).or(self.capturing_from)
    }

    /// Records a durable snapshot. An earlier one does not replace a later one.
    pub(crate) fn on_taken(&mut self, last: LogId) {
        if self.latest.is_none_or(|latest| last.index > latest.index) {
            self.latest = Some(last);
        }
    }

    /// The capture has ended, with or without a snapshot.
    pub(crate) const fn on_capture_ended(&mut self) {
        self.capturing_from = None;
    }

    /// Begins a capture, unless one is pending.
    pub(crate) const fn begin_capture(&mut self, applied: LogIndex) -> bool {
        let begins = self.capturing_from.is_none();
        if begins {
            self.capturing_from = Some(applied);
        }
        begins
    }

    /// Whether a transfer to this follower is in progress.
    pub(crate) fn is_sending_to(&self, follower: NodeId) -> bool {
        self.transfers.contains_key(&follower)
    }

    /// A transfer begins.
    pub(crate) fn on_sending(&mut self, to: NodeId, last: LogId) {
        let earlier = self.transfers.insert(to, last);
        assert!(earlier.is_none(), "at most one snapshot is sent to a follower at a time");
    }

    /// A transfer has ended. Returns false if none with this last entry is in progress.
    pub(crate) fn on_sent(&mut self, to: NodeId, last: LogId) -> bool {
        let is_known = self.transfers.get(&to) == Some(&last);
        if is_known {
            self.transfers.remove(&to);
        }
        is_known
    }
}

/// The snapshot that is installed.
impl Snapshots {
    /// The log is reset in this step. A reset that is not durable yet is superseded: the state
    /// machine is restored to the later snapshot only.
    pub(crate) const fn on_reset(&mut self, last: LogId) {
        self.resetting = Some(Reset { last, persist: None });
    }

    /// A persist is emitted. The first one after a reset carries it.
    pub(crate) const fn on_persist_emitted(&mut self, id: PersistId) {
        if let Some(Reset { persist, .. }) = &mut self.resetting
            && persist.is_none()
        {
            *persist = Some(id);
        }
    }

    /// Whether the log is reset and this is not known to be durable: nothing is applied meanwhile.
    pub(crate) const fn is_resetting(&self) -> bool {
        self.resetting.is_some()
    }

    /// The snapshot to which the state machine is to be restored now: its reset is durable.
    pub(crate) fn take_durable_reset(&mut self, durable: PersistId) -> Option<LogId> {
        let Reset { last, persist } = self.resetting?;
        if persist? > durable {
            return None;
        }
        self.resetting = None;
        Some(last)
    }
}
