//! Records as text, for terminals, diagrams and pages.

pub use super::describe_membership::{cluster_settings, membership_change};
use super::describe_membership::{contradiction, lost_entries};
use super::describe_message::index_range;
pub use super::describe_message::{log_id, message, message_label, node_name};
use super::record::{CommandOutcome, Liveness, Loss, NodeState, Record, RecordKind, Role, Side};

/// The category of a record, which decides its colour and whether a reader can hide it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// A message that is sent, handled, duplicated or altered.
    Message,
    /// A change of role.
    Role,
    /// Another configuration in force.
    Membership,
    /// A command or a read of a client, or a transfer of the leadership.
    Command,
    /// A node or a link that fails, a message that is lost.
    Fault,
    /// The start of a node, or the end of a fault.
    Recovery,
    /// A refused message, a removed entry, a failed disk or state machine, a violated rule.
    Alarm,
    /// An action, a section or a remark of the test.
    Test,
    /// Timers, disk writes and reads, applied entries.
    Detail,
}

/// The category of a record.
#[must_use]
pub const fn category(kind: &RecordKind) -> Category {
    match kind {
        RecordKind::MessageSent
        | RecordKind::MessageHandled
        | RecordKind::MessageDuplicated { .. }
        | RecordKind::MessageAltered => Category::Message,
        RecordKind::RoleChanged { .. } => Category::Role,
        RecordKind::MembershipInForce { .. } => Category::Membership,
        RecordKind::CommandStarted { .. }
        | RecordKind::TransferStarted { .. }
        | RecordKind::TransferCompleted { .. }
        | RecordKind::TransferFailed { .. }
        | RecordKind::MembershipRequested { .. }
        | RecordKind::CommandResponded { .. }
        | RecordKind::CommandDone { .. } => Category::Command,
        RecordKind::MessageLost { .. }
        | RecordKind::Crashed { .. }
        | RecordKind::Wiped { .. }
        | RecordKind::Blocked
        | RecordKind::NetSplit
        | RecordKind::LinkCut { .. } => Category::Fault,
        RecordKind::Started
        | RecordKind::Restarted
        | RecordKind::Unblocked
        | RecordKind::NetJoin
        | RecordKind::SnapshotRestored { .. }
        | RecordKind::LinkHealed { .. } => Category::Recovery,
        RecordKind::MessageRefused { .. }
        | RecordKind::AcknowledgementFell { .. }
        | RecordKind::SettingsContradicted { .. }
        | RecordKind::PersistFailed { .. }
        | RecordKind::Truncated { .. }
        | RecordKind::SnapshotInstalled { .. }
        | RecordKind::ApplyFailed { .. }
        | RecordKind::ApplyRetried { .. }
        | RecordKind::Halted { .. }
        | RecordKind::Violation { .. } => Category::Alarm,
        RecordKind::TestAction { .. } | RecordKind::Section { .. } | RecordKind::Note { .. } => {
            Category::Test
        }
        RecordKind::TimerFired
        | RecordKind::PersistStarted { .. }
        | RecordKind::PersistDone { .. }
        | RecordKind::EntriesFetched { .. }
        | RecordKind::Compacted { .. }
        | RecordKind::SnapshotTaken { .. }
        | RecordKind::SnapshotSent { .. }
        | RecordKind::SnapshotDiscarded { .. }
        | RecordKind::Applied { .. } => Category::Detail,
    }
}

/// The name of a role.
#[must_use]
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// Whether a node runs.
#[must_use]
pub const fn liveness(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Up => "up",
        Liveness::Blocked => "blocked",
        Liveness::Down => "down",
        Liveness::Halted => "halted",
    }
}

/// The outcome of a command.
#[must_use]
pub fn outcome(outcome: &CommandOutcome) -> String {
    match outcome {
        CommandOutcome::Applied(output) => format!("applied, {output:?}"),
        CommandOutcome::ReadReady(index) => format!("read confirmed at {index}"),
        CommandOutcome::LocalReadReady { applied, staleness } => {
            format!("state at {applied} may be read, age up to {} ms", staleness.as_millis())
        }
        CommandOutcome::Transferred(leader) => {
            format!("leadership transferred to {}", node_name(*leader))
        }
        CommandOutcome::NotTransferred(why) => format!("leadership not transferred: {why}"),
        CommandOutcome::MembershipChanged(version) => {
            format!("membership changed, version {version}")
        }
        CommandOutcome::Redirect(leader) => format!("redirected to {}", node_name(*leader)),
        CommandOutcome::Retry(reason) => format!("retry: {reason}"),
        CommandOutcome::Refused(reason) => format!("refused: {reason}"),
        CommandOutcome::Unknown => "unknown".to_owned(),
        CommandOutcome::ApplyFailed(reason) => format!("state machine failed: {reason}"),
        CommandOutcome::TimedOut => "timed out".to_owned(),
    }
}

