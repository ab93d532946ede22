//! The notation of tables: `ae+N-2 t-1 i-0 lt-0 e-1 c-0`.
//!
//! | op | meaning |
//! | --- | --- |
//! | `STARTED` | the node started |
//! | `NEW ROLE` | its role changed, or it campaigns again |
//! | `CMD START`, `CMD DONE` | a client submitted a command; the client collected the outcome |
//! | `m_c`, `m_cr` | a client requested a change of the membership; the membership is changed |
//! | `CONFIG i-4 v-3,4 o-1,2 l-5` | in force: the index, the voters, the outgoing voters of a joint configuration, the learners |
//! | `WIPED` | the node lost its disk |
//! | `CRASH`, `RESTART` | the process crashed; it restarted from its storage |
//! | `NETSPLIT`, `NETJOIN` | a partition put the node into a minority; that ended |
//! | `KIND+N-x` | the node sent KIND to x |
//! | `N-x+KIND` | the node handled KIND from x |
//! | `sn+N-x`, `N-x+sn` | the node sent a snapshot to x; the node has the snapshot of x |
//! | `N-x+ae_reply` | in the column of x: x sent it; in another column: that node handled it |

use raft_core::{LogIndex, NodeId};

use super::record::{
    BodyView, CommandOutcome, MembershipView, MessageView, NodeState, Record, RecordKind, Role,
    Side,
};

/// A role in four letters. Candidates and pre-candidates have the same.
#[must_use]
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "FLWR",
        Role::PreCandidate | Role::Candidate => "CNDI",
        Role::Leader => "LEAD",
    }
}

/// The op of a record; `None` if the record has no row.
#[must_use]
pub fn op(record: &Record) -> Option<String> {
    let named = match &record.kind {
        RecordKind::Started => "STARTED",
        // A won pre-vote continues the same candidacy.
        RecordKind::RoleChanged { from: Role::PreCandidate, to: Role::Candidate, .. } => {
            return None;
        }
        RecordKind::RoleChanged { .. } => "NEW ROLE",
        RecordKind::MembershipInForce { version, membership } => {
            return Some(configuration(*version, membership));
        }
        RecordKind::MembershipRequested { .. } => "m_c",
        RecordKind::CommandDone { outcome: CommandOutcome::MembershipChanged(_), .. } => "m_cr",
        RecordKind::Wiped { .. } => "WIPED",
        RecordKind::CommandStarted { .. } => "CMD START",
        RecordKind::CommandDone { .. } => "CMD DONE",
        RecordKind::Crashed { .. } => "CRASH",
        RecordKind::Restarted => "RESTART",
        RecordKind::NetSplit => "NETSPLIT",
        RecordKind::NetJoin => "NETJOIN",
        RecordKind::MessageSent | RecordKind::MessageDuplicated { .. } => {
            return record.message.as_ref().map(sent);
        }
        RecordKind::MessageHandled => return record.message.as_ref().map(handled),
        RecordKind::MessageLost { .. }
        | RecordKind::MessageAltered
        | RecordKind::MessageRefused { .. }
        | RecordKind::TimerFired
        | RecordKind::TestAction { .. }
        | RecordKind::TransferStarted { .. }
        | RecordKind::TransferCompleted { .. }
        | RecordKind::TransferFailed { .. }
        | RecordKind::CommandResponded { .. }
        | RecordKind::PersistStarted { .. }
        | RecordKind::PersistDone { .. }
        | RecordKind::PersistFailed { .. }
        | RecordKind::Truncated { .. }
        | RecordKind::AcknowledgementFell { .. }
        | RecordKind::SettingsContradicted { .. }
        | RecordKind::EntriesFetched { .. }
        | RecordKind::Applied { .. }
        | RecordKind::ApplyFailed { .. }
        | RecordKind::ApplyRetried { .. }
        | RecordKind::Compacted { .. }
        | RecordKind::SnapshotTaken { .. }
        | RecordKind::SnapshotSent { .. }
        | RecordKind::SnapshotInstalled { .. }
        | RecordKind::SnapshotDiscarded { .. }
        | RecordKind::SnapshotRestored { .. }
        | RecordKind::Halted { .. }
        | RecordKind::Blocked
        | RecordKind::Unblocked
        | RecordKind::LinkCut { .. }
        | RecordKind::LinkHealed { .. }
        | RecordKind::Section { .. }
        | RecordKind::Note { .. }
        | RecordKind::Violation { .. } => return None,
    };
    Some(named.to_owned())
}

