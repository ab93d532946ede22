//! What a record says in words: for terminals, diagrams and pages.

use raft_core::{LogId, NodeId};

use super::record::{
    BodyView, CommandOutcome, EntryView, Liveness, Loss, MessageView, NodeState, Record,
    RecordKind, Role, Side,
};

/// What kind of thing a record is: decides colours and what a reader may hide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// A message on its way or at its end.
    Message,
    /// A role.
    Role,
    /// A client's command.
    Command,
    /// A node, a link or a message that fails.
    Fault,
    /// A fault that ends.
    Recovery,
    /// A log that is rewritten, a state machine that fails, a rule that breaks.
    Alarm,
    /// Something that the test does.
    Test,
    /// Disk writes, reads and applies: what a reader asks for only when it matters.
    Detail,
}

/// The class of a record.
#[must_use]
pub const fn category(kind: &RecordKind) -> Category {
    match kind {
        RecordKind::MessageSent
        | RecordKind::MessageHandled
        | RecordKind::MessageDuplicated { .. }
        | RecordKind::MessageAltered => Category::Message,
        RecordKind::RoleChanged { .. } => Category::Role,
        RecordKind::CommandStarted { .. }
        | RecordKind::CommandAnswered { .. }
        | RecordKind::CommandDone { .. } => Category::Command,
        RecordKind::MessageLost { .. }
        | RecordKind::Crashed { .. }
        | RecordKind::Blocked
        | RecordKind::NetSplit
        | RecordKind::LinkCut { .. } => Category::Fault,
        RecordKind::Started
        | RecordKind::Restarted
        | RecordKind::Unblocked
        | RecordKind::NetJoin
        | RecordKind::LinkHealed { .. } => Category::Recovery,
        RecordKind::MessageRefused { .. }
        | RecordKind::PersistFailed { .. }
        | RecordKind::Truncated { .. }
        | RecordKind::ApplyFailed { .. }
        | RecordKind::ApplyRetried { .. }
        | RecordKind::Halted { .. }
        | RecordKind::Violation { .. } => Category::Alarm,
        RecordKind::Lever { .. } | RecordKind::Section { .. } | RecordKind::Note { .. } => {
            Category::Test
        }
        RecordKind::TimerFired
        | RecordKind::PersistStarted { .. }
        | RecordKind::PersistDone { .. }
        | RecordKind::EntriesFetched { .. }
        | RecordKind::Applied { .. } => Category::Detail,
    }
}

/// How people name a node.
#[must_use]
pub fn node_name(node: NodeId) -> String {
    format!("n{node}")
}

/// A role in a word.
#[must_use]
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// Whether a node runs, in a word.
#[must_use]
pub const fn liveness(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Up => "up",
        Liveness::Blocked => "blocked",
        Liveness::Down => "down",
        Liveness::Halted => "halted",
    }
}

/// A message in the few words that fit on its arrow.
#[must_use]
pub fn message_label(message: &MessageView) -> String {
    match &message.body {
        BodyView::PreVote { campaign_term, .. } => format!("pre-vote? t{campaign_term}"),
        BodyView::PreVoteResponse { granted: true, .. } => "would vote".to_owned(),
        BodyView::PreVoteResponse { granted: false, .. } => "would not vote".to_owned(),
        BodyView::RequestVote { .. } => format!("vote? t{}", message.term),
        BodyView::RequestVoteResponse { granted: true } => "vote".to_owned(),
        BodyView::RequestVoteResponse { granted: false } => "no vote".to_owned(),
        BodyView::AppendEntries { entries, commit, .. } if entries.is_empty() => {
            format!("heartbeat c{commit}")
        }
        BodyView::AppendEntries { entries, commit, .. } => {
            format!("append {} c{commit}", index_range(entries))
        }
        BodyView::AppendMatched { match_index, .. } => format!("ok {match_index}"),
        BodyView::AppendMismatched { rejected, .. } => format!("no match at {rejected}"),
    }
}

