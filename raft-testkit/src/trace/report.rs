//! The report of a failed test, in at most 40 lines: what failed, the records that caused it, the
//! states of the nodes, and the command that repeats the run.

use std::collections::BTreeSet;

use super::describe::{self, Category, clip};
use super::record::{Header, NodeState, Record, RecordKind, Trace};
use super::table::terminal::{WIDTH_MAX, record_lines};
use super::view::TraceView;

/// The most lines of a report.
pub const LINES_MAX: usize = 40;

/// The most lines of the observations.
const OBSERVATION_LINES_MAX: usize = 8;

/// The most lines about what the nodes wait for.
const WAITING_LINES_MAX: usize = 12;

/// The most nodes in the table.
const NODES_MAX: usize = 9;

/// One of two observations that contradict each other, or the description of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observation<'a> {
    /// What was observed.
    pub text: &'a str,
    /// The record of the observation; `None` if it has none.
    pub record: Option<u64>,
}

/// Renders the report: the violated rule or the failed expectation, the observations, the records
/// that caused them, the states of the nodes at the end, what they wait for (as many of the lines
/// `waiting` as there is room for), and the command that repeats the run.
#[must_use]
pub fn failure_report(
    header: &Header,
    records: &[Record],
    rule: &str,
    observations: &[Observation<'_>],
    waiting: &[String],
    repeat_command: &str,
) -> String {
    let trace = Trace { header: header.clone(), records: records.to_vec() };
    let view = TraceView::new(&trace);
    let mut lines = vec![format!("FAILED: {rule}"), scenario_line(header)];
    lines.extend(observation_lines(observations));
    let mut nodes = node_lines(&view);
    nodes.extend(waiting_lines(waiting));
    let repeat = format!("repeat with: {repeat_command}");
    // Two headings, the last line of the report, and the line for records that are left out.
    let room = LINES_MAX.saturating_sub(lines.len() + nodes.len() + 4);
    let chosen = causal_records(&view, observations);
    lines.push(format!("causes, {} of {} records:", chosen.len(), records.len()));
    let left_out = chosen.len().saturating_sub(room);
    if left_out > 0 {
        lines.push(format!("  ... {left_out} earlier records are left out"));
    }
    let kept = chosen.get(left_out..).unwrap_or_default();
    lines.extend(record_lines(kept, WIDTH_MAX - 2).iter().map(|line| format!("  {line}")));
    lines.push("nodes at the end:".to_owned());
    lines.extend(nodes);
    lines.push(repeat);
    let clipped: Vec<String> = lines.iter().map(|line| clip(line, WIDTH_MAX)).collect();
    clipped.join("\n") + "\n"
}

fn scenario_line(header: &Header) -> String {
    let title =
        if header.title.is_empty() { String::new() } else { format!(" ({})", header.title) };
    format!("scenario: {}{title}, seed {}", header.scenario, header.seed)
}

fn observation_lines(observations: &[Observation<'_>]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for observation in observations {
        let mark = observation.record.map_or_else(String::new, |record| format!("#{record} "));
        let lines_of_text = observation.text.lines().enumerate();
        lines.extend(lines_of_text.map(|(at, line)| {
            if at == 0 { format!("  {mark}{line}") } else { format!("    {line}") }
        }));
    }
    lines.truncate(OBSERVATION_LINES_MAX);
    lines
}

/// The chains of causes of the observations, and the faults and role changes of the nodes in them.
fn causal_records<'t>(view: &TraceView<'t>, observations: &[Observation<'_>]) -> Vec<&'t Record> {
    let records = &view.trace.records;
    // The observations are the violation in full.
    let is_violation = |record: &Record| matches!(record.kind, RecordKind::Violation { .. });
    let last = records.iter().rev().find(|record| !is_violation(record));
    let last = last.map(|record| record.sequence);
    let roots = observations.iter().filter_map(|observation| observation.record).chain(last);
    let mut chosen: BTreeSet<u64> = BTreeSet::new();
    for root in roots {
        chosen.extend(view.causes(root).iter().map(|record| record.sequence));
    }
    let until = chosen.last().copied().unwrap_or(0);
    let nodes_involved: BTreeSet<_> =
        chosen.iter().filter_map(|&number| view.trace.record(number)?.node).collect();
    let node_events = records.iter().filter(|record| {
        record.sequence <= until
            && record.message.is_none()
            && !is_violation(record)
            && record.node.is_some_and(|node| nodes_involved.contains(&node))
            && matches!(
                describe::category(&record.kind),
                Category::Role
                    | Category::Membership
                    | Category::Fault
                    | Category::Recovery
                    | Category::Alarm
            )
    });
    chosen.extend(node_events.map(|record| record.sequence));
    chosen.into_iter().filter_map(|number| view.trace.record(number)).collect()
}

fn node_lines(view: &TraceView<'_>) -> Vec<String> {
    let states = view.states_at(u64::MAX);
    let mut lines = vec![format!(
        "  {:<5} {:<13} {:>5} {:>5} {:>9} {:>8} {:>7} {:>8}",
        "node", "role", "term", "vote", "last", "durable", "commit", "applied"
    )];
    for (node, state) in view.nodes.iter().zip(&states).take(NODES_MAX) {
        lines.push(match state {
            Some(state) => format!("  {:<5} {}", describe::node_name(*node), node_cells(state)),
            None => format!("  {:<5} no record", describe::node_name(*node)),
        });
    }
    if view.nodes.len() > NODES_MAX {
        lines.push(format!("  and {} more", view.nodes.len() - NODES_MAX));
    }
    lines
}

fn waiting_lines(waiting: &[String]) -> Vec<String> {
    if waiting.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["what the nodes wait for:".to_owned()];
    let wrapped: Vec<String> = waiting.iter().flat_map(|line| wrap(line)).collect();
    lines.extend(wrapped.iter().take(WAITING_LINES_MAX).map(|line| format!("  {line}")));
    let left_out = wrapped.len().saturating_sub(WAITING_LINES_MAX);
    if left_out > 0 {
        lines.push(format!("  ... {left_out} more lines"));
    }
    lines
}

/// A line in parts that fit, broken at spaces. The parts after the first are indented.
fn wrap(line: &str) -> Vec<String> {
    const INDENT: &str = "      ";
    let mut parts = Vec::new();
    let indented = &line[line.len() - line.trim_start().len()..];
    let mut part = line[..line.len() - line.trim_start().len()].to_owned();
    for word in indented.split(' ') {
        if !part.trim().is_empty() && part.len() + word.len() + 1 > WIDTH_MAX - 2 {
            parts.push(std::mem::replace(&mut part, INDENT.to_owned()));
        }
        if !part.trim().is_empty() {
            part.push(' ');
        }
        part.push_str(word);
    }
    parts.push(part);
    parts
}

fn node_cells(state: &NodeState) -> String {
    let role = match describe::liveness(state.liveness) {
        "up" => describe::role(state.role),
        other => other,
    };
    let vote = state.voted_for.map_or_else(|| "-".to_owned(), describe::node_name);
    format!(
        "{role:<13} {:>5} {vote:>5} {:>9} {:>8} {:>7} {:>8}",
        state.term.get(),
        describe::log_id(state.last),
        state.persisted.get(),
        state.commit.get(),
        state.applied.get()
    )
}
