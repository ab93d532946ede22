//! The Raft consensus algorithm without I/O: a deterministic state machine of inputs and effects.
//!
//! A [`Node`] is one member's part in one Raft group. Its *host*, the code around it, reports what
//! happens as an [`Input`] and executes what the node requests as an [`Effect`]. The node names no
//! clock, thread, socket, file or source of randomness: time and seed are arguments, so a recorded
//! run can be replayed exactly.
//!
//! # The loop
//!
//! ```text
//! node = Node::new(config, store.recover(), now)
//! if the state machine is durable: node.step(now, Input::Applied(applied index), effects)
//! loop {
//!     input = the next of: message, request, report of the host, or Tick at node.deadline()
//!     node.step(now, input, effects)
//!     execute each effect; its completion is a later input
//! }
//! ```
//!
//! `examples/three_nodes.rs` is a complete host with stores in memory, in one thread. `raft-server`
//! is one with threads, RocksDB and QUIC. The traits in [`ports`] are the interfaces between hosts
//! and stores, state machines and transports. A host may use others: the node calls none of them.
//!
//! # Inputs
//!
//! | input | the host reports it when | may be omitted |
//! | --- | --- | --- |
//! | [`Tick`] | the deadline has passed; harmless at any time | no |
//! | [`Message`] | a message of an authenticated peer has arrived | yes, as if it were lost |
//! | [`Propose`] | callers submit commands | yes, if the host refuses the callers |
//! | [`Read`] | callers request linearizable reads | yes, if the host refuses the callers |
//! | [`ChangeMembership`] | an operator changes the membership | yes, if the host refuses it |
//! | [`Campaign`] | an operator or a test starts an election | yes |
//! | [`StepDown`] | an operator or a test ends a leadership | yes |
//! | [`TransferLeadership`] | an operator or a shutdown moves the leadership to another voter | yes |
//! | [`Persisted`] | a persist and all earlier ones are durable | if a later one is reported |
//! | [`EntriesFetched`] | a fetch has ended, also without entries | no: exactly once per fetch |
//! | [`Applied`] | all entries up to an index are applied | if a later one is reported |
//! | [`ApplyFailed`] | a command failed; all entries before it are applied | no |
//! | [`DurablyApplied`] | the effect of all entries up to an index survives a crash without the log | yes: then the log is not compacted |
//! | [`Compact`](Input::Compact) | an operator requests it | yes |
//! | [`SnapshotTaken`] | a snapshot of the own state machine is durable, or a requested one is not possible | not after a request |
//! | [`SnapshotSent`] | the transfer of a snapshot has ended | no: exactly once per transfer |
//! | [`PeerUnreachable`] | the connection to a peer is lost | yes |
//!
//! Proposals, reads and transfers may be passed to any node: a node that does not lead refuses them
//! and names the leader, if it knows it. While the node runs, each of them ends exactly once: with
//! [`Effect::Respond`], or, for a command that is applied or fails, with the result of the state
//! machine ([`CommittedEntry::request`]). When the node stops, the host ends those that are
//! pending; the outcome of such a proposal is unknown. [`wire::decode`] checks the contents of
//! messages. A report of a persist that was not emitted, or of an applied index past the log,
//! panics; a repeated report has no effect.
//!
//! # Effects
//!
//! | effect | the host | and reports | may be dropped |
//! | --- | --- | --- | --- |
//! | [`Persist`] | makes one atomic change durable | [`Persisted`] | no |
//! | [`Send`] | sends a message | nothing | yes |
//! | [`FetchEntries`] | reads durable entries from the log store | [`EntriesFetched`] | no |
//! | [`Apply`] | applies committed entries | [`Applied`] or [`ApplyFailed`] | after a failure |
//! | [`Respond`] | completes a request | nothing | no: a caller waits |
//! | [`Event`](Effect::Event) | writes a log line or a metric | nothing | yes |
//! | [`Compact`](Effect::Compact) | removes a prefix of the log from the store | nothing | yes |
//! | [`TakeSnapshot`] | captures the state machine and makes the snapshot durable | [`SnapshotTaken`] | no |
//! | [`SendSnapshot`] | sends the data of a snapshot and a message | [`SnapshotSent`] | no |
//! | [`RestoreSnapshot`] | restores the state machine to a snapshot that it holds | [`Applied`] | no |
//! | [`Halt`] | makes the persists of the step durable, then stops the node | nothing | no |
//!
//! - Several persists may share one sync; the report of the last covers all. If one fails, the host
//!   stops the node without a report and without a retry. A false report breaks the guarantees of
//!   Raft.
//! - Messages may be lost, delayed, duplicated and reordered, but not altered. Loss and reordering
//!   cost retransmissions.
//! - A fetch may return fewer entries than requested, or none: the node requests the others later.
//! - Entries without a [`Payload::Command`] carry nothing for the state machine; they count as
//!   applied. When a command fails, the host drops the rest of its batch and the queued `Apply`
//!   effects before it reports the failure. Depending on the [`ApplyFailurePolicy`], the node emits
//!   these entries again, or halts. If the storage of the state machine fails, the host stops the
//!   node instead.
//! - [`Outcome::ReadReady`] permits a read of the current state: the state machine has applied
//!   every entry that the read depends on.
//!
//! # Order and overlap
//!
//! Effects of one variant are executed in their order; effects of different variants in any order
//! and at the same time, also during later steps. The host need not wait for a persist before it
//! sends: the node emits a message that depends on persisted state only after that state is
//! reported durable. A leader's appends do not depend on its own disk; its own copy of an entry
//! counts towards the quorum once it is durable. A node applies committed entries once they are
//! durable in its own log.
//!
//! # Restart
//!
//! A crash loses the node; the store keeps what was persisted. [`Node::new`] takes what
//! [`ports::LogStore::recover`] returns and starts a follower. The seed
//! should change. A host with a durable state machine reports its applied index
//! with [`Applied`] before any other input; a state machine in memory begins at index 0. The
//! entries after that index are applied again. Numbers of persists, fetches and requests begin
//! again. If the log is compacted or was reset to a snapshot, the state machine has to contain the
//! effect of every entry up to the base of the log before [`Node::new`]: see the next section.
//!
//! # Members
//!
//! The configuration is in the log. The store of each member of a new cluster is bootstrapped with
//! it ([`Persist::bootstrap`]), once; other nodes are added with
//! [`ChangeMembership`](Input::ChangeMembership). A configuration is in force from the moment it is
//! appended. Its version is the index of its entry.
//!
//! A node that lost its store returns with a later [`Incarnation`]: it has lost its vote and the
//! entries that it acknowledged. The leader pins the incarnation of each member in the
//! configuration; from then on a later one counts for nothing until
//! [`MembershipChange::Replace`] admits it. [`Status::participation`] states what the configuration
//! makes of a node.
//!
//! # Snapshots and compaction
//!
//! A snapshot is the state of the state machine after one entry, which identifies it. Its data does
//! not pass through the core. The host keeps snapshots durable, complete and verified.
//!
//! - *Compaction.* The core removes entries up to the index that was reported with
//!   [`DurablyApplied`] at most, as far as [`CompactionPolicy`] and the followers' needs permit. A
//!   host with a state machine in memory takes a snapshot from time to time, reports it with
//!   [`SnapshotTaken`], and reports its last entry as durably applied.
//! - *Sending.* A follower that needs compacted entries is replicated by a snapshot. The core uses
//!   the last one that was reported, or requests one with [`TakeSnapshot`]. The receiver's host
//!   passes the message of a [`SendSnapshot`] to its node only once it holds the data, complete,
//!   verified and durable.
//! - *Installing.* The receiver's node resets its log in one [`Persist`] ([`LogReset`]). Once that
//!   is durable it emits [`RestoreSnapshot`], in order with [`Apply`]. The host keeps the snapshot
//!   until the state machine has durably applied its last entry.
//! - *Restart.* The reset decides whether an interrupted install took place. The host recovers the
//!   log and removes a received snapshot whose last entry is neither the base nor an entry of the
//!   log: its install did not take place, and the leader sends it again. If the state machine is
//!   behind the base of the log, the host restores it to the latest snapshot that it holds. Then it
//!   creates the node, reports the applied index with [`Applied`], and may report its snapshot and
//!   what is durably applied.
//!
//! # Halting
//!
//! With [`ApplyFailurePolicy::Halt`] a failed command causes a [`Halt`] and, in the same step, a
//! persist with a [`BrokenMark`]. A halted node refuses requests and ignores all other inputs; its
//! deadline no longer changes. [`Node::new`] fails until an operator has removed the mark. After a
//! panic in a step the host drops the node; it may restart it from its store.
//!
//! # Threads and time
//!
//! A [`Node`] is `Send`; one thread at a time steps it. A step never blocks. It allocates for its
//! effects and shares the bytes of commands. `now` is monotonic time from a start that the host
//! chooses; a step with an earlier time counts as at the same time. [`Node::deadline`] may change
//! with each step: read it after each one. Late ticks cause or delay elections; safety does not
//! depend on time.
//!
//! # Sizes and back-pressure
//!
//! [`Limits`] bound each command, the commands that are proposed and not yet applied (a leader
//! refuses further ones with [`Refusal::Busy`]), the appends in flight to each follower, the
//! durable entries in memory, and the entries that are passed to the state machine and not yet
//! applied. The host bounds the number of reads and its own queues: a full queue may drop messages
//! and refuse requests, but never drops a report. [`Config::check_transport`] compares the limits
//! with the longest message that a transport delivers.
//!
//! # What it does not do
//!
//! It does not retry requests, detect duplicates (thesis §6.3), encode commands, authenticate
//! peers, read its store, or read, store and transfer the data of snapshots.
//!
//! # Sources
//!
//! Sources are cited as *Raft* (Ongaro and Ousterhout, "In Search of an Understandable Consensus
//! Algorithm", extended version) and *thesis* (Ongaro, "Consensus: Bridging Theory and Practice").
//!
//! [`Tick`]: Input::Tick
//! [`Message`]: Input::Message
//! [`Propose`]: Input::Propose
//! [`Read`]: Input::Read
//! [`ChangeMembership`]: Input::ChangeMembership
//! [`Campaign`]: Input::Campaign
//! [`StepDown`]: Input::StepDown
//! [`TransferLeadership`]: Input::TransferLeadership
//! [`Persisted`]: Input::Persisted
//! [`EntriesFetched`]: Input::EntriesFetched
//! [`Applied`]: Input::Applied
//! [`ApplyFailed`]: Input::ApplyFailed
//! [`DurablyApplied`]: Input::DurablyApplied
//! [`SnapshotTaken`]: Input::SnapshotTaken
//! [`SnapshotSent`]: Input::SnapshotSent
//! [`PeerUnreachable`]: Input::PeerUnreachable
//! [`Persist`]: Effect::Persist
//! [`Send`]: Effect::Send
//! [`FetchEntries`]: Effect::FetchEntries
//! [`Apply`]: Effect::Apply
//! [`Respond`]: Effect::Respond
//! [`TakeSnapshot`]: Effect::TakeSnapshot
//! [`SendSnapshot`]: Effect::SendSnapshot
//! [`RestoreSnapshot`]: Effect::RestoreSnapshot
//! [`Halt`]: Effect::Halt
#![no_std]

