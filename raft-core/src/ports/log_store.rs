//! The log store.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::log::TermRuns;
use crate::membership::Membership;
use crate::types::{LogId, LogIndex, NodeId, PersistId, Term};

/// The state that must survive a restart, besides the log (Raft figure 2, "persistent state").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term seen; never falls.
    pub term: Term,
    /// The node that received the vote of this node in that term; set at most once a term.
    pub voted_for: Option<NodeId>,
    /// The commit index when this was written. After a restart the node applies up to here without
    /// waiting for a leader. May be stale; never exceeds the true commit index.
    pub commit: LogIndex,
}

/// The mark of a log at which the state machine failed. A node does not start from such a log
/// before an operator removes the mark.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BrokenMark {
    /// The entry that failed.
    pub index: LogIndex,
    /// The error of the state machine.
    pub reason: String,
}

/// Replaces a prefix of the log, or all of it, by a base: the entries up to there are in a snapshot
/// (Raft §7), or the log is that of a new cluster and holds its first configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogReset {
    /// The new base: the last entry that the snapshot covers; [`LogId::ORIGIN`] in a new cluster.
    pub base: LogId,
    /// The configuration in force at the base, and its index, which is not after the base.
    pub membership: (LogIndex, Membership),
    /// Whether the entries after the base stay. Then the log holds the entry `base`, or ends at its
    /// base, which is `base`. Otherwise every entry is removed.
    pub keeps_later_entries: bool,
}

/// One atomic change: reset, then truncate, then append, then set the hard state and the broken
/// mark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Persist {
    /// Its number, reported when the change is durable.
    pub id: PersistId,
    /// The hard state to store; `None` keeps the stored one. The core sets it in every persist.
    pub hard_state: Option<HardState>,
    /// The new base of the log, if it is reset.
    pub reset: Option<LogReset>,
    /// Remove this entry and all after it. Then `entries` is not empty and begins at this index.
    pub truncate_from: Option<LogIndex>,
    /// Contiguous entries that continue the log.
    pub entries: Vec<Entry>,
    /// The broken mark, if it is set.
    pub broken: Option<BrokenMark>,
}

impl Persist {
    /// The change that makes a new store that of a member of a new cluster, before its first node
    /// starts. Every member of the cluster must be bootstrapped with the same configuration, and
    /// only once: a store that holds a configuration already is that of a running cluster.
    ///
    /// A node that joins a running cluster is not bootstrapped: it receives the configuration with
    /// the log.
    #[must_use]
    pub fn bootstrap(membership: Membership) -> Self {
        Self {
            id: PersistId(0),
            hard_state: None,
            reset: Some(LogReset {
                base: LogId::ORIGIN,
                membership: (LogIndex::ZERO, membership),
                keeps_later_entries: true,
            }),
            truncate_from: None,
            entries: Vec::new(),
            broken: None,
        }
    }
}

/// The contents of a store when it is opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The hard state; `HardState::default()` in an empty store.
    pub hard_state: HardState,
    /// The entry before the first one that the store holds: the last compacted entry.
    pub base: LogId,
    /// The term of every index in the store, contiguous from `base`.
    pub terms: TermRuns,
    /// Every membership in the log with its index, ascending. The first may be that of `base`.
    pub memberships: Vec<(LogIndex, Membership)>,
    /// The broken mark, if there is one.
    pub broken: Option<BrokenMark>,
}

/// Why an operation of a store failed. After an error of `persist` the store refuses all further
/// operations: it is unknown which bytes reached the disk, and a second sync could succeed without
/// writing them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the database failed.
    #[error("{operation} failed")]
    Io {
        /// The operation and its object.
        operation: String,
        /// The error of the disk or the database.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// The data read is not the data written.
    #[error("{what} is damaged: {detail}")]
    Corrupt {
        /// The record.
        what: String,
        /// The contradiction, and what to do.
        detail: String,
    },
    /// An earlier error made the store unusable. Restart the node.
    #[error("the store stopped after an earlier failure: {0}")]
    Poisoned(String),
    /// A request that breaks the contract of [`LogStore`].
    #[error("invalid request to the store: {0}")]
    Invalid(String),
}

/// Stores the log, the hard state and the broken mark of one node.
///
/// One thread calls the store; readers made by [`LogStore::reader`] may be used on other threads
/// at the same time.
pub trait LogStore: Send + 'static {
    /// Reads the contents. Called once, before any other method.
    ///
    /// # Errors
    /// When the disk fails or the contents contradict each other.
    fn recover(&mut self) -> Result<Recovered, StoreError>;

    /// Makes changes durable, in order, with one sync. On return all of them are durable. After an
    /// error any prefix of them may be durable, and the store refuses further calls.
    ///
    /// # Errors
    /// When the disk fails: the node must stop.
    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError>;

    /// Removes every entry up to and including `up_to`, which becomes the base. May free space
    /// later and need not be durable on return. Never removes a later entry.
    ///
    /// # Errors
    /// When the disk fails, or `up_to` is after the last entry.
    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError>;

    /// A reader of durable entries, for use on another thread.
    fn reader(&self) -> Box<dyn LogReader>;
}

/// Reads durable entries while the store writes.
pub trait LogReader: Send {
    /// The entries from `from` to `last`, both included, up to the one that reaches `bytes_max` of
    /// [`Entry::weight_bytes`]; at least one. An entry that is compacted or truncated meanwhile
    /// ends the result early, possibly without any entry.
    ///
    /// # Errors
    /// When the disk fails or an entry is damaged.
    fn read(
        &mut self,
        from: LogIndex,
        last: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, StoreError>;
}
