//! The log on disk.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::log::TermRuns;
use crate::membership::Membership;
use crate::types::{LogId, LogIndex, NodeId, PersistId, Term};

/// What a node must never forget (Raft figure 2, "persistent state").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term seen; never falls.
    pub term: Term,
    /// Whom this node voted for in that term; set at most once a term.
    pub voted_for: Option<NodeId>,
    /// How far the node knew the log to be committed when this was written. A hint that spares
    /// waiting after a restart: it may lag, it never lies.
    pub commit: LogIndex,
}

/// A mark that the state machine failed at an entry and the log must not be applied further
/// before an operator has looked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BrokenMark {
    /// The entry that failed.
    pub index: LogIndex,
    /// What the state machine said.
    pub reason: String,
}

/// One change to make durable, whole or not at all: first truncate, then append, then set the
/// hard state and the broken mark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Persist {
    /// Its number, reported back when durable.
    pub id: PersistId,
    /// The hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// Drop this entry and everything after it. Comes with at least one entry, whose index it is.
    pub truncate_from: Option<LogIndex>,
    /// Contiguous entries, beginning right after what the log holds then.
    pub entries: Vec<Entry>,
    /// Mark the log as broken.
    pub broken: Option<BrokenMark>,
}

/// What a store holds when it is opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The hard state; zeros in an empty store.
    pub hard_state: HardState,
    /// The entry just before the first that is kept: the end of what was compacted.
    pub base: LogId,
    /// The term of every kept index, as runs. Contiguous from `base`.
    pub terms: TermRuns,
    /// Every configuration in the kept log with its index, ascending; `base` may carry the first.
    pub memberships: Vec<(LogIndex, Membership)>,
    /// The broken mark, if there is one.
    pub broken: Option<BrokenMark>,
}

/// Why a store could not do what it was asked. After an error of `persist` the store refuses
/// everything: whether the bytes reached the disk is not known, and a second sync would lie.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database failed.
    #[error("{operation} failed")]
    Io {
        /// What was being done, and to which thing.
        operation: String,
        /// What the layer below said.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// What was read is not what was written.
    #[error("{what} is damaged: {detail}")]
    Corrupt {
        /// Which record.
        what: String,
        /// What does not fit, and what to do.
        detail: String,
    },
    /// An earlier error made the store unusable; restart the node.
    #[error("the store stopped after an earlier failure: {0}")]
    Poisoned(String),
    /// A request that no correct caller makes.
    #[error("invalid request to the store: {0}")]
    Invalid(String),
}

/// Holds the log, the hard state and the configurations of one node.
///
/// One thread calls the store; readers made by [`LogStore::reader`] may be used on other threads
/// at the same time.
pub trait LogStore: Send + 'static {
    /// Reads what is there. Called once, before anything else.
    ///
    /// # Errors
    /// When the disk fails or what is there contradicts itself.
    fn recover(&mut self) -> Result<Recovered, StoreError>;

    /// Makes a run of changes durable, in order, with one sync. On return all of them are
    /// durable; after an error any prefix may be, and the store refuses further calls.
    ///
    /// # Errors
    /// When the disk fails: the node must stop.
    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError>;

    /// Forgets every entry up to and including `up_to`, which becomes the base. May be lazy about
    /// freeing space; need not be durable on return, but never removes more than was asked.
    ///
    /// # Errors
    /// When the disk fails, or `up_to` lies past the last entry.
    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError>;

    /// A reader of durable entries for another thread.
    fn reader(&self) -> Box<dyn LogReader>;
}

/// Reads durable entries beside the writer.
pub trait LogReader: Send {
    /// The entries from `from` to `last`, both included, stopping after the one that reaches
    /// `bytes_max` of [`Entry::weight_bytes`]; at least one. What was compacted or truncated
    /// meanwhile ends the run early, possibly at nothing.
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
