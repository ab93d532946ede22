//! An index over a trace: its nodes, sections and messages. Every format is rendered from it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use raft_core::NodeId;

use super::record::{NodeState, Record, RecordKind, Role, Trace};

/// A trace with an index of its nodes, sections and messages.
#[derive(Debug)]
pub struct TraceView<'t> {
    /// The trace.
    pub trace: &'t Trace,
    /// Every node in the trace, ascending: the columns of tables, the lifelines of diagrams.
    pub nodes: Vec<NodeId>,
    /// The sections in order. Records before the first one are a section without a number.
    pub sections: Vec<SectionView<'t>>,
    paths: BTreeMap<u64, MessagePath>,
}

/// A section of the scenario, or the records before the first one.
#[derive(Clone, Debug)]
pub struct SectionView<'t> {
    /// Its number, from 1; `None` before the first section.
    pub number: Option<u64>,
    /// Its title; that of the scenario, if the scenario has no sections.
    pub title: &'t str,
    /// Its description.
    pub description: &'t str,
    /// The paths of the features that it uses.
    pub uses: &'t [String],
    /// The paths of the features that it tests.
    pub tests: &'t [String],
    /// The positions of its records in the trace, without its heading.
    pub records: Range<usize>,
}

/// The records about one message.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct MessagePath {
    /// The sending, or the duplication that made this copy.
    pub sent: Option<u64>,
    /// The handling.
    pub handled: Option<u64>,
    /// The loss.
    pub lost: Option<u64>,
}

impl<'t> TraceView<'t> {
    /// Indexes a trace.
    #[must_use]
    pub fn new(trace: &'t Trace) -> Self {
        Self { trace, nodes: nodes_of(trace), sections: sections_of(trace), paths: paths_of(trace) }
    }

    /// The column of a node.
    #[must_use]
    pub fn column(&self, node: NodeId) -> Option<usize> {
        self.nodes.binary_search(&node).ok()
    }

    /// The records about a message.
    #[must_use]
    pub fn message_path(&self, message: u64) -> Option<&MessagePath> {
        self.paths.get(&message)
    }

    /// The records of a section.
    #[must_use]
    pub fn records(&self, section: &SectionView<'_>) -> &'t [Record] {
        self.trace.records.get(section.records.clone()).unwrap_or_default()
    }

    /// The state of every node after the record with this number; `None` for a node without a
    /// record up to there.
    #[must_use]
    pub fn states_at(&self, sequence: u64) -> Vec<Option<&'t NodeState>> {
        let mut states = vec![None; self.nodes.len()];
        for record in self.trace.records.iter().take_while(|record| record.sequence <= sequence) {
            if let (Some(node), Some(state)) = (record.node, &record.state)
                && let Some(column) = self.column(node)
            {
                states[column] = Some(state);
            }
        }
        states
    }

    /// The chain of causes that ends in this record, the first cause first; empty if there is no
    /// such record.
    #[must_use]
    pub fn causes(&self, sequence: u64) -> Vec<&'t Record> {
        let mut chain = Vec::new();
        let mut next = self.trace.record(sequence);
        while let Some(record) = next {
            chain.push(record);
            // A cause is an earlier record; a value that is not ends the chain.
            let cause = record.cause.filter(|&cause| cause < record.sequence);
            next = cause.and_then(|cause| self.trace.record(cause));
        }
        chain.reverse();
        chain
    }
}

/// The roles of all nodes while the records are read in order. Every node starts as a follower.
#[derive(Debug)]
pub struct RoleTracker {
    roles: Vec<Role>,
}

impl RoleTracker {
    /// The roles before the first record.
    #[must_use]
    pub fn new(view: &TraceView<'_>) -> Self {
        Self { roles: vec![Role::Follower; view.nodes.len()] }
    }

    /// Reads the next record and returns the roles after it.
    pub fn after(&mut self, view: &TraceView<'_>, record: &Record) -> &[Role] {
        if let (Some(node), Some(state)) = (record.node, &record.state)
            && let Some(column) = view.column(node)
        {
            self.roles[column] = state.role;
        }
        &self.roles
    }
}

fn nodes_of(trace: &Trace) -> Vec<NodeId> {
    let mut nodes: BTreeSet<NodeId> = trace.header.nodes.iter().copied().collect();
    for record in &trace.records {
        nodes.extend(record.node);
        nodes.extend(record.message.iter().flat_map(|message| [message.from, message.to]));
    }
    nodes.into_iter().collect()
}

fn sections_of(trace: &Trace) -> Vec<SectionView<'_>> {
    let mut sections = vec![SectionView {
        number: None,
        title: &trace.header.title,
        description: "",
        uses: &[],
        tests: &[],
        records: 0..trace.records.len(),
    }];
    for (at, record) in trace.records.iter().enumerate() {
        if let RecordKind::Section { title, description, uses, tests } = &record.kind {
            if let Some(before) = sections.last_mut() {
                before.records.end = at;
            }
            let number = Some(sections.len() as u64);
            let records = at + 1..trace.records.len();
            sections.push(SectionView { number, title, description, uses, tests, records });
        }
    }
    if sections.len() > 1 && sections.first().is_some_and(|prelude| prelude.records.is_empty()) {
        sections.remove(0);
    }
    sections
}

fn paths_of(trace: &Trace) -> BTreeMap<u64, MessagePath> {
    let mut paths: BTreeMap<u64, MessagePath> = BTreeMap::new();
    for record in &trace.records {
        let Some(message) = &record.message else { continue };
        let path = paths.entry(message.id).or_default();
        if is_send(&record.kind) {
            path.sent.get_or_insert(record.sequence);
        } else if record.kind == RecordKind::MessageHandled {
            path.handled.get_or_insert(record.sequence);
        } else if matches!(record.kind, RecordKind::MessageLost { .. }) {
            path.lost.get_or_insert(record.sequence);
        }
    }
    paths
}

/// Whether a message is on the wire from this record on.
#[must_use]
pub fn is_send(kind: &RecordKind) -> bool {
    matches!(kind, RecordKind::MessageSent | RecordKind::MessageDuplicated { .. })
}
