//! What every log store must do, as tests that anyone can run on a store of their own.
//!
//! Say how to open your store; opening again means a restart on the same data:
//! ```
//! use raft_storage::MemLogStore;
//! use raft_storage::conformance::StoreFactory;
//!
//! #[derive(Default)]
//! struct InMemory(MemLogStore);
//!
//! impl StoreFactory for InMemory {
//!     type Store = MemLogStore;
//!     fn open(&mut self) -> MemLogStore {
//!         self.0.restarted()
//!     }
//! }
//!
//! raft_storage::log_store_suite!(InMemory::default());
//! ```
//! The macro makes one `#[test]` a rule; put it into a module of its own in your tests.

mod model;
mod reading;
mod restart;
mod writing;

use std::time::Duration;

use bytes::Bytes;
use raft_core::ports::LogStore;
use raft_core::{
    Entry, HardState, LogId, LogIndex, Membership, NodeId, Payload, Persist, PersistId, Term,
};

pub use model::random_changes_agree_with_a_model;
pub use reading::{
    a_reader_never_sees_less_than_was_durable, a_reader_stops_at_its_limits,
    compacted_entries_are_not_read, truncated_entries_are_not_read,
};
pub use restart::{
    a_broken_mark_is_recovered, a_compacted_log_recovers_from_its_base,
    an_empty_store_recovers_nothing, entries_and_their_terms_are_recovered,
    large_entries_are_recovered, many_small_persists_are_recovered,
    memberships_are_recovered_with_their_indexes, the_vote_is_recovered,
};
pub use writing::{
    a_change_that_does_not_fit_is_refused_whole, a_merged_persist_is_as_good_as_single_ones,
    a_truncation_replaces_the_suffix, compacting_what_is_not_there_is_refused,
};

/// Makes stores for the suite.
pub trait StoreFactory {
    /// The store under test.
    type Store: LogStore;

    /// Opens the store: an empty one at first, then the same one again, as a process that was
    /// restarted does. The former store has been dropped.
    fn open(&mut self) -> Self::Store;
}

/// Makes a `#[test]` of every rule that a log store keeps. The argument is an expression that
/// makes a [`StoreFactory`] with an empty store; it is evaluated once a test.
#[macro_export]
macro_rules! log_store_suite {
    ($factory:expr) => {
        $crate::log_store_suite!(@tests $factory;
            an_empty_store_recovers_nothing
            entries_and_their_terms_are_recovered
            the_vote_is_recovered
            memberships_are_recovered_with_their_indexes
            a_broken_mark_is_recovered
            a_compacted_log_recovers_from_its_base
            large_entries_are_recovered
            many_small_persists_are_recovered
            a_merged_persist_is_as_good_as_single_ones
            a_truncation_replaces_the_suffix
            a_change_that_does_not_fit_is_refused_whole
            compacting_what_is_not_there_is_refused
            a_reader_stops_at_its_limits
            a_reader_never_sees_less_than_was_durable
            compacted_entries_are_not_read
            truncated_entries_are_not_read
            random_changes_agree_with_a_model
        );
    };
    (@tests $factory:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::conformance::$rule(&mut $factory);
            }
        )*
    };
}

/// How long a rule waits for another thread before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn id(index: u64, term: u64) -> LogId {
    LogId::new(Term(term), LogIndex(index))
}

/// An entry whose command tells where it belongs.
fn entry(index: u64, term: u64) -> Entry {
    Entry::command(id(index, term), Bytes::from(format!("command {index} of term {term}")))
}

fn membership_entry(index: u64, term: u64, voters: &[u64]) -> Entry {
    let membership = Membership::of_voters(voters.iter().copied().map(NodeId));
    Entry { id: id(index, term), payload: Payload::Membership(membership) }
}

/// A change that appends these entries, in the term of the last.
fn append(number: u64, entries: Vec<Entry>) -> Persist {
    let term = entries.last().map_or(Term(0), Entry::term);
    Persist {
        id: PersistId(number),
        hard_state: Some(HardState { term, voted_for: None, commit: LogIndex(0) }),
        truncate_from: None,
        entries,
        broken: None,
    }
}

/// The same, dropping everything from its first entry on.
fn replace(number: u64, entries: Vec<Entry>) -> Persist {
    let truncate_from = entries.first().map(Entry::index);
    Persist { truncate_from, ..append(number, entries) }
}

/// Opens and recovers a store.
fn recovered<F: StoreFactory>(factory: &mut F) -> (F::Store, raft_core::Recovered) {
    let mut store = factory.open();
    let recovered = store.recover().expect("a whole store recovers");
    (store, recovered)
}

/// Every entry in a range, whatever number of calls it takes.
fn read_all(store: &impl LogStore, from: u64, last: u64) -> Vec<Entry> {
    let mut reader = store.reader();
    let mut entries: Vec<Entry> = Vec::new();
    let mut next = LogIndex(from);
    while next <= LogIndex(last) {
        let run = reader.read(next, LogIndex(last), 256).expect("durable entries are read");
        let Some(end) = run.last().map(Entry::index) else { break };
        entries.extend(run);
        next = end.next();
    }
    entries
}
