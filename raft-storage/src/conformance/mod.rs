//! A suite of tests for any log store; [`snapshots`] is one for any snapshot store.
//!
//! Implement [`StoreFactory`], which opens a store and reopens it on the same data, and add one
//! line:
//!
//! ```
//! use raft_storage::MemLogStore;
//! use raft_storage::conformance::StoreFactory;
//!
//! #[derive(Default)]
//! struct InMemory(MemLogStore);
//!
//! impl StoreFactory for InMemory {
//!     type Store = MemLogStore;
//!
//!     fn open(&mut self) -> MemLogStore {
//!         self.0.restarted()
//!     }
//! }
//!
//! // In a test crate: one `#[test]` for each rule.
//! raft_storage::log_store_suite!(InMemory::default());
//! # raft_storage::conformance::run(InMemory::default);
//! ```
//!
//! A store may compact lazily: entries that it retains before the base are not checked.

mod changes;
mod random;
mod rules;
pub mod snapshots;

use raft_core::ports::LogStore;

pub use random::any_sequence_of_operations_matches_the_model;
pub use rules::*;

/// Opens a store, and reopens it on the same data.
pub trait StoreFactory {
    /// The store under test.
    type Store: LogStore;

    /// The first call opens an empty store. Every later call opens the data that the previous store
    /// made durable, as after a restart. The previous store and its readers have been dropped.
    fn open(&mut self) -> Self::Store;
}

/// Passes the name of every rule to a macro. The only list of rules.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_log_store_rule {
    ($then:ident, $argument:expr) => {
        $crate::$then! { $argument;
            empty_store_recovers_an_empty_log
            appended_entries_are_recovered
            entries_of_every_kind_are_recovered
            appends_continue_after_a_restart
            truncation_and_its_append_are_one_change
            truncation_may_begin_inside_an_earlier_append
            truncated_entries_never_return
            the_hard_state_is_recovered
            hard_state_is_kept_by_changes_without_one
            merged_changes_take_effect_in_order
            an_empty_persist_changes_nothing
            invalid_changes_are_refused_and_write_nothing
            after_an_error_the_store_refuses_everything
            compaction_removes_no_entry_after_the_new_base
            compaction_inside_an_append_keeps_later_entries
            compacting_twice_or_backwards_changes_nothing
            log_compacted_to_its_end_accepts_appends
            only_entries_of_the_log_are_compacted
            reads_stay_within_range_and_limit
            reader_returns_entries_persisted_after_its_creation
            reads_are_consistent_during_writes
            reader_on_another_thread_returns_all_persisted_entries
            compacted_entries_are_not_read
            first_membership_of_a_cluster_is_recovered
            entries_discarded_by_a_reset_never_return
            reset_past_the_end_of_the_log_is_recovered
            reset_keeps_matching_entries_after_its_base
            reset_and_the_rest_of_its_change_are_one_change
            merged_resets_take_effect_in_order
            invalid_resets_are_refused_and_write_nothing
            compaction_after_a_reset_keeps_its_membership
            reads_during_resets_find_no_gap
            memberships_are_recovered_with_their_indexes
            truncated_membership_is_removed
            the_membership_at_the_base_is_kept
            the_broken_mark_is_kept
            large_entries_are_recovered
            many_small_persists_are_recovered
            any_sequence_of_operations_matches_the_model
        }
    };
}

/// Expands to one `#[test]` for each rule. The argument is evaluated once for each test and returns
/// a new [`StoreFactory`]. Use the macro at most once in a module.
#[macro_export]
macro_rules! log_store_suite {
    ($fresh:expr) => {
        $crate::__each_log_store_rule! { __log_store_tests, $fresh }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_store_tests {
    ($fresh:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::conformance::$rule(&mut $fresh);
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_store_run {
    ($fresh:expr; $($rule:ident)*) => {
        $( $rule(&mut $fresh()); )*
    };
}

/// Runs every rule, each on a new store.
///
/// # Panics
/// At the first rule that the store violates.
pub fn run<F: StoreFactory>(mut fresh: impl FnMut() -> F) {
    crate::__each_log_store_rule! { __log_store_run, fresh }
}
