//! A trace as a Mermaid sequence diagram. Mermaid draws horizontal arrows, so a message is drawn
//! where it is handled or lost. A message that a later one overtook is marked `(late)`.

use std::fmt::Write as _;

use crate::trace::describe::{self, Category};
use crate::trace::record::{Loss, MessageView, Record, RecordKind};
use crate::trace::view::{SectionView, TraceView};

/// Renders every section.
#[must_use]
pub fn document(view: &TraceView<'_>) -> String {
    let mut out = open(view);
    for section in &view.sections {
        if let (Some(first), Some(last)) = (view.nodes.first(), view.nodes.last())
            && section.number.is_some()
        {
            let across = format!("{},{}", describe::node_name(*first), describe::node_name(*last));
            let _ = writeln!(out, "    Note over {across}: {}", plain(section.title));
        }
        body(&mut out, view, section);
    }
    out
}

/// Renders one section.
#[must_use]
pub fn diagram(view: &TraceView<'_>, section: &SectionView<'_>) -> String {
    let mut out = open(view);
    body(&mut out, view, section);
    out
}

fn open(view: &TraceView<'_>) -> String {
    let mut out = "sequenceDiagram\n".to_owned();
    for &node in &view.nodes {
        let _ = writeln!(out, "    participant {}", describe::node_name(node));
    }
    out
}

fn body(out: &mut String, view: &TraceView<'_>, section: &SectionView<'_>) {
    for record in view.records(section) {
        line(out, view, record);
    }
}

fn line(out: &mut String, view: &TraceView<'_>, record: &Record) {
    if let Some(message) = &record.message {
        let text = plain(&describe::message_label(message));
        let (from, to) = (describe::node_name(message.from), describe::node_name(message.to));
        if record.kind == RecordKind::MessageHandled {
            let late = if overtaken(view, message) { " (late)" } else { "" };
            let _ = writeln!(out, "    {from}->>{to}: {text}{late}");
        } else if let RecordKind::MessageLost { why } = &record.kind
            && *why != Loss::SenderDown
        {
            let _ = writeln!(out, "    {from}-x{to}: {text}");
        }
        return;
    }
    let (Some(node), class) = (record.node, describe::category(&record.kind)) else { return };
    if !matches!(class, Category::Detail | Category::Message) {
        let text = plain(&describe::record(record));
        let _ = writeln!(out, "    Note over {}: {text}", describe::node_name(node));
    }
}

/// Whether a message that was sent later on the same link was handled earlier.
fn overtaken(view: &TraceView<'_>, message: &MessageView) -> bool {
    let Some((sent, handled)) =
        view.message_path(message.id).and_then(|path| path.sent.zip(path.handled))
    else {
        return false;
    };
    let between = |record: &&Record| record.sequence > sent && record.sequence < handled;
    let of_the_same_way = |record: &Record| {
        let other = record.message.as_ref();
        record.kind == RecordKind::MessageHandled
            && other.is_some_and(|other| {
                (other.from, other.to) == (message.from, message.to)
                    && view.message_path(other.id).is_some_and(|path| path.sent > Some(sent))
            })
    };
    let at = usize::try_from(sent).unwrap_or(usize::MAX);
    let until = usize::try_from(handled).unwrap_or(usize::MAX);
    let records = view.trace.records.get(at..until).unwrap_or_default();
    records.iter().filter(between).any(of_the_same_way)
}

/// Text with the syntax characters of Mermaid escaped.
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