/// What happened at the node of a record, in one line without the node.
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
            format!("duplicate of message {of} to {}: {}", node_name(view.to), message(view))
        }
        (RecordKind::MessageAltered, Some(view)) => {
            let (from, to) = (node_name(view.from), node_name(view.to));
            format!("message {from} to {to} altered: {}", message(view))
        }
        (RecordKind::MessageLost { why }, Some(view)) => {
            let (from, to) = (node_name(view.from), node_name(view.to));
            format!("message {from} to {to} lost ({}): {}", loss(*why), message_label(view))
        }
        (RecordKind::MessageRefused { why }, Some(view)) => {
            format!("refuses from {}: {} ({why})", node_name(view.from), message_label(view))
        }
        (kind, _) => without_message(kind),
    }
}

/// A record that has no message.
fn without_message(kind: &RecordKind) -> String {
    match kind {
        RecordKind::Started => "starts".to_owned(),
        RecordKind::RoleChanged { to, why, .. } => format!("becomes {}: {why}", role(*to)),
        RecordKind::TransferStarted { to } => {
            format!("transfers its leadership to {}", node_name(*to))
        }
        RecordKind::TransferCompleted { leader, term } => {
            format!("leadership is transferred to {} in term {term}", node_name(*leader))
        }
        RecordKind::TransferFailed { to, why } => {
            format!("leadership is not transferred to {}: {why}", node_name(*to))
        }
        RecordKind::MessageSent => "sends a message".to_owned(),
        RecordKind::MessageHandled => "handles a message".to_owned(),
        RecordKind::MessageLost { why } => format!("a message is lost ({})", loss(*why)),
        RecordKind::MessageDuplicated { of } => format!("duplicate of message {of}"),
        RecordKind::MessageAltered => "a message is altered".to_owned(),
        RecordKind::MessageRefused { why } => format!("refuses a message ({why})"),
        RecordKind::TimerFired => "timer fires".to_owned(),
        RecordKind::TestAction { action } => format!("test: {action}"),
        RecordKind::CommandStarted { command, text } => format!("command {command}: {text}"),
        RecordKind::MembershipRequested { command, text } => {
            format!("membership change {command}: {text}")
        }
        RecordKind::CommandResponded { command, outcome: ended } => {
            format!("responds to command {command}: {}", outcome(ended))
        }
        RecordKind::CommandDone { command, outcome: ended } => {
            format!("command {command} done: {}", outcome(ended))
        }
        RecordKind::Crashed { lost: 0, kept: 0 } => "crashes".to_owned(),
        RecordKind::Crashed { lost, kept } => {
            format!("crashes: {lost} writes lost, {kept} kept")
        }
        RecordKind::Restarted => "restarts".to_owned(),
        RecordKind::Wiped { incarnation } => {
            format!("loses its disk, now incarnation {incarnation}")
        }
        RecordKind::MembershipInForce { version, membership } => {
            format!("membership {version}: {}", membership.full_text())
        }
        RecordKind::SettingsContradicted { rule } => contradiction(rule),
        RecordKind::AcknowledgementFell { follower, from, to } => {
            lost_entries(*follower, *from, *to)
        }
        RecordKind::Halted { reason } => format!("halts: {reason}"),
        RecordKind::Blocked => "is blocked".to_owned(),
        RecordKind::Unblocked => "is unblocked".to_owned(),
        RecordKind::NetSplit => "is in a minority".to_owned(),
        RecordKind::NetJoin => "is in the majority again".to_owned(),
        RecordKind::LinkCut { to } => format!("link to {} is cut", node_name(*to)),
        RecordKind::LinkHealed { to } => format!("link to {} is restored", node_name(*to)),
        RecordKind::Section { title, .. } => title.clone(),
        RecordKind::Note { text } => text.clone(),
        RecordKind::Violation { rule, text } => format!("VIOLATION of {rule}: {text}"),
        RecordKind::PersistStarted { .. }
        | RecordKind::PersistDone { .. }
        | RecordKind::PersistFailed { .. }
        | RecordKind::Truncated { .. }
        | RecordKind::EntriesFetched { .. }
        | RecordKind::Applied { .. }
        | RecordKind::ApplyFailed { .. }
        | RecordKind::ApplyRetried { .. } => storage(kind),
        RecordKind::Compacted { .. }
        | RecordKind::SnapshotTaken { .. }
        | RecordKind::SnapshotSent { .. }
        | RecordKind::SnapshotInstalled { .. }
        | RecordKind::SnapshotDiscarded { .. }
        | RecordKind::SnapshotRestored { .. } => snapshot(kind),
    }
}

