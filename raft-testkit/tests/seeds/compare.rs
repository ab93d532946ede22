//! Compares the rows of a trace with recorded ones. They must be equal except for six rules.
//!
//! | rule | recorded rows | this engine |
//! | --- | --- | --- |
//! | D1 | a vote request has the term of the candidate as that of its last entry | has the true one |
//! | D2 | a follower ignores the commit index of an append with entries | uses it |
//! | D3, D5 | rows marked optional: sent twice; backing up one entry at a time | may be missing |
//! | D4 | some messages are handled without a row for their sending | every sending has a row |
//! | D6 | two events in one row; a change may be in a later row | one event in each row |

use std::collections::{BTreeMap, BTreeSet};

use raft_testkit::trace::event_table::{EventTable, Row};
use raft_testkit::trace::record::Trace;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    sections: Vec<ExpectedSection>,
}

#[derive(Deserialize)]
struct ExpectedSection {
    section: u64,
    rows: Vec<ExpectedRow>,
}

#[derive(Deserialize)]
struct ExpectedRow {
    roles: Vec<String>,
    events: Vec<ExpectedEvent>,
    #[serde(default)]
    optional: Option<String>,
}

#[derive(Deserialize, Clone)]
struct ExpectedEvent {
    node: u64,
    op: String,
    delta: String,
}

/// One event with the roles after it.
#[derive(Clone, Debug)]
struct Line {
    roles: Vec<String>,
    node: u64,
    op: String,
    /// The changes at the node of the event, and at nodes with a change but no event in the same row.
    deltas: Vec<(u64, String)>,
    optional: bool,
}

impl Line {
    /// The part that must be equal (rule D1).
    fn key(&self) -> (&[String], u64, String) {
        (&self.roles, self.node, without_last_term(&self.op))
    }
}

/// Panics with every difference that no rule explains.
pub(super) fn assert_same_rows(rows: &str, trace: &Trace) {
    let expected: Expected = serde_json::from_str(rows).expect("the rows are JSON");
    let table = EventTable::new(trace);
    let differences = differences(&expected, &table);
    assert!(differences.is_empty(), "{}:\n{}", table.scenario, differences.join("\n"));
}

fn differences(expected: &Expected, table: &EventTable) -> Vec<String> {
    if expected.sections.len() != table.sections.len() {
        return vec![format!("{} sections, not {}", table.sections.len(), expected.sections.len())];
    }
    let theirs: Vec<Vec<Line>> =
        expected.sections.iter().map(|section| expected_lines(&section.rows)).collect();
    let ours: Vec<Vec<Line>> =
        table.sections.iter().map(|section| our_lines(&section.rows)).collect();
    let mut unsent = count_unsent(theirs.iter().flatten());
    let mut down = BTreeSet::new();
    let (mut their_commits, mut our_commits) = (BTreeMap::new(), BTreeMap::new());
    let mut found = Vec::new();
    for (at, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        let number = expected.sections[at].section;
        let mut add = |difference: String| found.push(format!("section {number}: {difference}"));
        note_crashes(&mut down, ours);
        for difference in row_differences(theirs, ours, &mut unsent, &down) {
            add(difference);
        }
        for difference in change_differences(theirs, ours) {
            add(difference);
        }
        note_commits(&mut their_commits, theirs);
        note_commits(&mut our_commits, ours);
        for difference in commit_differences(&their_commits, &our_commits) {
            add(difference);
        }
    }
    found
}

/// Missing rows, and additional rows (rules D3 to D5).
fn row_differences(
    theirs: &[Line],
    ours: &[Line],
    unsent: &mut BTreeMap<(String, u64, Option<u64>), i64>,
    down: &BTreeSet<u64>,
) -> Vec<String> {
    let pairs = longest_common(theirs, ours);
    let (their_matched, our_matched): (BTreeSet<usize>, BTreeSet<usize>) =
        pairs.into_iter().unzip();
    let mut found = Vec::new();
    for (at, line) in theirs.iter().enumerate() {
        // Equal rows are interchangeable, so that one optional row excuses each of them.
        let excused = theirs.iter().any(|other| other.optional && other.key() == line.key());
        if !their_matched.contains(&at) && !excused {
            found.push(format!("missing: n{} {}", line.node, line.op));
        }
    }
    for (at, line) in ours.iter().enumerate() {
        if our_matched.contains(&at) {
            continue;
        }
        let explained = match Message::of(line) {
            Some(Message { what, from, to, handled: false }) => {
                let receiver = if what.starts_with("ae_reply") { None } else { to };
                let gap = unsent.entry((what, from, receiver)).or_default();
                *gap -= 1;
                *gap >= 0 || to.is_some_and(|to| down.contains(&to))
            }
            Some(_) | None => false,
        };
        if !explained {
            found.push(format!("additional: n{} {}", line.node, line.op));
        }
    }
    found
}

