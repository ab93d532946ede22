//! The record list: what happened in a cluster, in order. Every other form of a trace is drawn
//! from it, and from nothing else.
//!
//! One step of one node makes one *primary* record (a message handled, a timer, a lever, a disk
//! write done, ...) and after it one record for each thing that the step brought about, each with
//! the primary as its cause. A message gets on its way in a record of its own
//! ([`RecordKind::MessageSent`]), since the test decides when it leaves the outbox.

use std::io::{self, BufRead, Write};

use raft_core::{
    AppendOutcome, Body, LogId, LogIndex, Message, NodeId, PersistId, RoleKind, Round, Status, Term,
};
use serde::{Deserialize, Serialize};

/// Names the format in the header line.
pub const FORMAT: &str = "raft-trace";

/// The version that this build writes; it reads no other.
pub const VERSION: u32 = 1;

/// A trace: a header and the records under it. As text: JSON, one line each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trace {
    /// What the scenario says of itself.
    pub header: Header,
    /// What happened, in order; `records[i].sequence == i + 1`.
    pub records: Vec<Record>,
}

/// The first line of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Always [`FORMAT`].
    pub format: String,
    /// The version of the format.
    pub version: u32,
    /// The scenario's short name, which also names its files.
    pub scenario: String,
    /// A title for people.
    pub title: String,
    /// What the scenario shows, in a paragraph or more.
    pub description: String,
    /// The nodes that it began with, ascending.
    pub nodes: Vec<NodeId>,
    /// What randomness was drawn from.
    pub seed: u64,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1 without gaps.
    pub sequence: u64,
    /// When, in virtual nanoseconds since the cluster began.
    pub time: u64,
    /// Where; `None` for what concerns no single node (sections, notes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// What.
    #[serde(flatten)]
    pub kind: RecordKind,
    /// The earlier record that brought this one about. For [`RecordKind::MessageHandled`] the
    /// sending, for a sending the step that made the message, and so on back to a lever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// The message that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageView>,
    /// The node's state after it; present whenever `node` is. (A command's start is told before
    /// the node hears of it, so that what it changes shows in the records that follow.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<NodeState>,
}

/// What can happen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RecordKind {
    /// The node came up for the first time.
    Started,
    /// The node took a role, possibly the one it had (a new campaign).
    RoleChanged {
        /// The role before.
        from: Role,
        /// The role now.
        to: Role,
        /// Why, in a few words.
        why: String,
    },
    /// The message left its sender's outbox: it is on the wire. `node` is the sender.
    MessageSent,
    /// The receiver handled the message. `node` is the receiver.
    MessageHandled,
    /// The message is gone. `node` is the sender if it never left, else the receiver.
    MessageLost {
        /// Why.
        why: Loss,
    },
    /// The test put a second copy on the wire; the copy has its own id. `node` is the sender.
    MessageDuplicated {
        /// The message that it is a copy of.
        of: u64,
    },
    /// The test altered the message on the wire; it is shown as it is now.
    MessageAltered,
    /// The node refused the message without looking further.
    MessageRefused {
        /// What is wrong with it.
        why: String,
    },
    /// Virtual time reached something that the node waits for.
    TimerFired,
    /// The test pulled a lever at the node.
    Lever {
        /// Which, in the words of a scenario file: `campaign`, `heartbeat`, `step down`, ...
        what: String,
    },
    /// A client's command (or read) was handed to the node.
    CommandStarted {
        /// Its number, unique within the trace.
        command: u64,
        /// The command as text; `read` for a read.
        text: String,
    },
    /// The node answered the command.
    CommandAnswered {
        /// Which.
        command: u64,
        /// How it ended.
        outcome: CommandOutcome,
    },
    /// The client (the test) collected the answer, or gave up waiting for it.
    CommandDone {
        /// Which.
        command: u64,
        /// What it saw.
        outcome: CommandOutcome,
    },
    /// The node handed a change to its disk. In memory it holds already.
    PersistStarted {
        /// The number of the change.
        persist: PersistId,
        /// The first entry of a suffix that is replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        truncate_from: Option<LogIndex>,
        /// The entries that are added.
        entries: Vec<EntryView>,
        /// The term and vote, if they are written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vote: Option<Vote>,
    },
    /// The node learned that changes up to here are durable.
    PersistDone {
        /// The number of the last change.
        persist: PersistId,
    },
    /// The disk failed; the node stops.
    PersistFailed {
        /// What the store said.
        reason: String,
    },
    /// A suffix of the log went, since it conflicts with the leader's.
    Truncated {
        /// The first entry that went.
        from: LogIndex,
        /// The last entry that went.
        last: LogId,
    },
    /// Entries came back from the log store.
    EntriesFetched {
        /// The first.
        from: LogIndex,
        /// How many.
        count: u64,
    },
    /// The state machine applied the entries up to here.
    Applied {
        /// The last of them.
        index: LogIndex,
    },
    /// The state machine failed.
    ApplyFailed {
        /// At which entry.
        index: LogIndex,
        /// What it said.
        reason: String,
    },
    /// The entry that failed goes to the state machine once more.
    ApplyRetried {
        /// Which.
        index: LogIndex,
    },
    /// The node's process went away.
    Crashed {
        /// How many changes that were not durable are lost.
        lost: u64,
        /// How many that the node did not know to be durable survive.
        kept: u64,
    },
    /// The node's process came back from its storage.
    Restarted,
    /// The node stopped itself.
    Halted {
        /// Why.
        reason: String,
    },
    /// The test holds the node still: it neither sends nor handles anything.
    Blocked,
    /// The node goes on.
    Unblocked,
    /// The node fell into a minority partition.
    NetSplit,
    /// The node came back from the minority.
    NetJoin,
    /// What `node` sends to a peer is lost from now on.
    LinkCut {
        /// The peer.
        to: NodeId,
    },
    /// The link works again.
    LinkHealed {
        /// The peer.
        to: NodeId,
    },
    /// A part of the scenario begins.
    Section {
        /// What it is about.
        title: String,
        /// More about it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Features of Raft that it relies on, by their id in the registry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        uses: Vec<String>,
        /// Features of Raft that it tests, by their id in the registry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tests: Vec<String>,
    },
    /// A remark of the test.
    Note {
        /// What it says.
        text: String,
    },
    /// An invariant broke. The last record of its trace.
    Violation {
        /// The rule's name.
        rule: String,
        /// Both witnesses.
        text: String,
    },
}

