//! A trace as a Mermaid sequence diagram. Mermaid draws level arrows, so a message stands where
//! it was handled, or where it was lost; one that is sent early and handled late says so.

use std::fmt::Write as _;

use super::super::reading::{Part, Reading};
use super::super::record::{Loss, MessageView, Record, RecordKind};
use super::super::words::{self, Class};

/// Draws every part.
#[must_use]
pub fn document(reading: &Reading<'_>) -> String {
    let mut out = open(reading);
    for part in &reading.parts {
        if let (Some(first), Some(last)) = (reading.nodes.first(), reading.nodes.last())
            && part.number.is_some()
        {
            let across = format!("{},{}", words::name(*first), words::name(*last));
            let _ = writeln!(out, "    Note over {across}: {}", plain(part.title));
        }
        body(&mut out, reading, part);
    }
    out
}

/// Draws one part.
#[must_use]
pub fn diagram(reading: &Reading<'_>, part: &Part<'_>) -> String {
    let mut out = open(reading);
    body(&mut out, reading, part);
    out
}

fn open(reading: &Reading<'_>) -> String {
    let mut out = "sequenceDiagram\n".to_owned();
    for &node in &reading.nodes {
        let _ = writeln!(out, "    participant {}", words::name(node));
    }
    out
}

fn body(out: &mut String, reading: &Reading<'_>, part: &Part<'_>) {
    for record in reading.records(part) {
        line(out, reading, record);
    }
}

fn line(out: &mut String, reading: &Reading<'_>, record: &Record) {
    if let Some(message) = &record.message {
        let text = plain(&words::short(message));
        let (from, to) = (words::name(message.from), words::name(message.to));
        if record.kind == RecordKind::MessageHandled {
            let late = if overtaken(reading, message) { " (late)" } else { "" };
            let _ = writeln!(out, "    {from}->>{to}: {text}{late}");
        } else if let RecordKind::MessageLost { why } = &record.kind
            && *why != Loss::SenderDown
        {
            let _ = writeln!(out, "    {from}-x{to}: {text}");
        }
        return;
    }
    let (Some(node), class) = (record.node, words::class(&record.kind)) else { return };
    if !matches!(class, Class::Detail | Class::Message) {
        let text = plain(&words::record(record));
        let _ = writeln!(out, "    Note over {}: {text}", words::name(node));
    }
}

/// Whether a message that left later on the same way was handled earlier.
fn overtaken(reading: &Reading<'_>, message: &MessageView) -> bool {
    let Some((sent, handled)) =
        reading.flight(message.id).and_then(|flight| flight.sent.zip(flight.handled))
    else {
        return false;
    };
    let between = |record: &&Record| record.sequence > sent && record.sequence < handled;
    let of_the_same_way = |record: &Record| {
        let other = record.message.as_ref();
        record.kind == RecordKind::MessageHandled
            && other.is_some_and(|other| {
                (other.from, other.to) == (message.from, message.to)
                    && reading.flight(other.id).is_some_and(|flight| flight.sent > Some(sent))
            })
    };
    let at = usize::try_from(sent).unwrap_or(usize::MAX);
    let until = usize::try_from(handled).unwrap_or(usize::MAX);
    let records = reading.trace.records.get(at..until).unwrap_or_default();
    records.iter().filter(between).any(of_the_same_way)
}

/// Text that Mermaid cannot take for syntax.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            letter if letter.is_control() => " ".to_owned(),
            '#' => "#35;".to_owned(),
            ';' => "#59;".to_owned(),
            '<' => "#lt;".to_owned(),
            '>' => "#gt;".to_owned(),
            letter => letter.to_string(),
        })
        .collect()
}
