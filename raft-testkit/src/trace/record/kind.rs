//! A record, and everything that a record can be about.

use std::time::Duration;

use raft_core::{Incarnation, LogId, LogIndex, LogReset, NodeId, PersistId, Term};
use serde::{Deserialize, Serialize};

use super::membership::MembershipView;
use super::message::{EntryView, MessageView};
use super::node_state::{NodeState, Role};

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1 without gaps.
    pub sequence: u64,
    /// Its time: virtual nanoseconds since the cluster was created.
    pub time: u64,
    /// The node where it happened; `None` for sections and remarks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: RecordKind,
    /// The earlier record that caused this one. The cause of [`RecordKind::MessageHandled`] is the
    /// record of the sending, whose cause is the step that made the message, and so on back to an
    /// action of the test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// The message that this record is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageView>,
    /// The state of the node after this record; present if `node` is. A
    /// [`RecordKind::CommandStarted`] is recorded before the node receives the command, so that the
    /// changes show in the records that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<NodeState>,
}

/// What can happen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordKind {
    /// The node started for the first time.
    Started,
    /// The node took a role. The roles are equal if a candidate campaigns again.
    RoleChanged {
        /// The role before.
        from: Role,
        /// The role after.
        to: Role,
        /// The cause, in a few words.
        why: String,
    },
    /// The message left the outbox of its sender and is on the wire. `node` is the sender.
    MessageSent,
    /// The receiver handled the message. `node` is the receiver.
    MessageHandled,
    /// The message is lost. `node` is the sender if the message was not sent, else the receiver.
    MessageLost {
        /// The cause.
        why: Loss,
    },
    /// The test put a copy on the wire; the copy has a number of its own. `node` is the sender.
    MessageDuplicated {
        /// The number of the original.
        of: u64,
    },
    /// The test altered the message on the wire; the record shows the altered message.
    MessageAltered,
    /// The node refused the message before handling it.
    MessageRefused {
        /// The cause.
        why: String,
    },
    /// The node received a tick: virtual time reached its deadline, or the test gave it a tick.
    TimerFired,
    /// The test performed an action on the node.
    TestAction {
        /// The action: `campaign`, `heartbeat`, `step down`, ...
        action: String,
    },
    /// Another configuration is in force at the node: it was appended, or the ones after it were
    /// removed.
    MembershipInForce {
        /// Its version: the index of its entry.
        version: LogIndex,
        /// The configuration.
        membership: MembershipView,
    },
    /// The settings of the cluster contradict the node's own.
    SettingsContradicted {
        /// The rule that they break together.
        rule: String,
    },
    /// A follower has lost entries that it had acknowledged to the node.
    AcknowledgementFell {
        /// The follower.
        follower: NodeId,
        /// The index that it had acknowledged.
        from: LogIndex,
        /// The index of its last entry now.
        to: LogIndex,
    },
    /// A client requested a change of the membership from the node.
    MembershipRequested {
        /// The number of the request, unique among commands.
        command: u64,
        /// The change as text.
        text: String,
    },
    /// The disk of the node was wiped: it starts with an empty store as a new incarnation.
    Wiped {
        /// The new incarnation.
        incarnation: Incarnation,
    },
    /// A client submitted a command or a read to the node.
    CommandStarted {
        /// The number of the command, unique within the trace.
        command: u64,
        /// The command as text; `read` for a read.
        text: String,
    },
    /// The node responded to the command.
    CommandResponded {
        /// The number of the command.
        command: u64,
        /// The outcome.
        outcome: CommandOutcome,
    },
    /// The client (the test) collected the response, or stopped waiting for it.
    CommandDone {
        /// The number of the command.
        command: u64,
        /// The outcome for the client.
        outcome: CommandOutcome,
    },
    /// The node submitted a write to its disk. The change is already in its memory.
    PersistStarted {
        /// The number of the write.
        persist: PersistId,
        /// The base to which the log is reset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset: Option<ResetView>,
        /// The first entry of a suffix that is replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        truncate_from: Option<LogIndex>,
        /// The entries that are appended.
        entries: Vec<EntryView>,
        /// The term and the vote, if they are written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vote: Option<Vote>,
    },
    /// The disk reported to the node that all writes up to this one are durable.
    PersistDone {
        /// The number of the last write.
        persist: PersistId,
    },
    /// The disk failed; the node stops.
    PersistFailed {
        /// The error of the store.
        reason: String,
    },
    /// The node removed a suffix of its log that conflicts with the log of the leader.
    Truncated {
        /// The first entry that is removed.
        from: LogIndex,
        /// The last entry that is removed.
        last: LogId,
    },
    /// The log store returned entries that are no longer in the memory of the node.
    EntriesFetched {
        /// The first entry.
        from: LogIndex,
        /// The number of entries.
        count: u64,
    },
    /// The state machine applied the entries up to this one.
    Applied {
        /// The last applied entry.
        index: LogIndex,
    },
    /// The state machine failed to apply an entry.
    ApplyFailed {
        /// The entry.
        index: LogIndex,
        /// The error of the state machine.
        reason: String,
    },
    /// The node submitted the failed entry to the state machine again.
    ApplyRetried {
        /// The entry.
        index: LogIndex,
    },
    /// The leader began to transfer its leadership.
    TransferStarted {
        /// The target.
        to: NodeId,
    },
    /// The target of a transfer leads. `node` is the former leader.
    TransferCompleted {
        /// The target.
        leader: NodeId,
        /// The term that it leads.
        term: Term,
    },
    /// A transfer ended, and its target does not lead.
    TransferFailed {
        /// The target.
        to: NodeId,
        /// The cause, in a few words.
        why: String,
    },
    /// The node removed a prefix of its log.
    Compacted {
        /// The last entry that is removed.
        base: LogId,
    },
    /// A snapshot of the node's state machine is durable.
    SnapshotTaken {
        /// The last entry that it covers.
        last: LogId,
    },
    /// The transfer of a snapshot has ended. `node` is the sender.
    SnapshotSent {
        /// The receiver.
        to: NodeId,
        /// The last entry of the snapshot.
        last: LogId,
        /// Whether the receiver has the data.
        delivered: bool,
    },
    /// The node replaced its log up to an entry by a snapshot of the leader.
    SnapshotInstalled {
        /// The last entry of the snapshot.
        last: LogId,
        /// Whether the entries after it stay.
        keeps_later_entries: bool,
    },
    /// The node received a snapshot and has committed as much already.
    SnapshotDiscarded {
        /// The last entry of the snapshot.
        last: LogId,
    },
    /// The state machine is restored to a snapshot.
    SnapshotRestored {
        /// The last entry of the snapshot.
        last: LogId,
    },
    /// The process of the node crashed.
    Crashed {
        /// The number of writes that were not durable and are lost.
        lost: u64,
        /// The number of writes that survive although their completion was not reported.
        kept: u64,
    },
    /// The process of the node restarted from its storage.
    Restarted,
    /// The node stopped because of an error.
    Halted {
        /// The error.
        reason: String,
    },
    /// The test blocked the node: it sends and handles nothing.
    Blocked,
    /// The test unblocked the node.
    Unblocked,
    /// A partition put the node into a minority.
    NetSplit,
    /// The node is no longer in a minority.
    NetJoin,
    /// The link from `node` to a peer is cut: messages on it are lost, or wait until the link works
    /// again.
    LinkCut {
        /// The peer.
        to: NodeId,
    },
    /// The link from `node` to a peer works again.
    LinkHealed {
        /// The peer.
        to: NodeId,
    },
    /// A section of the scenario begins.
    Section {
        /// The title.
        title: String,
        /// A description.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// The features of Raft that the section uses, as paths of the registry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        uses: Vec<String>,
        /// The features of Raft that the section tests, as paths of the registry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tests: Vec<String>,
    },
    /// A remark of the test.
    Note {
        /// The text.
        text: String,
    },
    /// A rule of Raft is violated, for the first time in this trace. `node` is where the later
    /// observation was made; its record is the cause.
    Violation {
        /// The name of the rule.
        rule: String,
        /// The two observations that contradict each other.
        text: String,
    },
}