/// The roles, as traces name them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers, never asks.
    Follower,
    /// Asks whether an election would be won.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Replicates its log.
    Leader,
}

/// Why a message is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The test dropped it.
    Dropped,
    /// The network lost it at random.
    Network,
    /// A partition or a cut link lies between sender and receiver.
    CutOff,
    /// Its sender crashed before it left, or is blocked.
    SenderDown,
    /// Its receiver is down.
    ReceiverDown,
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// Applied; the state machine's output as text.
    Applied(String),
    /// A read may be answered; committed up to here.
    ReadReady(LogIndex),
    /// Another node leads.
    Redirect(NodeId),
    /// Refused for now: ask again. The reason.
    Retry(String),
    /// Refused for good. The reason.
    Refused(String),
    /// May or may not take effect.
    Unknown,
    /// Committed, but the state machine of the node that was asked failed at it.
    ApplyFailed(String),
    /// The client gave up waiting.
    TimedOut,
}

/// A node as it was after a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeState {
    /// Whether it runs.
    pub liveness: Liveness,
    /// Which side of a partition it is on.
    pub side: Side,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Whom it voted for in that term.
    pub voted_for: Option<NodeId>,
    /// Who it believes leads.
    pub leader: Option<NodeId>,
    /// The entry just before the first that it keeps.
    pub base: LogIndex,
    /// Its last entry, in memory.
    pub last: LogId,
    /// Its last durable entry.
    pub persisted: LogIndex,
    /// How far it knows the log to be committed.
    pub commit: LogIndex,
    /// How far its state machine is.
    pub applied: LogIndex,
    /// The entry at which its state machine failed and that is not applied yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_failed_at: Option<LogIndex>,
}

/// Whether a node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// It runs.
    #[default]
    Up,
    /// It runs, but the test holds it still.
    Blocked,
    /// It crashed.
    Down,
    /// It stopped itself.
    Halted,
}

/// The side of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// With the majority, or there is no partition.
    #[default]
    Majority,
    /// In a minority.
    Minority,
}

/// The term and vote of a disk write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vote {
    /// The term.
    pub term: Term,
    /// The vote in it.
    pub voted_for: Option<NodeId>,
}

/// An entry of a log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryView {
    /// Its index.
    pub index: LogIndex,
    /// Its term.
    pub term: Term,
    /// What it carries, as text: a command, `(empty)`, `(membership ...)`.
    pub text: String,
}