/// A message in a sentence.
#[must_use]
pub fn message(message: &MessageView) -> String {
    let term = message.term;
    match &message.body {
        BodyView::PreVote { campaign_term, last_log } => {
            format!("pre-vote? for term {campaign_term}, last entry {}", log_id(*last_log))
        }
        BodyView::PreVoteResponse { campaign_term, granted } => {
            format!("would{} vote in term {campaign_term}", if *granted { "" } else { " not" })
        }
        BodyView::RequestVote { last_log, leadership_transfer } => {
            let asked = if *leadership_transfer { ", asked by the leader" } else { "" };
            format!("vote? in term {term}, last entry {}{asked}", log_id(*last_log))
        }
        BodyView::RequestVoteResponse { granted } => {
            format!("{}vote in term {term}", if *granted { "" } else { "no " })
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
            format!("matches up to {match_index} in term {term}")
        }
        BodyView::AppendMismatched { rejected, last_index, hint, .. } => format!(
            "no match at {rejected} in term {term}, ends at {last_index}, try {}",
            log_id(*hint)
        ),
    }
}

/// How a command ended.
#[must_use]
pub fn outcome(outcome: &CommandOutcome) -> String {
    match outcome {
        CommandOutcome::Applied(output) => format!("applied, {output:?}"),
        CommandOutcome::ReadReady(index) => format!("may read at {index}"),
        CommandOutcome::Redirect(leader) => format!("redirected to {}", node_name(*leader)),
        CommandOutcome::Retry(reason) => format!("try again: {reason}"),
        CommandOutcome::Refused(reason) => format!("refused: {reason}"),
        CommandOutcome::Unknown => "unknown".to_owned(),
        CommandOutcome::ApplyFailed(reason) => format!("state machine failed: {reason}"),
        CommandOutcome::TimedOut => "gave up waiting".to_owned(),
    }
}

/// What happened, without the node, in at most a line.
#[must_use]
pub fn record(record: &Record) -> String {
    match (&record.kind, &record.message) {
        (RecordKind::MessageSent, Some(view)) => {
            format!("sends to {}: {}", node_name(view.to), message(view))
        }
        (RecordKind::MessageHandled, Some(view)) => {
            format!("handles from {}: {}", node_name(view.from), message(view))
        }
        (RecordKind::MessageDuplicated { of }, Some(view)) => {
            format!("message {of} to {} once more: {}", node_name(view.to), message(view))
        }
        (RecordKind::MessageAltered, Some(view)) => {
            format!("{} to {} altered: {}", node_name(view.from), node_name(view.to), message(view))
        }
        (RecordKind::MessageLost { why }, Some(view)) => {
            let (from, to) = (node_name(view.from), node_name(view.to));
            format!("{from} to {to} lost ({}): {}", loss(*why), message_label(view))
        }
        (RecordKind::MessageRefused { why }, Some(view)) => {
            format!("refuses from {}: {} ({why})", node_name(view.from), message_label(view))
        }
        (kind, _) => without_message(kind),
    }
}

/// What a record says where it concerns no message, or names none.
fn without_message(kind: &RecordKind) -> String {
    match kind {
        RecordKind::Started => "starts".to_owned(),
        RecordKind::RoleChanged { to, why, .. } => format!("is now {}: {why}", role(*to)),
        RecordKind::MessageSent => "sends".to_owned(),
        RecordKind::MessageHandled => "handles a message".to_owned(),
        RecordKind::MessageLost { why } => format!("a message is lost ({})", loss(*why)),
        RecordKind::MessageDuplicated { of } => format!("message {of} once more"),
        RecordKind::MessageAltered => "a message is altered".to_owned(),
        RecordKind::MessageRefused { why } => format!("refuses a message ({why})"),
        RecordKind::TimerFired => "timer".to_owned(),
        RecordKind::Lever { what } => format!("test: {what}"),
        RecordKind::CommandStarted { command, text } => format!("command {command}: {text}"),
        RecordKind::CommandAnswered { command, outcome: ended } => {
            format!("answers command {command}: {}", outcome(ended))
        }
        RecordKind::CommandDone { command, outcome: ended } => {
            format!("command {command} done: {}", outcome(ended))
        }
        RecordKind::Crashed { lost: 0, kept: 0 } => "crashes".to_owned(),
        RecordKind::Crashed { lost, kept } => {
            format!("crashes: {lost} unsynced writes lost, {kept} kept")
        }
        RecordKind::Restarted => "restarts".to_owned(),
        RecordKind::Halted { reason } => format!("halts: {reason}"),
        RecordKind::Blocked => "is held still".to_owned(),
        RecordKind::Unblocked => "goes on".to_owned(),
        RecordKind::NetSplit => "falls into a minority".to_owned(),
        RecordKind::NetJoin => "is back from the minority".to_owned(),
        RecordKind::LinkCut { to } => format!("link to {} is cut", node_name(*to)),
        RecordKind::LinkHealed { to } => format!("link to {} is whole", node_name(*to)),
        RecordKind::Section { title, .. } => title.clone(),
        RecordKind::Note { text } => text.clone(),
        RecordKind::Violation { rule, text } => format!("BROKEN {rule}: {text}"),
        RecordKind::PersistStarted { .. }
        | RecordKind::PersistDone { .. }
        | RecordKind::PersistFailed { .. }
        | RecordKind::Truncated { .. }
        | RecordKind::EntriesFetched { .. }
        | RecordKind::Applied { .. }
        | RecordKind::ApplyFailed { .. }
        | RecordKind::ApplyRetried { .. } => storage(kind),
    }
}