/// A record about the log store or the state machine.
#[allow(clippy::wildcard_enum_match_arm, reason = "`without_message` handles every other kind")]
fn storage(kind: &RecordKind) -> String {
    match kind {
        RecordKind::PersistStarted { persist, reset, truncate_from, entries, vote } => {
            let mut changes = Vec::new();
            changes.extend(reset.map(|reset| format!("reset to {}", log_id(reset.base))));
            changes.extend(vote.map(|vote| match vote.voted_for {
                Some(candidate) => {
                    format!("term {}, vote for {}", vote.term, node_name(candidate))
                }
                None => format!("term {}, no vote", vote.term),
            }));
            changes.extend(truncate_from.map(|from| format!("truncate from {from}")));
            if !entries.is_empty() {
                changes.push(format!("append {}", index_range(entries)));
            }
            format!("starts write {persist}: {}", changes.join("; "))
        }
        RecordKind::PersistDone { persist } => format!("write {persist} is durable"),
        RecordKind::PersistFailed { reason } => format!("disk fails: {reason}"),
        RecordKind::Truncated { from, last } if *from == last.index => {
            format!("removes entry {} (term {})", last.index, last.term)
        }
        RecordKind::Truncated { from, last } => {
            format!("removes entries {from} to {} (term {})", last.index, last.term)
        }
        RecordKind::EntriesFetched { from, count } => {
            format!("fetches {count} entries from {from} on")
        }
        RecordKind::Applied { index } => format!("has applied up to {index}"),
        RecordKind::ApplyFailed { index, reason } => {
            format!("state machine fails at {index}: {reason}")
        }
        RecordKind::ApplyRetried { index } => format!("applies {index} again"),
        _ => category_name(category(kind)).to_owned(),
    }
}

/// A record about a snapshot.
#[allow(clippy::wildcard_enum_match_arm, reason = "`without_message` handles every other kind")]
fn snapshot(kind: &RecordKind) -> String {
    match kind {
        RecordKind::Compacted { base } => format!("compacts its log up to {}", log_id(*base)),
        RecordKind::SnapshotTaken { last } => format!("takes a snapshot up to {}", log_id(*last)),
        RecordKind::SnapshotSent { to, last, delivered } => {
            let outcome = if *delivered { "delivered" } else { "failed" };
            format!("snapshot up to {} to {}: {outcome}", log_id(*last), node_name(*to))
        }
        RecordKind::SnapshotInstalled { last, keeps_later_entries: true } => {
            format!("installs a snapshot up to {} and keeps later entries", log_id(*last))
        }
        RecordKind::SnapshotInstalled { last, keeps_later_entries: false } => {
            format!("replaces its log by a snapshot up to {}", log_id(*last))
        }
        RecordKind::SnapshotDiscarded { last } => {
            format!("discards a snapshot up to {}: committed already", log_id(*last))
        }
        RecordKind::SnapshotRestored { last } => {
            format!("state machine restored to {}", log_id(*last))
        }
        _ => category_name(category(kind)).to_owned(),
    }
}

/// The name of a category in style sheets.
#[must_use]
pub const fn category_name(category: Category) -> &'static str {
    match category {
        Category::Message => "message",
        Category::Role => "role",
        Category::Membership => "membership",
        Category::Command => "command",
        Category::Fault => "fault",
        Category::Recovery => "recovery",
        Category::Alarm => "alarm",
        Category::Test => "test",
        Category::Detail => "detail",
    }
}

/// What changed at a node between two records.
#[must_use]
pub fn changes(before: &NodeState, after: &NodeState) -> Vec<String> {
    let mut changes = Vec::new();
    if before.term != after.term {
        changes.push(format!("term {}", after.term));
    }
    if before.voted_for != after.voted_for
        && let Some(candidate) = after.voted_for
    {
        changes.push(format!("vote for {}", node_name(candidate)));
    }
    if before.last != after.last {
        changes.push(format!("log {}", log_id(after.last)));
    }
    if before.commit != after.commit {
        changes.push(format!("commit {}", after.commit));
    }
    if before.lease_end != after.lease_end {
        changes.push(match after.lease_end {
            Some(end) => format!("lease to {} ms", end / 1_000_000),
            None => "no lease".to_owned(),
        });
    }
    if before.side != after.side {
        let side = match after.side {
            Side::Majority => "in the majority",
            Side::Minority => "in a minority",
        };
        changes.push(side.to_owned());
    }
    changes
}

/// Why a message is lost.
#[must_use]
pub const fn loss(why: Loss) -> &'static str {
    match why {
        Loss::Dropped => "dropped",
        Loss::Network => "network",
        Loss::CutOff => "cut off",
        Loss::SenderDown => "sender down",
        Loss::ReceiverDown => "receiver down",
        Loss::Damaged => "damaged",
    }
}

/// The text on one line of at most this many characters; a cut is marked with an ellipsis.
pub(in crate::trace) fn clip(text: &str, width_max: usize) -> String {
    let plain: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if plain.chars().count() <= width_max {
        return plain;
    }
    let mut cut: String = plain.chars().take(width_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
