//! A trace as a PlantUML sequence diagram: messages slanted from sending to handling, lost ones
//! broken off.

use std::fmt::Write as _;

use super::super::reading::{Part, Reading, is_sending};
use super::super::record::{Record, RecordKind, Role};
use super::super::words::{self, Class};

/// Draws every part.
#[must_use]
pub fn document(reading: &Reading<'_>) -> String {
    let mut out = open(reading);
    for part in &reading.parts {
        if part.number.is_some() {
            let _ = writeln!(out, "== {} ==", plain(part.title));
        }
        body(&mut out, reading, part);
    }
    out + "@enduml\n"
}

/// Draws one part.
#[must_use]
pub fn diagram(reading: &Reading<'_>, part: &Part<'_>) -> String {
    let mut out = open(reading);
    body(&mut out, reading, part);
    out + "@enduml\n"
}

fn open(reading: &Reading<'_>) -> String {
    // Teoz is the layout engine of PlantUML that can tie the two ends of a slanted arrow.
    let mut out = "@startuml\n!pragma teoz true\nhide footbox\n".to_owned();
    for &node in &reading.nodes {
        let _ = writeln!(out, "participant {}", words::name(node));
    }
    out
}

fn body(out: &mut String, reading: &Reading<'_>, part: &Part<'_>) {
    for record in reading.records(part) {
        line(out, reading, part, record);
    }
}

fn line(out: &mut String, reading: &Reading<'_>, part: &Part<'_>, record: &Record) {
    if let Some(message) = &record.message {
        let (from, to) = (words::name(message.from), words::name(message.to));
        let text = plain(&words::short(message));
        // What was sent in an earlier section has no anchor here.
        let within = |sequence: Option<u64>| {
            let at = sequence.and_then(|sequence| usize::try_from(sequence).ok());
            at.is_some_and(|at| part.records.contains(&(at - 1)))
        };
        let flight = reading.flight(message.id).cloned().unwrap_or_default();
        if is_sending(&record.kind) {
            let _ = if flight.handled.is_some() {
                writeln!(out, "{from} ->(15) {to} : {text}")
            } else if flight.lost.is_some() {
                writeln!(out, "{from} ->x {to} : {text}")
            } else {
                writeln!(out, "{from} ->? : {text} to {to}")
            };
        } else if record.kind == RecordKind::MessageHandled && !within(flight.sent) {
            let _ = writeln!(out, "?-> {to} : {text} from {from}");
        }
        return;
    }
    let Some(node) = record.node.map(words::name) else {
        if let RecordKind::Note { text } = &record.kind {
            let _ = writeln!(out, "note across : {}", plain(text));
        }
        return;
    };
    match words::class(&record.kind) {
        Class::Detail | Class::Message => {}
        Class::Role => {
            let role = record.state.as_ref().map_or(Role::Follower, |state| state.role);
            let text = plain(&words::record(record));
            let _ = writeln!(out, "rnote over {node} {} : {text}", colour(role));
        }
        Class::Fault | Class::Alarm => {
            let _ = writeln!(out, "hnote over {node} #f8d0cf : {}", plain(&words::record(record)));
        }
        Class::Command | Class::Recovery | Class::Test => {
            let _ = writeln!(out, "note over {node} : {}", plain(&words::record(record)));
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

/// Text that PlantUML cannot take for syntax: one line, no markup.
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

/// Creole markup is made of doubled signs; a tag and an escape of single ones.
fn doubled(before: &str, letter: char) -> bool {
    matches!(letter, '<' | '\\' | '~') || before.ends_with(letter)
}