extern crate alloc;

mod config;
mod effect;
mod entry;
mod event;
mod explain;
mod input;
mod invariants;
mod log;
mod membership;
mod message;
mod node;
pub mod ports;
mod prng;
mod progress;
mod quorum;
mod recovery;
mod role;
mod state;
mod types;
pub mod wire;

pub use config::{
    ApplyFailurePolicy, ClusterSettings, CommitNotification, CompactionPolicy, Config, ConfigError,
    FollowerReads, LeasePolicy, LeaseSettings, LimitName, Limits, Settings,
};
pub use effect::{CommittedEntry, Effect, FetchEntries, HaltReason, Outcome, Refusal, Response};
pub use entry::{Entry, Payload};
pub use event::{Event, RoleCause, RoleKind, TransferFailure};
pub use explain::{
    ApplyFinding, ApplyObstacle, CommitFinding, CompactionFinding, CompactionObstacle, DiskFinding,
    Explanation, Finding, FollowerFinding, FollowerNeed, LeaderFinding, MembershipFinding,
    ReadFinding, SilentNode, VoteRefusal, VoterSet,
};
pub use input::{
    ApplyFailure, EntriesFetched, Input, Proposal, ReadConsistency, SendOutcome, SnapshotSent,
    SnapshotTaken,
};
pub use log::TermRuns;
pub use membership::{
    ADDRESS_BYTES_MAX, MemberInfo, Membership, MembershipChange, MembershipError,
    MembershipRefusal, MembershipRequest, Participation, Priority, PromoteWhen,
};
pub use message::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, DeclineReason, InstallSnapshot,
    InvalidMessage, LogSlice, Message, MessageRefusal, PreVote, PreVoteResponse, ReadIndex,
    ReadIndexResponse, RequestVote, RequestVoteResponse, Rpc, TimeoutNow, TimeoutNowResponse,
};
pub use node::{Node, ProgressKind, ProgressStatus, SnapshotProgress, SnapshotStage, Status};
pub use ports::{BrokenMark, HardState, LogReset, Persist, Recovered};
pub use prng::Prng;
pub use quorum::{MEMBERS_MAX, majority_of};
pub use recovery::RecoveryError;
pub use types::{
    ClusterId, FetchId, GroupId, Identity, Incarnation, LogId, LogIndex, NodeId, PersistId,
    ReadIndexId, RequestId, Round, Term, Timestamp,
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