/// A message, without what only machines care for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MessageView {
    /// Its number in the trace; a duplicate has one of its own.
    pub id: u64,
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The term of its envelope.
    pub term: Term,
    /// What it says.
    pub body: BodyView,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BodyView {
    /// Would you vote for me?
    PreVote {
        /// The term that would be campaigned in.
        campaign_term: Term,
        /// The sender's last entry.
        last_log: LogId,
    },
    /// The answer to a pre-vote.
    PreVoteResponse {
        /// The term that was asked about.
        campaign_term: Term,
        /// Yes or no.
        granted: bool,
    },
    /// Vote for me.
    RequestVote {
        /// The sender's last entry.
        last_log: LogId,
        /// Asked for by the leader itself.
        leadership_transfer: bool,
    },
    /// The answer to a vote request.
    RequestVoteResponse {
        /// Yes or no.
        granted: bool,
    },
    /// Entries, or a heartbeat.
    AppendEntries {
        /// The entry before the new ones.
        prev: LogId,
        /// The new ones.
        entries: Vec<EntryView>,
        /// How far the leader has committed.
        commit: LogIndex,
        /// The exchange.
        round: Round,
    },
    /// The log agrees up to here.
    AppendMatched {
        /// The last index that agrees.
        match_index: LogIndex,
        /// The exchange.
        round: Round,
    },
    /// The log does not agree.
    AppendMismatched {
        /// The index that did not fit.
        rejected: LogIndex,
        /// The follower's last index.
        last_index: LogIndex,
        /// Where to look next.
        hint: LogId,
        /// The exchange.
        round: Round,
    },
}

impl Trace {
    /// Writes the header and the records, one line each.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.header)?;
        out.write_all(b"\n")?;
        for record in &self.records {
            serde_json::to_writer(&mut *out, record)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads what [`Trace::write`] wrote.
    ///
    /// # Errors
    /// When the reader fails, a line is no record, or the format or its version is another.
    pub fn read(input: &mut dyn BufRead) -> Result<Self, TraceError> {
        let mut lines = input.lines();
        let first = lines.next().ok_or(TraceError::Empty)??;
        let bad = |source| TraceError::Line { line: 1, source };
        // Another version may have other fields: its number is looked at before anything else.
        let Kind { format, version } = serde_json::from_str(&first).map_err(bad)?;
        if format != FORMAT || version != VERSION {
            return Err(TraceError::Format { format, version });
        }
        let header: Header = serde_json::from_str(&first).map_err(bad)?;
        let mut records: Vec<Record> = Vec::new();
        for (number, line) in (2_u64..).zip(lines) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let record: Record = serde_json::from_str(&line)
                .map_err(|source| TraceError::Line { line: number, source })?;
            let expected = records.len() as u64 + 1;
            if record.sequence != expected || record.cause.is_some_and(|cause| cause >= expected) {
                return Err(TraceError::OutOfOrder { line: number });
            }
            records.push(record);
        }
        Ok(Self { header, records })
    }

    /// The record with this number.
    #[must_use]
    pub fn record(&self, sequence: u64) -> Option<&Record> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.records.get(at)
    }
}

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file could not be read.
    #[error("the trace could not be read: {0}")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("the trace is empty")]
    Empty,
    /// It is another format, or another version of this one.
    #[error(
        "the header says {format:?} version {version}, but this build reads {:?} version {}",
        FORMAT,
        VERSION
    )]
    Format {
        /// The format that the header names.
        format: String,
        /// The version that it names.
        version: u32,
    },
    /// A line is no record.
    #[error("line {line}, column {}: {}", source.column(), reason(source))]
    Line {
        /// Which, from 1.
        line: u64,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The numbers of the records leave gaps, or a cause lies in the future.
    #[error("line {line} is out of order: records are numbered from 1, causes lie before them")]
    OutOfOrder {
        /// Which, from 1.
        line: u64,
    },
}

/// What is wrong with a line, without the place: that is told in terms of the file.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The part of a header that no version changes.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

impl From<RoleKind> for Role {
    fn from(role: RoleKind) -> Self {
        match role {
            RoleKind::Follower => Self::Follower,
            RoleKind::PreCandidate => Self::PreCandidate,
            RoleKind::Candidate => Self::Candidate,
            RoleKind::Leader => Self::Leader,
        }
    }
}

impl NodeState {
    /// What a node says of itself, with what only the cluster around it knows.
    #[must_use]
    pub const fn of(status: &Status, role: Role, liveness: Liveness, side: Side) -> Self {
        Self {
            liveness,
            side,
            role,
            term: status.term,
            voted_for: status.voted_for,
            leader: status.leader,
            base: status.first_index.previous(),
            last: status.last_log,
            persisted: status.persisted_index,
            commit: status.commit_index,
            applied: status.applied_index,
            apply_failed_at: status.apply_failed_at,
        }
    }
}

impl EntryView {
    /// Shows an entry.
    #[must_use]
    pub fn of(entry: &raft_core::Entry) -> Self {
        let text = match &entry.payload {
            raft_core::Payload::Empty => "(empty)".to_owned(),
            raft_core::Payload::Command(command) => command_text(command),
            raft_core::Payload::Membership(membership) => {
                let names: Vec<_> = membership.voters.iter().map(ToString::to_string).collect();
                format!("(membership {})", names.join(" "))
            }
        };
        Self { index: entry.index(), term: entry.term(), text }
    }
}

