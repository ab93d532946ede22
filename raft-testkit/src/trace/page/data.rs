//! The data of the page: the trace as text, in short arrays.

use raft_core::NodeId;
use serde_json::{Value, json};

use crate::features;
use crate::trace::describe::{self, Category};
use crate::trace::diagram::{MessageCategory, TERMS, is_drawn};
use crate::trace::links::LinkHistory;
use crate::trace::record::{BodyView, EntryView, MessageView, NodeState, Record, RecordKind, Side};
use crate::trace::spans::{self, Span, SpanKind};
use crate::trace::view::{TraceView, is_send};

/// The data of the whole trace.
pub(super) fn json(view: &TraceView<'_>) -> String {
    let header = &view.trace.header;
    let links = LinkHistory::new(view);
    let nodes: Vec<String> = view.nodes.iter().map(|&node| describe::node_name(node)).collect();
    let sections: Vec<Value> = view
        .sections
        .iter()
        .map(|section| {
            json!({
                "number": section.number,
                "title": section.title,
                "description": section.description,
                "uses": titles(section.uses),
                "tests": titles(section.tests),
                // The numbers of the first and the last record; the section is empty if the last is
                // smaller.
                "first": section.records.start + 1,
                "last": section.records.end,
            })
        })
        .collect();
    let records: Vec<Value> =
        view.trace.records.iter().map(|record| record_json(view, &links, record)).collect();
    let apart: Vec<Value> =
        (0..view.nodes.len()).map(|column| json!(links.without_majority(column))).collect();
    let spans: Vec<Value> =
        spans::spans(view).iter().map(|of_node| of_node.iter().map(span_json).collect()).collect();
    json!({
        "scenario": header.scenario,
        "title": header.title,
        "description": header.description,
        "seed": header.seed,
        "nodes": nodes,
        "terms": TERMS,
        "apart": apart,
        "spans": spans,
        "sections": sections,
        "records": records,
        "messages": messages(view),
    })
    .to_string()
}

/// `[place, name, text, first record, end]`; the end is null if the trace ends before.
fn span_json(span: &Span) -> Value {
    let place = SpanKind::ALL.iter().position(|&kind| kind == span.kind);
    json!([place, span.kind.name(), span.text, span.first, span.end])
}

fn titles(paths: &[String]) -> Vec<Value> {
    let pair = |path: &String| {
        let title = features::find(path).map_or(path.as_str(), |feature| feature.title);
        json!([path, title])
    };
    paths.iter().map(pair).collect()
}

/// `[category, column, time, cause, text, op, message, state, log]`; -1 and 0 stand for none.
fn record_json(view: &TraceView<'_>, links: &LinkHistory, record: &Record) -> Value {
    let run = links.change_at(record.sequence);
    let own = record.node.and_then(|node| view.column(node));
    let column = run.map_or(own, |run| run.column);
    let op = if links.is_merged(record.sequence) { "d" } else { op(&record.kind) };
    json!([
        describe::category_name(describe::category(&record.kind)),
        column.map_or(-1, |column| i64::try_from(column).unwrap_or(-1)),
        record.time,
        record.cause.unwrap_or(0),
        run.map_or_else(|| text(record), |run| run.text.clone()),
        op,
        record.message.as_ref().map_or(0, |message| message.id),
        record.state.as_ref().map_or(Value::Null, state_json),
        log_json(&record.kind),
    ])
}

/// How the page draws a record: `s` message sent, `h` handled, `l` lost, `r` role, `t` truncation,
/// `#` heading, `d` detail; everything else is a text on the lifeline.
fn op(kind: &RecordKind) -> &'static str {
    let op = [
        (is_send(kind), "s"),
        (*kind == RecordKind::MessageHandled, "h"),
        (matches!(kind, RecordKind::MessageLost { .. }), "l"),
        (matches!(kind, RecordKind::Section { .. }), "#"),
        (matches!(kind, RecordKind::Truncated { .. }), "t"),
        (!is_drawn(kind), "d"),
        (describe::category(kind) == Category::Role, "r"),
    ];
    op.iter().find(|(applies, _)| *applies).map_or("", |(_, op)| op)
}

fn text(record: &Record) -> String {
    if let (RecordKind::RoleChanged { to, why, .. }, Some(state)) = (&record.kind, &record.state) {
        format!("{}, term {}: {why}", describe::role(*to), state.term)
    } else if let RecordKind::MessageLost { why } = &record.kind {
        describe::loss(*why).to_owned()
    } else if matches!(record.kind, RecordKind::MessageSent | RecordKind::MessageHandled) {
        // The page has the text of the message.
        String::new()
    } else {
        describe::record(record)
    }
}

/// `[liveness, minority, role, term, vote, leader, base, last, last term, durable, commit,
/// applied, failed at]`.
fn state_json(state: &NodeState) -> Value {
    json!([
        describe::liveness(state.liveness),
        u8::from(state.side == Side::Minority),
        describe::role(state.role),
        state.term,
        state.voted_for.map_or(0, NodeId::get),
        state.leader.map_or(0, NodeId::get),
        state.base,
        state.last.index,
        state.last.term,
        state.persisted,
        state.commit,
        state.applied,
        state.apply_failed_at.map_or(0, raft_core::LogIndex::get),
    ])
}

/// What a record changes in the log of its node: `["w", persist, truncate, entries, base, keeps]`
/// the start of a write (a base above zero resets the log), `["d", persist]` durable writes,
/// `["c", kept]` a crash, `["t", from, last]` a truncation, `["b", base]` a compaction.
fn log_json(kind: &RecordKind) -> Value {
    if let RecordKind::PersistStarted { persist, reset, truncate_from, entries, .. } = kind {
        let from = truncate_from.map_or(0, raft_core::LogIndex::get);
        let base = reset.map_or(0, |reset| reset.base.index.get());
        let keeps = reset.is_some_and(|reset| reset.keeps_later_entries);
        json!(["w", persist, from, entries_json(entries), base, keeps])
    } else if let RecordKind::Compacted { base } = kind {
        json!(["b", base.index])
    } else if let RecordKind::PersistDone { persist } = kind {
        json!(["d", persist])
    } else if let RecordKind::Crashed { kept, .. } = kind {
        json!(["c", kept])
    } else if let RecordKind::Truncated { from, last } = kind {
        json!(["t", from, last.index])
    } else {
        Value::Null
    }
}

fn entries_json(entries: &[EntryView]) -> Vec<Value> {
    entries.iter().map(|entry| json!([entry.index, entry.term, entry.text])).collect()
}

/// By number: `[from, to, category, label, description, sent, handled, lost, entries]`.
fn messages(view: &TraceView<'_>) -> Value {
    let mut messages = serde_json::Map::new();
    for message in view.trace.records.iter().filter_map(|record| record.message.as_ref()) {
        // An altered message has its last contents.
        messages.insert(message.id.to_string(), message_json(view, message));
    }
    Value::Object(messages)
}

fn message_json(view: &TraceView<'_>, message: &MessageView) -> Value {
    let path = view.message_path(message.id).cloned().unwrap_or_default();
    let entries = if let BodyView::AppendEntries { entries, .. } = &message.body {
        entries_json(entries)
    } else {
        Vec::new()
    };
    json!([
        view.column(message.from),
        view.column(message.to),
        MessageCategory::of(message).name(),
        describe::message_label(message),
        describe::message(message),
        path.sent.unwrap_or(0),
        path.handled.unwrap_or(0),
        path.lost.unwrap_or(0),
        entries,
    ])
}
