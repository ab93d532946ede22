//! A trace for terminals: one line for each record with the states of all nodes, at most 120
//! columns.

use std::fmt::Write as _;

use crate::trace::describe::{self, Category, clip};
use crate::trace::record::{Liveness, NodeState, Record, RecordKind, Role, Side};
use crate::trace::view::TraceView;

/// The most columns of a line.
pub const WIDTH_MAX: usize = 120;

/// The least width of the text of a record.
const TEXT_MIN: usize = 44;

/// Options of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Colours for roles and faults (ANSI escapes).
    pub colours: bool,
    /// Disk writes, timers and applied entries too.
    pub details: bool,
}

/// Renders the whole trace.
#[must_use]
pub fn table(view: &TraceView<'_>, options: Options) -> String {
    let layout = Layout::of(view);
    let mut out = layout.head(view);
    let mut states: Vec<Option<&NodeState>> = vec![None; view.nodes.len()];
    for record in &view.trace.records {
        layout.record(&mut out, view, record, &mut states, options);
    }
    out.push_str(LEGEND);
    out
}

/// Renders these records, one line each.
#[must_use]
pub fn record_lines(records: &[&Record], width_max: usize) -> Vec<String> {
    let digits = records.last().map_or(1, |record| record.sequence.to_string().len()).max(2);
    let line = |record: &&Record| {
        let node = record.node.map_or_else(String::new, describe::node_name);
        let text = format!("#{:<digits$} {node:>4} {}", record.sequence, describe::record(record));
        clip(&text, width_max)
    };
    records.iter().map(line).collect()
}

const LEGEND: &str = "
F follower, P pre-candidate, C candidate, L leader, x down or halted, b blocked, ~ in a minority;
then term, last index/commit index: L2 7/5
";

struct Layout {
    digits: usize,
    cell: usize,
    /// The number of nodes with a cell; there is no room for the others.
    shown: usize,
    text: usize,
}

impl Layout {
    fn of(view: &TraceView<'_>) -> Self {
        let digits = view.trace.records.len().to_string().len().max(2);
        let widest = view.trace.records.iter().filter_map(|record| record.state.as_ref());
        let cell = widest.map(|state| cell(state).chars().count()).max().unwrap_or(0).max(4);
        // The number and the node, with a space after each.
        let left = digits + 1 + 4 + 1;
        let room = WIDTH_MAX.saturating_sub(left + TEXT_MIN);
        let shown = (room / (cell + 3)).min(view.nodes.len());
        let text = WIDTH_MAX - left - shown * (cell + 3);
        Self { digits, cell, shown, text }
    }

    fn head(&self, view: &TraceView<'_>) -> String {
        let mut line = format!("{:>1$} node event", "#", self.digits);
        line = format!("{line:<width$}", width = self.digits + 6 + self.text);
        for &node in view.nodes.iter().take(self.shown) {
            let _ = write!(line, " | {:<1$}", describe::node_name(node), self.cell);
        }
        line.trim_end().to_owned() + "\n"
    }

    fn record<'t>(
        &self,
        out: &mut String,
        view: &TraceView<'_>,
        record: &'t Record,
        states: &mut [Option<&'t NodeState>],
        options: Options,
    ) {
        if let RecordKind::Section { title, .. } = &record.kind {
            let title = clip(&format!("--- {title} "), WIDTH_MAX);
            let _ = writeln!(out, "\n{title:-<WIDTH_MAX$}");
            return;
        }
        let mine = record.node.and_then(|node| view.column(node));
        if let (Some(column), Some(state)) = (mine, &record.state) {
            states[column] = Some(state);
        }
        let class = describe::category(&record.kind);
        if class == Category::Detail && !options.details {
            return;
        }
        let node = record.node.map_or_else(String::new, describe::node_name);
        let text = clip(&describe::record(record), self.text);
        let text = format!("{text:<width$}", width = self.text);
        let text = if options.colours { coloured(&text, colour_of(class)) } else { text };
        let mut line = format!("{:>1$} {node:<4} {text}", record.sequence, self.digits);
        for (column, state) in states.iter().enumerate().take(self.shown) {
            let cell = state.map(cell).unwrap_or_default();
            let cell = format!("{cell:<width$}", width = self.cell);
            let role = state.map(role_colour).filter(|_| options.colours);
            let cell = role.map_or_else(|| cell.clone(), |colour| coloured(&cell, colour));
            let bar = if mine == Some(column) { ">" } else { "|" };
            let _ = write!(line, " {bar} {cell}");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn cell(state: &NodeState) -> String {
    let role = match (state.liveness, state.role) {
        (Liveness::Down | Liveness::Halted, _) => 'x',
        (Liveness::Blocked, _) => 'b',
        (Liveness::Up, Role::Follower) => 'F',
        (Liveness::Up, Role::PreCandidate) => 'P',
        (Liveness::Up, Role::Candidate) => 'C',
        (Liveness::Up, Role::Leader) => 'L',
    };
    let side = if state.side == Side::Minority { "~" } else { "" };
    format!("{role}{} {}/{}{side}", state.term, state.last.index, state.commit)
}

const fn role_colour(state: &NodeState) -> &'static str {
    match (state.liveness, state.role) {
        (Liveness::Down | Liveness::Halted, _) => "31",
        (_, Role::Follower) => "36",
        (_, Role::PreCandidate | Role::Candidate) => "33",
        (_, Role::Leader) => "1;32",
    }
}

const fn colour_of(class: Category) -> &'static str {
    match class {
        Category::Message => "0",
        Category::Role => "1",
        Category::Membership => "36",
        Category::Command => "35",
        Category::Fault => "31",
        Category::Recovery => "32",
        Category::Alarm => "1;31",
        Category::Test => "34",
        Category::Detail => "2",
    }
}

fn coloured(text: &str, colour: &str) -> String {
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}
