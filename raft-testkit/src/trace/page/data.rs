//! What the page's script reads: the trace with everything put into words, in short arrays.

use raft_core::NodeId;
use serde_json::{Value, json};

use super::super::diagram::{Tone, is_drawn, palette};
use super::super::links::Links;
use super::super::reading::{Reading, is_sending};
use super::super::record::{BodyView, EntryView, MessageView, NodeState, Record, RecordKind, Side};
use super::super::words::{self, Class};
use crate::features;

/// The whole trace.
pub(super) fn json(reading: &Reading<'_>) -> String {
    let header = &reading.trace.header;
    let links = Links::of(reading);
    let nodes: Vec<String> = reading.nodes.iter().map(|&node| words::name(node)).collect();
    let parts: Vec<Value> = reading
        .parts
        .iter()
        .map(|part| {
            json!({
                "number": part.number,
                "title": part.title,
                "description": part.description,
                "uses": titles(part.uses),
                "tests": titles(part.tests),
                // Record numbers, first and last; none if the last is smaller.
                "first": part.records.start + 1,
                "last": part.records.end,
            })
        })
        .collect();
    let records: Vec<Value> =
        reading.trace.records.iter().map(|record| record_json(reading, &links, record)).collect();
    let apart: Vec<Value> =
        (0..reading.nodes.len()).map(|column| json!(links.apart(column))).collect();
    json!({
        "scenario": header.scenario,
        "title": header.title,
        "description": header.description,
        "seed": header.seed,
        "nodes": nodes,
        "tones": Tone::ALL.map(Tone::name),
        "terms": palette::TERMS,
        "apart": apart,
        "parts": parts,
        "records": records,
        "messages": messages(reading),
    })
    .to_string()
}

fn titles(paths: &[String]) -> Vec<Value> {
    let pair = |path: &String| {
        let title = features::find(path).map_or(path.as_str(), |feature| feature.title);
        json!([path, title])
    };
    paths.iter().map(pair).collect()
}

/// `[class, column, time, cause, words, op, message, state, log]`; -1 and 0 stand for none.
fn record_json(reading: &Reading<'_>, links: &Links, record: &Record) -> Value {
    let run = links.run(record.sequence);
    let own = record.node.and_then(|node| reading.column(node));
    let column = run.map_or(own, |run| run.column);
    let op = if links.is_told(record.sequence) { "d" } else { op(&record.kind) };
    json!([
        words::class_name(words::class(&record.kind)),
        column.map_or(-1, |column| i64::try_from(column).unwrap_or(-1)),
        record.time,
        record.cause.unwrap_or(0),
        run.map_or_else(|| short_words(record), |run| run.text.clone()),
        op,
        record.message.as_ref().map_or(0, |message| message.id),
        record.state.as_ref().map_or(Value::Null, state_json),
        log_json(&record.kind),
    ])
}

/// What the drawing does with a record: a message sent, handled or lost, a role, a truncation, a
/// heading, a detail; anything else is a remark on the lane.
fn op(kind: &RecordKind) -> &'static str {
    let op = [
        (is_sending(kind), "s"),
        (*kind == RecordKind::MessageHandled, "h"),
        (matches!(kind, RecordKind::MessageLost { .. }), "l"),
        (matches!(kind, RecordKind::Section { .. }), "#"),
        (matches!(kind, RecordKind::Truncated { .. }), "t"),
        (!is_drawn(kind), "d"),
        (words::class(kind) == Class::Role, "r"),
    ];
    op.iter().find(|(applies, _)| *applies).map_or("", |(_, op)| op)
}

fn short_words(record: &Record) -> String {
    if let (RecordKind::RoleChanged { to, why, .. }, Some(state)) = (&record.kind, &record.state) {
        format!("{}, term {}: {why}", words::role(*to), state.term)
    } else if let RecordKind::MessageLost { why } = &record.kind {
        words::loss(*why).to_owned()
    } else if matches!(record.kind, RecordKind::MessageSent | RecordKind::MessageHandled) {
        // The page has the message itself beside it.
        String::new()
    } else {
        words::record(record)
    }
}

/// `[liveness, minority, role, term, vote, leader, base, last, last term, durable, commit,
/// applied, failed at]`.
fn state_json(state: &NodeState) -> Value {
    json!([
        words::liveness(state.liveness),
        u8::from(state.side == Side::Minority),
        words::role(state.role),
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

/// What a record does to its node's log: `["w", persist, truncate, entries]` a write begun,
/// `["d", persist]` durable, `["c", kept]` a crash, `["t", from, last]` about to be cut.
fn log_json(kind: &RecordKind) -> Value {
    if let RecordKind::PersistStarted { persist, truncate_from, entries, .. } = kind {
        let from = truncate_from.map_or(0, raft_core::LogIndex::get);
        json!(["w", persist, from, entries_json(entries)])
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

/// By number: `[from, to, tone, short, long, sent, handled, lost, entries]`.
fn messages(reading: &Reading<'_>) -> Value {
    let mut messages = serde_json::Map::new();
    for view in reading.trace.records.iter().filter_map(|record| record.message.as_ref()) {
        // An altered message is shown as it was altered last.
        messages.insert(view.id.to_string(), message_json(reading, view));
    }
    Value::Object(messages)
}

fn message_json(reading: &Reading<'_>, view: &MessageView) -> Value {
    let flight = reading.flight(view.id).cloned().unwrap_or_default();
    let entries = if let BodyView::AppendEntries { entries, .. } = &view.body {
        entries_json(entries)
    } else {
        Vec::new()
    };
    json!([
        reading.column(view.from),
        reading.column(view.to),
        Tone::of(view).name(),
        words::short(view),
        words::message(view),
        flight.sent.unwrap_or(0),
        flight.handled.unwrap_or(0),
        flight.lost.unwrap_or(0),
        entries,
    ])
}
