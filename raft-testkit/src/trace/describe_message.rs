//! Messages and entries as text.

use raft_core::{LogId, NodeId};

use super::record::{BodyView, EntryView, MessageView};

/// The name of a node in texts: `n1`.
#[must_use]
pub fn node_name(node: NodeId) -> String {
    format!("n{node}")
}

/// A message as the label of an arrow.
#[must_use]
pub fn message_label(message: &MessageView) -> String {
    match &message.body {
        BodyView::PreVote { campaign_term, .. } => format!("pre-vote request t{campaign_term}"),
        BodyView::PreVoteResponse { granted: true, .. } => "pre-vote granted".to_owned(),
        BodyView::PreVoteResponse { granted: false, .. } => "pre-vote denied".to_owned(),
        BodyView::RequestVote { .. } => format!("vote request t{}", message.term),
        BodyView::RequestVoteResponse { granted: true } => "vote granted".to_owned(),
        BodyView::RequestVoteResponse { granted: false } => "vote denied".to_owned(),
        BodyView::AppendEntries { entries, commit, .. } if entries.is_empty() => {
            format!("heartbeat c{commit}")
        }
        BodyView::AppendEntries { entries, commit, .. } => {
            format!("append {} c{commit}", index_range(entries))
        }
        BodyView::AppendMatched { match_index, .. } => format!("matched {match_index}"),
        BodyView::AppendRejected { prev_index, .. } => format!("rejected at {prev_index}"),
        BodyView::TimeoutNow { .. } => "timeout now".to_owned(),
        BodyView::TimeoutNowDeclined { .. } => "timeout now declined".to_owned(),
        BodyView::ReadIndex { .. } => "read index request".to_owned(),
        BodyView::ReadIndexResponse { read_index: Some(index), .. } => {
            format!("read index {index}")
        }
        BodyView::ReadIndexResponse { read_index: None, .. } => "read index denied".to_owned(),
        BodyView::InstallSnapshot { last, .. } => format!("snapshot to {}", last.index),
    }
}

/// A message with all its fields.
#[must_use]
pub fn message(message: &MessageView) -> String {
    let term = message.term;
    match &message.body {
        BodyView::PreVote { campaign_term, last_log } => {
            format!("pre-vote request for term {campaign_term}, last entry {}", log_id(*last_log))
        }
        BodyView::PreVoteResponse { campaign_term, granted } => {
            format!("pre-vote {} for term {campaign_term}", granted_or_denied(*granted))
        }
        BodyView::RequestVote { last_log, leadership_transfer } => {
            let transfer = if *leadership_transfer { ", leadership transfer" } else { "" };
            format!("vote request in term {term}, last entry {}{transfer}", log_id(*last_log))
        }
        BodyView::RequestVoteResponse { granted } => {
            format!("vote {} in term {term}", granted_or_denied(*granted))
        }
        BodyView::AppendEntries { prev, entries, commit, .. } if entries.is_empty() => {
            format!("heartbeat in term {term}, prev {}, commit {commit}", log_id(*prev))
        }
        BodyView::AppendEntries { prev, entries, commit, .. } => format!(
            "append {} in term {term}, prev {}, commit {commit}",
            entries_with_text(entries),
            log_id(*prev)
        ),
        BodyView::AppendMatched { match_index, .. } => {
            format!("append matched up to {match_index} in term {term}")
        }
        BodyView::AppendRejected { prev_index, last_index, hint, .. } => format!(
            "append rejected at {prev_index} in term {term}, last index {last_index}, hint {}",
            log_id(*hint)
        ),
        BodyView::TimeoutNow { last_log } => {
            format!("timeout now in term {term}, last entry {}", log_id(*last_log))
        }
        BodyView::TimeoutNowDeclined { why } => {
            format!("timeout now declined in term {term}: {why}")
        }
        BodyView::ReadIndex { id } => format!("read index request {id} in term {term}"),
        BodyView::ReadIndexResponse { id, read_index: Some(index) } => {
            format!("read index {index} in term {term}, for request {id}")
        }
        BodyView::ReadIndexResponse { id, read_index: None } => format!(
            "read index denied in term {term}, for request {id}: nothing is committed in the term"
        ),
        BodyView::InstallSnapshot { last, membership_index, .. } => format!(
            "snapshot up to {} in term {term}, membership of entry {membership_index}",
            log_id(*last)
        ),
    }
}

/// An entry as `INDEX@tTERM`; `none` for the origin of the log.
#[must_use]
pub fn log_id(id: LogId) -> String {
    if id == LogId::ORIGIN { "none".to_owned() } else { format!("{}@t{}", id.index, id.term) }
}

const fn granted_or_denied(granted: bool) -> &'static str {
    if granted { "granted" } else { "denied" }
}

/// The indexes of contiguous entries.
pub(in crate::trace) fn index_range(entries: &[EntryView]) -> String {
    match entries {
        [] => "nothing".to_owned(),
        [one] => one.index.to_string(),
        [first, .., last] => format!("{}..{}", first.index, last.index),
    }
}

fn entries_with_text(entries: &[EntryView]) -> String {
    match entries {
        [one] => format!("{} {:?}", one.index, one.text),
        many => index_range(many),
    }
}