/// The changes at each node must be equal and in the same order, in whatever rows (rule D6). Commit
/// indexes are compared by `commit_differences` (rule D2).
fn change_differences(theirs: &[Line], ours: &[Line]) -> Vec<String> {
    let backs_up = theirs.iter().any(|line| line.optional && line.op.contains("ok-False"));
    let changes = |lines: &[Line], node: u64| -> Vec<String> {
        lines
            .iter()
            .flat_map(|line| &line.deltas)
            .filter(|(at, _)| *at == node)
            .flat_map(|(_, delta)| delta.split_whitespace())
            .filter(|change| !change.starts_with("ci-"))
            // Backing up one entry at a time shortens the log (rule D5).
            .filter(|&change| !(backs_up && change == "li-1"))
            .map(str::to_owned)
            .collect()
    };
    let nodes = theirs.first().map_or(0, |line| line.roles.len() as u64);
    (1..=nodes)
        .filter_map(|node| {
            let (want, got) = (changes(theirs, node), changes(ours, node));
            (want != got).then(|| format!("n{node} changes {got:?}, not {want:?}"))
        })
        .collect()
}

/// No node has committed less than recorded, and none more than the first node recorded (rule D2).
fn commit_differences(theirs: &BTreeMap<u64, u64>, ours: &BTreeMap<u64, u64>) -> Vec<String> {
    let top = theirs.values().copied().max().unwrap_or(0);
    let less = theirs.iter().filter(|(node, commit)| ours.get(node).unwrap_or(&0) < commit);
    let more = ours.iter().filter(|&(_, &commit)| commit > top);
    let less = less.map(|(node, commit)| format!("n{node} has committed less than {commit}"));
    less.chain(more.map(|(node, _)| format!("n{node} has committed more than {top}"))).collect()
}

/// For each kind of message, how many more are handled than sent (rule D4).
fn count_unsent<'a>(
    lines: impl Iterator<Item = &'a Line>,
) -> BTreeMap<(String, u64, Option<u64>), i64> {
    let mut excess = BTreeMap::new();
    for Message { what, from, to, handled } in lines.filter_map(Message::of) {
        let receiver = if what.starts_with("ae_reply") { None } else { to };
        *excess.entry((what, from, receiver)).or_insert(0) += if handled { 1 } else { -1 };
    }
    excess
}

/// The message of a row.
struct Message {
    /// Its kind and its fields.
    what: String,
    from: u64,
    /// The row of a sent response to an append does not have the receiver.
    to: Option<u64>,
    handled: bool,
}

impl Message {
    fn of(line: &Line) -> Option<Self> {
        let op = without_last_term(&line.op);
        if let Some(rest) = op.strip_prefix("N-") {
            let (from, what) = rest.split_once('+')?;
            let from = from.parse().ok()?;
            let handled = from != line.node;
            let to = handled.then_some(line.node);
            return Some(Self { what: what.to_owned(), from, to, handled });
        }
        let (kind, rest) = op.split_once("+N-")?;
        let (to, fields) = rest.split_once(' ').unwrap_or((rest, ""));
        let what = format!("{kind} {fields}");
        let to = to.parse().ok()?;
        Some(Self {
            what: what.trim_end().to_owned(),
            from: line.node,
            to: Some(to),
            handled: false,
        })
    }
}

/// The op without the term of the last entry, for a vote request (rule D1).
fn without_last_term(op: &str) -> String {
    match op.rsplit_once(" lt-") {
        Some((rest, _)) if op.contains("poll") => rest.to_owned(),
        _ => op.to_owned(),
    }
}

