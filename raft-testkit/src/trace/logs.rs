//! Every node's log as records go by, rebuilt from what the nodes handed to their disks.

use std::collections::VecDeque;

use raft_core::{LogIndex, PersistId};

use super::reading::Reading;
use super::record::{EntryView, Record, RecordKind};

/// The logs of all nodes.
#[derive(Debug)]
pub struct Logs<'t> {
    logs: Vec<Log<'t>>,
}

/// One node's log: what it holds in memory, and what a crash would leave.
#[derive(Clone, Default, Debug)]
struct Log<'t> {
    memory: Vec<&'t EntryView>,
    durable: Vec<&'t EntryView>,
    pending: VecDeque<Change<'t>>,
}

#[derive(Clone, Copy, Debug)]
struct Change<'t> {
    persist: PersistId,
    truncate_from: Option<LogIndex>,
    entries: &'t [EntryView],
}

impl<'t> Logs<'t> {
    /// The logs before the first record: empty.
    #[must_use]
    pub fn new(reading: &Reading<'_>) -> Self {
        Self { logs: vec![Log::default(); reading.nodes.len()] }
    }

    /// Takes in the next record.
    pub fn take(&mut self, reading: &Reading<'_>, record: &'t Record) {
        let column = record.node.and_then(|node| reading.column(node));
        let Some(log) = column.and_then(|column| self.logs.get_mut(column)) else { return };
        if let RecordKind::PersistStarted { persist, truncate_from, entries, .. } = &record.kind {
            let (persist, truncate_from) = (*persist, *truncate_from);
            let change = Change { persist, truncate_from, entries };
            change.make(&mut log.memory);
            log.pending.push_back(change);
        } else if let RecordKind::PersistDone { persist } = record.kind {
            while log.pending.front().is_some_and(|next| next.persist <= persist) {
                let Some(change) = log.pending.pop_front() else { break };
                change.make(&mut log.durable);
            }
        } else if let RecordKind::Truncated { from, .. } = record.kind {
            log.memory.retain(|entry| entry.index < from);
        } else if let RecordKind::Crashed { kept, .. } = record.kind {
            for _ in 0..kept {
                let Some(change) = log.pending.pop_front() else { break };
                change.make(&mut log.durable);
            }
            log.pending.clear();
            log.memory.clone_from(&log.durable);
        }
    }

    /// What the node in this column holds now, in memory.
    #[must_use]
    pub fn of(&self, column: usize) -> &[&'t EntryView] {
        self.logs.get(column).map_or(&[], |log| &log.memory)
    }
}

impl<'t> Change<'t> {
    fn make(&self, log: &mut Vec<&'t EntryView>) {
        if let Some(from) = self.truncate_from {
            log.retain(|entry| entry.index < from);
        }
        log.extend(self.entries);
    }
}