/// What happens between a node and its log or its state machine.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "`without_message` has the words of every other kind"
)]
fn storage(kind: &RecordKind) -> String {
    match kind {
        RecordKind::PersistStarted { persist, truncate_from, entries, vote } => {
            let mut parts = Vec::new();
            parts.extend(vote.map(|vote| {
                let whom = vote.voted_for.map_or_else(|| "nobody".to_owned(), node_name);
                format!("term {}, vote for {whom}", vote.term)
            }));
            parts.extend(truncate_from.map(|from| format!("cut from {from}")));
            if !entries.is_empty() {
                parts.push(index_range(entries));
            }
            format!("begins write {persist}: {}", parts.join("; "))
        }
        RecordKind::PersistDone { persist } => format!("write {persist} is durable"),
        RecordKind::PersistFailed { reason } => format!("disk fails: {reason}"),
        RecordKind::Truncated { from, last } if *from == last.index => {
            format!("entry {} goes (term {})", last.index, last.term)
        }
        RecordKind::Truncated { from, last } => {
            format!("entries {from} to {} go (term {})", last.index, last.term)
        }
        RecordKind::EntriesFetched { from, count } => format!("reads {count} entries from {from}"),
        RecordKind::Applied { index } => format!("applied up to {index}"),
        RecordKind::ApplyFailed { index, reason } => {
            format!("state machine fails at {index}: {reason}")
        }
        RecordKind::ApplyRetried { index } => format!("applies {index} again"),
        _ => category_name(category(kind)).to_owned(),
    }
}

/// The word for a class, as pages use it.
#[must_use]
pub const fn category_name(category: Category) -> &'static str {
    match category {
        Category::Message => "message",
        Category::Role => "role",
        Category::Command => "command",
        Category::Fault => "fault",
        Category::Recovery => "recovery",
        Category::Alarm => "alarm",
        Category::Test => "test",
        Category::Detail => "detail",
    }
}

/// What changed at a node, in words.
#[must_use]
pub fn changes(before: &NodeState, after: &NodeState) -> Vec<String> {
    let mut changes = Vec::new();
    if before.term != after.term {
        changes.push(format!("term {}", after.term));
    }
    if before.voted_for != after.voted_for
        && let Some(whom) = after.voted_for
    {
        changes.push(format!("votes {}", node_name(whom)));
    }
    if before.last != after.last {
        changes.push(format!("log {}", log_id(after.last)));
    }
    if before.commit != after.commit {
        changes.push(format!("commit {}", after.commit));
    }
    if before.side != after.side {
        let side = match after.side {
            Side::Majority => "majority side",
            Side::Minority => "minority side",
        };
        changes.push(side.to_owned());
    }
    changes
}

/// An entry's place; the origin of the log in words.
#[must_use]
pub fn log_id(id: LogId) -> String {
    if id == LogId::ORIGIN { "none".to_owned() } else { format!("{}@t{}", id.index, id.term) }
}

/// Why a message is gone, in a word or two.
#[must_use]
pub const fn loss(why: Loss) -> &'static str {
    match why {
        Loss::Dropped => "dropped",
        Loss::Network => "network",
        Loss::CutOff => "cut off",
        Loss::SenderDown => "sender down",
        Loss::ReceiverDown => "receiver down",
    }
}

fn index_range(entries: &[EntryView]) -> String {
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