fn note_crashes(down: &mut BTreeSet<u64>, lines: &[Line]) {
    for line in lines {
        match line.op.as_str() {
            "CRASH" => drop(down.insert(line.node)),
            "RESTART" => drop(down.remove(&line.node)),
            _ => {}
        }
    }
}

fn note_commits(commits: &mut BTreeMap<u64, u64>, lines: &[Line]) {
    for (node, delta) in lines.iter().flat_map(|line| &line.deltas) {
        let commit = delta.split_whitespace().filter_map(|change| change.strip_prefix("ci-"));
        for commit in commit.filter_map(|commit| commit.parse().ok()) {
            commits.insert(*node, commit);
        }
    }
}

/// The pairs of positions of a longest common subsequence.
fn longest_common(theirs: &[Line], ours: &[Line]) -> Vec<(usize, usize)> {
    let mut longest = vec![vec![0_u32; ours.len() + 1]; theirs.len() + 1];
    for i in (0..theirs.len()).rev() {
        for j in (0..ours.len()).rev() {
            longest[i][j] = if theirs[i].key() == ours[j].key() {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < theirs.len() && j < ours.len() {
        if theirs[i].key() == ours[j].key() {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn expected_lines(rows: &[ExpectedRow]) -> Vec<Line> {
    let event = |event: &ExpectedEvent| (event.node, event.op.clone(), event.delta.clone());
    rows.iter()
        .flat_map(|row| {
            let events: Vec<_> = row.events.iter().map(event).collect();
            lines_of(&row.roles, &events, row.optional.is_some())
        })
        .collect()
}

fn our_lines(rows: &[Row]) -> Vec<Line> {
    rows.iter()
        .flat_map(|row| {
            let roles: Vec<String> = row.roles.iter().map(ToString::to_string).collect();
            let events: Vec<_> = row
                .events
                .iter()
                .map(|event| (event.node.get(), event.op.clone(), event.delta.clone()))
                .collect();
            lines_of(&roles, &events, false)
        })
        .collect()
}

/// One line for each event (rule D6). The starts of the nodes are one line.
fn lines_of(roles: &[String], events: &[(u64, String, String)], optional: bool) -> Vec<Line> {
    let bare = events.iter().filter(|(_, op, _)| op.is_empty());
    let bare: Vec<(u64, String)> = bare.map(|(node, _, delta)| (*node, delta.clone())).collect();
    let mut lines: Vec<Line> = Vec::new();
    for (node, op, delta) in events.iter().filter(|(_, op, _)| !op.is_empty()) {
        if op == "STARTED" && !lines.is_empty() {
            continue;
        }
        let mut deltas = vec![(*node, delta.clone())];
        deltas.extend(bare.iter().cloned());
        lines.push(Line { roles: roles.to_vec(), node: *node, op: op.clone(), deltas, optional });
    }
    lines
}

#[test]
fn the_comparison_finds_a_missing_row_a_wrong_role_and_a_wrong_change() {
    let row = |role: &str, op: &str, delta: &str| {
        let event = (1, op.to_owned(), delta.to_owned());
        lines_of(&[role.to_owned()], &[event], false).remove(0)
    };
    let theirs = [row("LEAD", "CMD START", ""), row("LEAD", "CMD DONE", "li-2")];
    let compare = |ours: &[Line]| {
        let mut found = row_differences(&theirs, ours, &mut BTreeMap::new(), &BTreeSet::new());
        found.extend(change_differences(&theirs, ours));
        found.len()
    };
    assert_eq!(compare(&theirs), 0);
    assert_eq!(compare(&theirs[..1]), 2, "the row and its change");
    assert_eq!(compare(&[row("FLWR", "CMD START", ""), theirs[1].clone()]), 2, "a changed role");
    assert_eq!(compare(&[theirs[0].clone(), row("LEAD", "CMD DONE", "li-3")]), 1);
    let again = [theirs[0].clone(), theirs[0].clone(), theirs[1].clone()];
    assert_eq!(compare(&again), 1, "additional");
}
