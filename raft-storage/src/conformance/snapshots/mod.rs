//! A suite of tests for any snapshot store.
//!
//! Implement [`SnapshotStoreFactory`], which opens a store and reopens it on the same data, and add
//! one line:
//!
//! ```
//! use raft_storage::MemSnapshotStore;
//! use raft_storage::conformance::snapshots::SnapshotStoreFactory;
//!
//! #[derive(Default)]
//! struct InMemory(MemSnapshotStore);
//!
//! impl SnapshotStoreFactory for InMemory {
//!     type Store = MemSnapshotStore;
//!
//!     fn open(&mut self) -> MemSnapshotStore {
//!         self.0.restarted()
//!     }
//! }
//!
//! // In a test crate: one `#[test]` for each rule.
//! raft_storage::snapshot_store_suite!(InMemory::default());
//! # raft_storage::conformance::snapshots::run(InMemory::default);
//! ```

mod publication;
mod random;
mod reception;
mod samples;

use raft_core::ports::SnapshotStore;

pub use publication::*;
pub use random::any_sequence_of_snapshot_operations_matches_the_model;
pub use reception::*;

/// Opens a snapshot store, and reopens it on the same data.
pub trait SnapshotStoreFactory {
    /// The store under test.
    type Store: SnapshotStore;

    /// The first call opens an empty store. Every later call opens the data that the previous store
    /// made durable, as after a restart. The previous store, its writers and its readers have been
    /// dropped.
    fn open(&mut self) -> Self::Store;
}

/// Passes the name of every rule to a macro. The only list of rules.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_snapshot_store_rule {
    ($then:ident, $argument:expr) => {
        $crate::$then! { $argument;
            new_store_holds_no_snapshot
            finished_snapshot_is_listed_and_read_back
            unfinished_snapshot_does_not_exist
            snapshots_are_listed_in_order
            snapshot_is_read_from_any_offset
            removed_snapshot_stays_readable_through_its_readers
            removed_snapshots_are_absent_after_a_restart
            second_snapshot_of_the_same_entry_replaces_the_first
            one_writer_exists_for_each_snapshot
            membership_after_the_last_entry_is_refused
            snapshots_are_written_and_read_by_several_threads
            received_snapshot_is_that_of_its_sender
            interrupted_reception_continues_where_it_stopped
            reception_of_other_data_begins_anew
            received_data_that_differs_from_its_description_is_refused
            reception_keeps_the_complete_snapshots
            any_sequence_of_snapshot_operations_matches_the_model
        }
    };
}

/// Expands to one `#[test]` for each rule. The argument is evaluated once for each test and returns
/// a new [`SnapshotStoreFactory`]. Use the macro at most once in a module.
#[macro_export]
macro_rules! snapshot_store_suite {
    ($fresh:expr) => {
        $crate::__each_snapshot_store_rule! { __snapshot_store_tests, $fresh }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __snapshot_store_tests {
    ($fresh:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::conformance::snapshots::$rule(&mut $fresh);
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __snapshot_store_run {
    ($fresh:expr; $($rule:ident)*) => {
        $( $rule(&mut $fresh()); )*
    };
}

/// Runs every rule, each on a new store.
///
/// # Panics
/// At the first rule that the store violates.
pub fn run<F: SnapshotStoreFactory>(mut fresh: impl FnMut() -> F) {
    crate::__each_snapshot_store_rule! { __snapshot_store_run, fresh }
}
