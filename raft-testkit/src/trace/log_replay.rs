//! The logs of all nodes while the records are read in order, rebuilt from the writes to their
//! disks.

use std::collections::VecDeque;

use raft_core::{LogIndex, PersistId};

use super::record::{EntryView, Record, RecordKind, ResetView};
use super::view::TraceView;

/// The logs of all nodes.
#[derive(Debug)]
pub struct LogReplay<'t> {
    logs: Vec<Log<'t>>,
}

/// The log of a node.
#[derive(Clone, Default, Debug)]
struct Log<'t> {
    memory: Vec<&'t EntryView>,
    durable: Vec<&'t EntryView>,
    pending: VecDeque<Write<'t>>,
}

#[derive(Clone, Copy, Debug)]
struct Write<'t> {
    persist: PersistId,
    reset: Option<ResetView>,
    truncate_from: Option<LogIndex>,
    entries: &'t [EntryView],
}

impl<'t> LogReplay<'t> {
    /// The logs before the first record: empty.
    #[must_use]
    pub fn new(view: &TraceView<'_>) -> Self {
        Self { logs: vec![Log::default(); view.nodes.len()] }
    }

    /// Reads the next record.
    pub fn apply(&mut self, view: &TraceView<'_>, record: &'t Record) {
        let column = record.node.and_then(|node| view.column(node));
        let Some(log) = column.and_then(|column| self.logs.get_mut(column)) else { return };
        if let RecordKind::PersistStarted { persist, reset, truncate_from, entries, .. } =
            &record.kind
        {
            let (persist, reset, truncate_from) = (*persist, *reset, *truncate_from);
            let write = Write { persist, reset, truncate_from, entries };
            write.apply_to(&mut log.memory);
            log.pending.push_back(write);
        } else if let RecordKind::PersistDone { persist } = record.kind {
            while log.pending.front().is_some_and(|next| next.persist <= persist) {
                let Some(write) = log.pending.pop_front() else { break };
                write.apply_to(&mut log.durable);
            }
        } else if let RecordKind::Compacted { base } = record.kind {
            log.memory.retain(|entry| entry.index > base.index);
            log.durable.retain(|entry| entry.index > base.index);
        } else if let RecordKind::Truncated { from, .. } = record.kind {
            log.memory.retain(|entry| entry.index < from);
        } else if let RecordKind::Crashed { kept, .. } = record.kind {
            for _ in 0..kept {
                let Some(write) = log.pending.pop_front() else { break };
                write.apply_to(&mut log.durable);
            }
            log.pending.clear();
            log.memory.clone_from(&log.durable);
        }
    }

    /// The entries of the node in this column, durable or not.
    #[must_use]
    pub fn entries(&self, column: usize) -> &[&'t EntryView] {
        self.logs.get(column).map_or(&[], |log| &log.memory)
    }
}

impl<'t> Write<'t> {
    fn apply_to(&self, log: &mut Vec<&'t EntryView>) {
        if let Some(ResetView { base, keeps_later_entries }) = self.reset {
            log.retain(|entry| keeps_later_entries && entry.index > base.index);
        }
        if let Some(from) = self.truncate_from {
            log.retain(|entry| entry.index < from);
        }
        log.extend(self.entries);
    }
}
