//! The facts of a trace: sections of rows, one thing that happened at one node a row, with every
//! node's role after it. Tables are drawn from them, and they are compared with golden ones.

use std::fmt::Write as _;

use raft_core::{LogId, LogIndex, NodeId, Term};
use serde::{Deserialize, Serialize};

use super::notation;
use super::record::{Liveness, NodeState, Record, RecordKind, Role, Side, Trace};
use super::view::{RoleTracker, SectionView, TraceView};

/// What happened, section by section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventTable {
    /// The scenario's name.
    pub scenario: String,
    /// Its sections.
    pub sections: Vec<TableSection>,
}

/// A section of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableSection {
    /// Its number, from 1.
    pub section: u64,
    /// Its title.
    pub title: String,
    /// What happened in it.
    pub rows: Vec<Row>,
}

/// One thing that happened; only the start of several nodes shares a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The record that it shows, for links; not section of the facts.
    #[serde(skip)]
    pub sequence: u64,
    /// Every node's role after it, in the order of the nodes.
    pub roles: Vec<String>,
    /// What happened, and where.
    pub events: Vec<Event>,
}

/// What a row says of one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Which node.
    pub node: NodeId,
    /// What happened, in the notation of [`notation`].
    pub op: String,
    /// What changed there since its last row.
    pub delta: String,
}

impl EventTable {
    /// Draws the facts from a trace.
    ///
    /// The start of the nodes is a row where it lies within a section; before the first section
    /// it goes without saying.
    #[must_use]
    pub fn new(trace: &Trace) -> Self {
        Self::from_view(&TraceView::new(trace))
    }

    /// Draws the facts from a trace that was read through.
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

    /// The facts as JSON, one row a line.
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
    /// Each node's state at its last row.
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
                // A node that came up without a row changes from there on.
                self.previous[column].get_or_insert(state);
                continue;
            };
            let before = self.previous[column].replace(state).unwrap_or(&ORIGIN);
            // What happened between sections is the set-up of the next one.
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

/// A node before its first record.
const ORIGIN: NodeState = NodeState {
    liveness: Liveness::Up,
    side: Side::Majority,
    role: Role::Follower,
    term: Term(0),
    voted_for: None,
    leader: None,
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
