//! The difference between two traces: what happened, whatever its number and its time.

use std::fmt::Write as _;

use super::describe::{self, clip};
use super::record::{Record, Trace};
use super::table::terminal::WIDTH_MAX;

/// The number of equal records around a difference.
const CONTEXT: usize = 3;

/// The most pairs of records that are compared where the traces differ. Beyond it the whole rest is
/// shown as different.
const PAIRS_MAX: usize = 16_000_000;

/// The result of a comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceDiff {
    /// Whether the same things happened in the same order.
    pub equal: bool,
    /// The hunks: lines with `-` are in the first trace only, lines with `+` in the second only.
    pub text: String,
}

/// Compares two traces.
#[must_use]
pub fn compare(a: &Trace, b: &Trace) -> TraceDiff {
    let (left, right) = (record_lines(a), record_lines(b));
    if left == right {
        let text = format!("the traces are the same: {} records\n", left.len());
        return TraceDiff { equal: true, text };
    }
    let steps = align(&left, &right);
    let mut text = format!("--- {}, {} records\n", a.header.scenario, left.len());
    let _ = writeln!(text, "+++ {}, {} records", b.header.scenario, right.len());
    write_hunks(&mut text, &steps, &left, &right);
    TraceDiff { equal: false, text }
}

/// What is compared of a record: everything but its number and its time.
fn record_lines(trace: &Trace) -> Vec<String> {
    trace.records.iter().map(record_line).collect()
}

fn record_line(record: &Record) -> String {
    let node = record.node.map_or_else(String::new, describe::node_name);
    let state = record.state.as_ref().map_or_else(String::new, |state| {
        format!(
            " [{} term {}, last {}, commit {}, applied {}]",
            describe::role(state.role),
            state.term,
            describe::log_id(state.last),
            state.commit,
            state.applied
        )
    });
    format!("{node:>4} {}{state}", describe::record(record))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Both(usize, usize),
    Left(usize),
    Right(usize),
}

fn align(left: &[String], right: &[String]) -> Vec<Step> {
    let shorter = left.len().min(right.len());
    let head = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let tail = left.iter().rev().zip(right.iter().rev()).take(shorter - head);
    let tail = tail.take_while(|(a, b)| a == b).count();
    let (left_end, right_end) = (left.len() - tail, right.len() - tail);
    let mut steps: Vec<Step> = (0..head).map(|at| Step::Both(at, at)).collect();
    align_middle(&mut steps, &left[..left_end], &right[..right_end], head);
    steps.extend((0..tail).map(|at| Step::Both(left_end + at, right_end + at)));
    steps
}

/// The longest common subsequence between the equal beginning and the equal end.
fn align_middle(steps: &mut Vec<Step>, left: &[String], right: &[String], head: usize) {
    let (rows, columns) = (left.len() - head, right.len() - head);
    if rows.saturating_mul(columns) > PAIRS_MAX {
        steps.extend((head..left.len()).map(Step::Left));
        steps.extend((head..right.len()).map(Step::Right));
        return;
    }
    let width = columns + 1;
    let mut best = vec![0_u32; (rows + 1) * width];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            best[row * width + column] = if left[head + row] == right[head + column] {
                best[(row + 1) * width + column + 1] + 1
            } else {
                best[(row + 1) * width + column].max(best[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < rows && column < columns {
        if left[head + row] == right[head + column] {
            steps.push(Step::Both(head + row, head + column));
            (row, column) = (row + 1, column + 1);
        } else if best[(row + 1) * width + column] >= best[row * width + column + 1] {
            steps.push(Step::Left(head + row));
            row += 1;
        } else {
            steps.push(Step::Right(head + column));
            column += 1;
        }
    }
    steps.extend((head + row..left.len()).map(Step::Left));
    steps.extend((head + column..right.len()).map(Step::Right));
}

fn write_hunks(text: &mut String, steps: &[Step], left: &[String], right: &[String]) {
    let differs = |step: &Step| !matches!(step, Step::Both(..));
    let mut shown_until = 0;
    for (at, step) in steps.iter().enumerate() {
        let from = at.saturating_sub(CONTEXT);
        let near = &steps[from..(at + CONTEXT + 1).min(steps.len())];
        if !near.iter().any(differs) {
            continue;
        }
        if at > shown_until || at == 0 {
            let (a, b) = hunk_position(&steps[at..]);
            let _ = writeln!(text, "@@ record {a} | record {b} @@");
        }
        shown_until = at + 1;
        let (sign, line) = match *step {
            Step::Both(a, _) => (' ', &left[a]),
            Step::Left(a) => ('-', &left[a]),
            Step::Right(b) => ('+', &right[b]),
        };
        let _ = writeln!(text, "{sign}{}", clip(line, WIDTH_MAX - 1));
    }
}

/// The numbers of the records at which a hunk begins.
fn hunk_position(steps: &[Step]) -> (String, String) {
    let number = |at: Option<usize>| at.map_or_else(|| "-".to_owned(), |at| (at + 1).to_string());
    let left = steps.iter().find_map(|step| match *step {
        Step::Both(a, _) | Step::Left(a) => Some(a),
        Step::Right(_) => None,
    });
    let right = steps.iter().find_map(|step| match *step {
        Step::Both(_, b) | Step::Right(b) => Some(b),
        Step::Left(_) => None,
    });
    (number(left), number(right))
}