/// A command as text: itself if it is printable, else its bytes in hexadecimal.
#[must_use]
pub fn command_text(command: &[u8]) -> String {
    match std::str::from_utf8(command) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => command.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

impl MessageView {
    /// Shows a message under its number.
    #[must_use]
    pub fn of(id: u64, message: &Message) -> Self {
        let body = match &message.body {
            Body::PreVote(ask) => {
                BodyView::PreVote { campaign_term: ask.campaign_term, last_log: ask.last_log }
            }
            Body::PreVoteResponse(answer) => BodyView::PreVoteResponse {
                campaign_term: answer.campaign_term,
                granted: answer.granted,
            },
            Body::RequestVote(ask) => BodyView::RequestVote {
                last_log: ask.last_log,
                leadership_transfer: ask.leadership_transfer,
            },
            Body::RequestVoteResponse(answer) => {
                BodyView::RequestVoteResponse { granted: answer.granted }
            }
            Body::AppendEntries(append) => BodyView::AppendEntries {
                prev: append.prev,
                entries: append.entries.iter().map(EntryView::of).collect(),
                commit: append.commit,
                round: append.round,
            },
            Body::AppendEntriesResponse(answer) => match answer.outcome {
                AppendOutcome::Matched { match_index } => {
                    BodyView::AppendMatched { match_index, round: answer.round }
                }
                AppendOutcome::Rejected { prev_index, last_index, hint } => {
                    BodyView::AppendMismatched {
                        rejected: prev_index,
                        last_index,
                        hint,
                        round: answer.round,
                    }
                }
            },
        };
        Self { id, from: message.from, to: message.to, term: message.term, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_survives_its_text_form() {
        let trace = sample();
        let mut text = Vec::new();
        trace.write(&mut text).unwrap();
        assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 4);
        assert_eq!(Trace::read(&mut text.as_slice()).unwrap(), trace);
    }

    #[test]
    fn a_trace_of_another_version_is_refused_with_its_version() {
        let mut trace = sample();
        trace.header.version = 2;
        let mut text = Vec::new();
        trace.write(&mut text).unwrap();
        let error = Trace::read(&mut text.as_slice()).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn a_later_version_is_merged_by_its_number_whatever_its_fields() {
        let text = "{\"format\":\"raft-trace\",\"version\":9,\"new\":1}\n";
        let error = Trace::read(&mut text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("version 9") && error.contains("version 1"), "{error}");
    }

    #[test]
    fn a_bad_line_is_merged_by_its_line_and_column() {
        let mut text = Vec::new();
        sample().write(&mut text).unwrap();
        text.extend_from_slice(b"{\"sequence\": 4, \"time\": what}\n");
        let error = Trace::read(&mut text.as_slice()).unwrap_err().to_string();
        assert_eq!(error, "line 5, column 25: expected value");
    }

    #[test]
    fn a_gap_in_the_numbers_is_refused_with_its_line() {
        let mut trace = sample();
        trace.records.remove(1);
        let mut text = Vec::new();
        trace.write(&mut text).unwrap();
        let error = Trace::read(&mut text.as_slice()).unwrap_err();
        assert!(matches!(error, TraceError::OutOfOrder { line: 3 }), "{error}");
    }

    fn sample() -> Trace {
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            scenario: "sample".to_owned(),
            title: "A sample".to_owned(),
            description: String::new(),
            nodes: vec![NodeId(1), NodeId(2)],
            seed: 7,
        };
        let state = NodeState {
            liveness: Liveness::Up,
            side: Side::Majority,
            role: Role::Candidate,
            term: Term(1),
            voted_for: Some(NodeId(1)),
            leader: None,
            base: LogIndex(0),
            last: LogId::ORIGIN,
            persisted: LogIndex(0),
            commit: LogIndex(0),
            applied: LogIndex(0),
            apply_failed_at: None,
        };
        let view = MessageView {
            id: 1,
            from: NodeId(1),
            to: NodeId(2),
            term: Term(1),
            body: BodyView::RequestVote { last_log: LogId::ORIGIN, leadership_transfer: false },
        };
        let record = |sequence, node, kind, cause, message| Record {
            sequence,
            time: 5,
            node,
            kind,
            cause,
            message,
            state: node.map(|_: NodeId| state.clone()),
        };
        let section = RecordKind::Section {
            title: "s".to_owned(),
            description: String::new(),
            uses: vec!["pre-vote".to_owned()],
            tests: Vec::new(),
        };
        let lever = RecordKind::Lever { what: "campaign".to_owned() };
        let records = vec![
            record(1, None, section, None, None),
            record(2, Some(NodeId(1)), lever, None, None),
            record(3, Some(NodeId(1)), RecordKind::MessageSent, Some(2), Some(view)),
        ];
        Trace { header, records }
    }
}
