//! The recorder of the trace.

use raft_core::{NodeId, Timestamp};

use crate::trace::record::{
    FORMAT, Header, MessageView, NodeState, Record, RecordKind, Trace, VERSION,
};

/// Collects records, or only counts them if it is disabled.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) header: Header,
    records: Vec<Record>,
    enabled: bool,
    last: u64,
    violated: bool,
}

/// A record without its number and time.
pub(crate) struct NewRecord {
    pub(crate) node: Option<NodeId>,
    pub(crate) kind: RecordKind,
    pub(crate) cause: Option<u64>,
    pub(crate) message: Option<MessageView>,
    pub(crate) state: Option<NodeState>,
}

impl Recorder {
    pub(crate) fn new(nodes: Vec<NodeId>) -> Self {
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            scenario: String::new(),
            title: String::new(),
            description: String::new(),
            source: String::new(),
            nodes,
            seed: 0,
        };
        Self { header, records: Vec::new(), enabled: true, last: 0, violated: false }
    }

    pub(crate) const fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    pub(crate) const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Uses the next number without a record. Called when the recorder is disabled.
    pub(crate) const fn skip(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn push(&mut self, now: Timestamp, new: NewRecord) -> u64 {
        self.last += 1;
        if self.enabled {
            let NewRecord { node, kind, cause, message, state } = new;
            let time = now.0;
            self.violated |= matches!(kind, RecordKind::Violation { .. });
            self.records.push(Record {
                sequence: self.last,
                time,
                node,
                kind,
                cause,
                message,
                state,
            });
        }
        self.last
    }

    pub(crate) fn last_section(&mut self) -> Option<&mut Record> {
        let is_section = |record: &&mut Record| matches!(record.kind, RecordKind::Section { .. });
        self.records.iter_mut().rev().find(is_section)
    }

    /// The record with this number.
    pub(crate) fn record(&self, sequence: u64) -> Option<&Record> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.records.get(at)
    }

    /// Whether a violation is recorded.
    pub(crate) const fn has_violation(&self) -> bool {
        self.violated
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn trace(&self) -> Trace {
        Trace { header: self.header.clone(), records: self.records.clone() }
    }
}