fn configuration(version: LogIndex, membership: &MembershipView) -> String {
    let mut op = format!("CONFIG i-{version}");
    let MembershipView { voters, outgoing, learners, priorities: _, settings: _ } = membership;
    for (name, nodes) in [("v", voters), ("o", outgoing), ("l", learners)] {
        if !nodes.is_empty() {
            let ids: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            op.push_str(&format!(" {name}-{}", ids.join(",")));
        }
    }
    op
}

/// What changed at a node between two of its rows.
#[must_use]
pub fn delta(before: &NodeState, after: &NodeState) -> String {
    let mut changes = Vec::new();
    let mut add = |name: &str, before: u64, after: u64| {
        if before != after {
            changes.push(format!("{name}-{after}"));
        }
    };
    add("t", before.term.get(), after.term.get());
    add("lt", before.last.term.get(), after.last.term.get());
    add("li", before.last.index.get(), after.last.index.get());
    add("ci", before.commit.get(), after.commit.get());
    if before.side != after.side {
        let side = match after.side {
            Side::Majority => "n=1",
            Side::Minority => "n=2",
        };
        changes.push(side.to_owned());
    }
    changes.join(" ")
}

fn sent(message: &MessageView) -> String {
    let (kind, fields) = kind_and_fields(message);
    // The op of a response to an append names the sender at both ends.
    let address = if kind == "ae_reply" {
        format!("{}+{kind}", node_name(message.from))
    } else {
        format!("{kind}+{}", node_name(message.to))
    };
    format!("{address} {fields}")
}

fn handled(message: &MessageView) -> String {
    let (kind, fields) = kind_and_fields(message);
    format!("{}+{kind} {fields}", node_name(message.from))
}

/// The name of a node in tables: `N-1`.
#[must_use]
pub fn node_name(node: NodeId) -> String {
    format!("N-{node}")
}

fn kind_and_fields(message: &MessageView) -> (&'static str, String) {
    match &message.body {
        BodyView::PreVote { campaign_term, last_log } => {
            ("p_v_r", format!("t-{campaign_term} li-{} lt-{}", last_log.index, last_log.term))
        }
        BodyView::PreVoteResponse { granted, .. } => ("p_v", format!("yes-{}", boolean(*granted))),
        BodyView::RequestVote { last_log, .. } => {
            ("poll", format!("t-{} li-{} lt-{}", message.term, last_log.index, last_log.term))
        }
        BodyView::RequestVoteResponse { granted } => ("vote", format!("yes-{}", boolean(*granted))),
        BodyView::AppendEntries { prev, entries, commit, .. } => {
            let (term, count) = (message.term, entries.len());
            ("ae", format!("t-{term} i-{} lt-{} e-{count} c-{commit}", prev.index, prev.term))
        }
        BodyView::AppendMatched { match_index, .. } => {
            ("ae_reply", format!("ok-True mi-{match_index}"))
        }
        BodyView::AppendRejected { last_index, .. } => {
            ("ae_reply", format!("ok-False mi-{last_index}"))
        }
        BodyView::TimeoutNow { last_log } => {
            ("t_p", format!("t-{} li-{} lt-{}", message.term, last_log.index, last_log.term))
        }
        BodyView::TimeoutNowDeclined { .. } => ("t_pr", "yes-False".to_owned()),
        BodyView::ReadIndex { .. } => ("r_i", format!("t-{}", message.term)),
        BodyView::ReadIndexResponse { read_index, .. } => (
            "r_ir",
            read_index.map_or_else(|| "ok-False".to_owned(), |index| format!("ok-True i-{index}")),
        ),
        BodyView::InstallSnapshot { last, .. } => {
            ("sn", format!("t-{} i-{} lt-{}", message.term, last.index, last.term))
        }
    }
}

const fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