/// Why a message is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// The test dropped it.
    Dropped,
    /// The network lost it at random.
    Network,
    /// A partition or a cut link separates sender and receiver.
    CutOff,
    /// The sender crashed before it was sent.
    SenderDown,
    /// The receiver is down.
    ReceiverDown,
    /// The data of a snapshot is damaged; the receiver refuses it.
    Damaged,
}

/// The outcome of a command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommandOutcome {
    /// Applied, with the output of the state machine as text.
    Applied(String),
    /// A read is confirmed at this commit index.
    ReadReady(LogIndex),
    /// The membership is changed; the index of the final configuration.
    MembershipChanged(LogIndex),
    /// A read of the node's own state is permitted.
    LocalReadReady {
        /// What the state machine has applied.
        applied: LogIndex,
        /// How old the state may be.
        staleness: Duration,
    },
    /// Refused: this node is the leader.
    Redirect(NodeId),
    /// Refused for now; the client can retry. The cause.
    Retry(String),
    /// Refused. The cause.
    Refused(String),
    /// The command may or may not take effect.
    Unknown,
    /// The leadership was transferred to this node.
    Transferred(NodeId),
    /// The transfer of the leadership failed. The cause.
    NotTransferred(String),
    /// Committed, but the state machine of this node failed to apply it. The error.
    ApplyFailed(String),
    /// The client stopped waiting.
    TimedOut,
}

/// The reset of a log in a disk write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResetView {
    /// The new base: the last entry of the snapshot.
    pub base: LogId,
    /// Whether the entries after it stay.
    pub keeps_later_entries: bool,
}

impl ResetView {
    /// The view of a reset.
    #[must_use]
    pub const fn of(reset: &LogReset) -> Self {
        Self { base: reset.base, keeps_later_entries: reset.keeps_later_entries }
    }
}

/// The term and the vote in a disk write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vote {
    /// The term.
    pub term: Term,
    /// The candidate that the node voted for in that term.
    pub voted_for: Option<NodeId>,
}
