//! The events of a trace as rows in sections: one event at one node in each row, with the role of
//! every node after it. Tables are rendered from it, and golden rows are compared with it.

use std::fmt::Write as _;

use raft_core::{LogId, LogIndex, NodeId, Term};
use serde::{Deserialize, Serialize};

use super::notation;
use super::record::{Liveness, NodeState, Record, RecordKind, Role, Side, Trace};
use super::view::{RoleTracker, SectionView, TraceView};

/// The rows of a trace, section by section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventTable {
    /// The name of the scenario.
    pub scenario: String,
    /// The sections.
    pub sections: Vec<TableSection>,
}

/// A section of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableSection {
    /// Its number, from 1.
    pub section: u64,
    /// Its title.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// An event at one node. Only the starts of several nodes share a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The number of the record, for links; not written to JSON.
    #[serde(skip)]
    pub sequence: u64,
    /// The role of every node after the event, in the order of the nodes.
    pub roles: Vec<String>,
    /// The event at each node concerned.
    pub events: Vec<Event>,
}

/// An event at a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The node.
    pub node: NodeId,
    /// The event, in the notation of [`notation`].
    pub op: String,
    /// What changed at the node since its last row.
    pub delta: String,
}

impl EventTable {
    /// The events of a trace.
    ///
    /// The starts of the nodes are a row inside a section. Before the first section they are left
    /// out.
    #[must_use]
    pub fn new(trace: &Trace) -> Self {
        Self::from_view(&TraceView::new(trace))
    }

    /// The events of an indexed trace.
    #[must_use]
    pub fn from_view(view: &TraceView<'_>) -> Self {
        let mut builder = RowBuilder {
            view,
            roles: RoleTracker::new(view),
            previous: vec![None; view.nodes.len()],
        };
        let mut sections: Vec<TableSection> = Vec::new();
        for section in &view.sections {
            let rows = builder.rows(section);
            if section.number.is_none() && view.sections.len() > 1 && rows.iter().all(is_start) {
                continue;
            }
            let number = sections.len() as u64 + 1;
            sections.push(TableSection { section: number, title: section.title.to_owned(), rows });
        }
        Self { scenario: view.trace.header.scenario.clone(), sections }
    }

    /// The table as JSON, one row on each line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"scenario\": {}, \"sections\": [", quoted(&self.scenario));
        for (at, section) in self.sections.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let title = quoted(&section.title);
            let _ = write!(
                out,
                "{comma}\n {{\"section\": {}, \"title\": {title}, \"rows\": [",
                section.section
            );
            for (at, row) in section.rows.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(out, "{comma}\n  {}", row_json(row));
            }
            out.push_str("]}");
        }
        out.push_str("]}\n");
        out
    }
}

struct RowBuilder<'r, 't> {
    view: &'r TraceView<'t>,
    roles: RoleTracker,
    /// The state of each node at its last row.
    previous: Vec<Option<&'t NodeState>>,
}

impl<'t> RowBuilder<'_, 't> {
    fn rows(&mut self, section: &SectionView<'_>) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for record in self.view.records(section) {
            let roles: Vec<String> = self
                .roles
                .after(self.view, record)
                .iter()
                .map(|&role| notation::role(role).to_owned())
                .collect();
            let Some((column, state)) = self.column_and_state(record) else { continue };
            let Some((op, node)) = notation::op(record).zip(record.node) else {
                // The changes of a node that started without a row count from here.
                self.previous[column].get_or_insert(state);
                continue;
            };
            let before = self.previous[column].replace(state).unwrap_or(&ORIGIN);
            // Changes between two sections are part of the set-up of the second.
            let delta =
                if rows.is_empty() { String::new() } else { notation::delta(before, state) };
            let event = Event { node, op, delta };
            match rows.last_mut() {
                Some(row) if record.kind == RecordKind::Started && is_start(row) => {
                    row.roles = roles;
                    row.events.push(event);
                }
                _ => rows.push(Row { sequence: record.sequence, roles, events: vec![event] }),
            }
        }
        rows
    }

    fn column_and_state(&self, record: &'t Record) -> Option<(usize, &'t NodeState)> {
        Some((self.view.column(record.node?)?, record.state.as_ref()?))
    }
}

/// The state of a node before its first record.
const ORIGIN: NodeState = NodeState {
    liveness: Liveness::Up,
    side: Side::Majority,
    role: Role::Follower,
    term: Term(0),
    voted_for: None,
    leader: None,
    transfer_target: None,
    lease_end: None,
    base: LogIndex::ZERO,
    last: LogId::ORIGIN,
    persisted: LogIndex::ZERO,
    commit: LogIndex::ZERO,
    applied: LogIndex::ZERO,
    apply_failed_at: None,
};

fn is_start(row: &Row) -> bool {
    row.events.iter().all(|event| event.op == "STARTED")
}

fn row_json(row: &Row) -> String {
    let roles: Vec<String> = row.roles.iter().map(|role| quoted(role)).collect();
    let events: Vec<String> = row
        .events
        .iter()
        .map(|event| {
            let (op, delta) = (quoted(&event.op), quoted(&event.delta));
            format!("{{\"node\": {}, \"op\": {op}, \"delta\": {delta}}}", event.node)
        })
        .collect();
    format!("{{\"roles\": [{}], \"events\": [{}]}}", roles.join(", "), events.join(", "))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
