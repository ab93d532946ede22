//! What a failing test prints: at most 40 lines that say what broke, how it came to it, how the
//! nodes stood, and how to see it again.

use std::collections::BTreeSet;

use super::reading::Reading;
use super::record::{Header, NodeState, Record, Trace};
use super::table::terminal::{WIDTH_MAX, clipped, excerpt};
use super::words::{self, Class};

/// How many lines a report has at most.
pub const LINES_MAX: usize = 40;

/// How many lines the witnesses, or the words of a single failure, may take.
const WITNESS_LINES_MAX: usize = 8;

/// How many nodes the table shows.
const NODES_MAX: usize = 9;

/// One side of a contradiction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Witness<'a> {
    /// What was seen.
    pub saw: &'a str,
    /// The record that it was seen at; `None` if it has no place in the trace.
    pub record: Option<u64>,
}

/// Draws the report: the rule that broke, the witnesses against each other, the records that led
/// to them, the nodes at the end, and the line that repeats the run.
#[must_use]
pub fn failure_report(
    header: &Header,
    records: &[Record],
    rule: &str,
    witnesses: &[Witness<'_>],
    replay_line: &str,
) -> String {
    let trace = Trace { header: header.clone(), records: records.to_vec() };
    let reading = Reading::of(&trace);
    let mut lines = vec![format!("BROKEN: {rule}"), scenario_line(header)];
    lines.extend(witness_lines(witnesses));
    let nodes = node_lines(&reading);
    let replay = format!("again: {replay_line}");
    // Two headings, the report's last line, and a line for what the slice leaves out.
    let room = LINES_MAX.saturating_sub(lines.len() + nodes.len() + 4);
    let slice = slice(&reading, witnesses);
    lines.push(format!("how it came to this, {} of {} records:", slice.len(), records.len()));
    let left_out = slice.len().saturating_sub(room);
    if left_out > 0 {
        lines.push(format!("  ... {left_out} earlier ones left out"));
    }
    let kept = slice.get(left_out..).unwrap_or_default();
    lines.extend(excerpt(kept, WIDTH_MAX - 2).iter().map(|line| format!("  {line}")));
    lines.push("the nodes at the end:".to_owned());
    lines.extend(nodes);
    lines.push(replay);
    let clipped: Vec<String> = lines.iter().map(|line| clipped(line, WIDTH_MAX)).collect();
    clipped.join("\n") + "\n"
}

fn scenario_line(header: &Header) -> String {
    let title =
        if header.title.is_empty() { String::new() } else { format!(" ({})", header.title) };
    format!("in {}{title}, seed {}", header.scenario, header.seed)
}

fn witness_lines(witnesses: &[Witness<'_>]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for witness in witnesses {
        let mark = witness.record.map_or_else(String::new, |record| format!("#{record} "));
        let said = witness.saw.lines().enumerate();
        lines.extend(said.map(|(at, line)| {
            if at == 0 { format!("  {mark}{line}") } else { format!("    {line}") }
        }));
    }
    lines.truncate(WITNESS_LINES_MAX);
    lines
}

/// The witnesses' chains of causes, with what befell the nodes on them.
fn slice<'t>(reading: &Reading<'t>, witnesses: &[Witness<'_>]) -> Vec<&'t Record> {
    let records = &reading.trace.records;
    let last = records.last().map(|record| record.sequence);
    let roots = witnesses.iter().filter_map(|witness| witness.record).chain(last);
    let mut chosen: BTreeSet<u64> = BTreeSet::new();
    for root in roots {
        chosen.extend(reading.causes(root).iter().map(|record| record.sequence));
    }
    let until = chosen.last().copied().unwrap_or(0);
    let on_the_way: BTreeSet<_> =
        chosen.iter().filter_map(|&number| reading.trace.record(number)?.node).collect();
    let befell = records.iter().filter(|record| {
        record.sequence <= until
            && record.message.is_none()
            && record.node.is_some_and(|node| on_the_way.contains(&node))
            && matches!(
                words::class(&record.kind),
                Class::Role | Class::Fault | Class::Recovery | Class::Alarm
            )
    });
    chosen.extend(befell.map(|record| record.sequence));
    chosen.into_iter().filter_map(|number| reading.trace.record(number)).collect()
}

fn node_lines(reading: &Reading<'_>) -> Vec<String> {
    let states = reading.states_at(u64::MAX);
    let mut lines = vec![format!(
        "  {:<5} {:<13} {:>5} {:>5} {:>9} {:>8} {:>7} {:>8}",
        "node", "role", "term", "vote", "last", "durable", "commit", "applied"
    )];
    for (node, state) in reading.nodes.iter().zip(&states).take(NODES_MAX) {
        lines.push(match state {
            Some(state) => format!("  {:<5} {}", words::name(*node), node_cells(state)),
            None => format!("  {:<5} never heard of", words::name(*node)),
        });
    }
    if reading.nodes.len() > NODES_MAX {
        lines.push(format!("  and {} more", reading.nodes.len() - NODES_MAX));
    }
    lines
}

fn node_cells(state: &NodeState) -> String {
    let role = match words::liveness(state.liveness) {
        "up" => words::role(state.role),
        other => other,
    };
    let vote = state.voted_for.map_or_else(|| "-".to_owned(), words::name);
    format!(
        "{role:<13} {:>5} {vote:>5} {:>9} {:>8} {:>7} {:>8}",
        state.term.get(),
        words::log_id(state.last),
        state.persisted.get(),
        state.commit.get(),
        state.applied.get()
    )
}
