//! A trace as a PlantUML sequence diagram, with slanted arrows from sending to handling.

use std::fmt::Write as _;

use crate::trace::describe::{self, Category};
use crate::trace::record::{Record, RecordKind, Role};
use crate::trace::view::{SectionView, TraceView, is_send};

/// Renders every section.
#[must_use]
pub fn document(view: &TraceView<'_>) -> String {
    let mut out = open(view);
    for section in &view.sections {
        if section.number.is_some() {
            let _ = writeln!(out, "== {} ==", plain(section.title));
        }
        body(&mut out, view, section);
    }
    out + "@enduml\n"
}

/// Renders one section.
#[must_use]
pub fn diagram(view: &TraceView<'_>, section: &SectionView<'_>) -> String {
    let mut out = open(view);
    body(&mut out, view, section);
    out + "@enduml\n"
}

fn open(view: &TraceView<'_>) -> String {
    // Only the layout engine Teoz draws slanted arrows.
    let mut out = "@startuml\n!pragma teoz true\nhide footbox\n".to_owned();
    for &node in &view.nodes {
        let _ = writeln!(out, "participant {}", describe::node_name(node));
    }
    out
}

fn body(out: &mut String, view: &TraceView<'_>, section: &SectionView<'_>) {
    for record in view.records(section) {
        line(out, view, section, record);
    }
}

fn line(out: &mut String, view: &TraceView<'_>, section: &SectionView<'_>, record: &Record) {
    if let Some(message) = &record.message {
        let (from, to) = (describe::node_name(message.from), describe::node_name(message.to));
        let text = plain(&describe::message_label(message));
        // A message that was sent in an earlier section has no arrow here.
        let within = |sequence: Option<u64>| {
            let at = sequence.and_then(|sequence| usize::try_from(sequence).ok());
            at.is_some_and(|at| section.records.contains(&(at - 1)))
        };
        let path = view.message_path(message.id).cloned().unwrap_or_default();
        if is_send(&record.kind) {
            let _ = if path.handled.is_some() {
                writeln!(out, "{from} ->(15) {to} : {text}")
            } else if path.lost.is_some() {
                writeln!(out, "{from} ->x {to} : {text}")
            } else {
                writeln!(out, "{from} ->? : {text} to {to}")
            };
        } else if record.kind == RecordKind::MessageHandled && !within(path.sent) {
            let _ = writeln!(out, "?-> {to} : {text} from {from}");
        }
        return;
    }
    let Some(node) = record.node.map(describe::node_name) else {
        if let RecordKind::Note { text } = &record.kind {
            let _ = writeln!(out, "note across : {}", plain(text));
        }
        return;
    };
    match describe::category(&record.kind) {
        Category::Detail | Category::Message => {}
        Category::Role => {
            let role = record.state.as_ref().map_or(Role::Follower, |state| state.role);
            let text = plain(&describe::record(record));
            let _ = writeln!(out, "rnote over {node} {} : {text}", colour(role));
        }
        Category::Membership => {
            let text = plain(&describe::record(record));
            let _ = writeln!(out, "rnote over {node} #c5f1f5 : {text}");
        }
        Category::Fault | Category::Alarm => {
            let _ =
                writeln!(out, "hnote over {node} #f8d0cf : {}", plain(&describe::record(record)));
        }
        Category::Command | Category::Recovery | Category::Test => {
            let _ = writeln!(out, "note over {node} : {}", plain(&describe::record(record)));
        }
    }
}

const fn colour(role: Role) -> &'static str {
    match role {
        Role::Follower => "#d5dee8",
        Role::PreCandidate => "#fbe6c8",
        Role::Candidate => "#f6c887",
        Role::Leader => "#a6dfcf",
    }
}

/// Text with the syntax characters of PlantUML escaped.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => out.push(' '),
            '~' | '*' | '/' | '_' | '"' | '-' | '=' | '<' | '\\' if doubled(&out, letter) => {
                out.push('~');
                out.push(letter);
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Creole markup consists of doubled characters; tags and escapes start with a single one.
fn doubled(before: &str, letter: char) -> bool {
    matches!(letter, '<' | '\\' | '~') || before.ends_with(letter)
}
