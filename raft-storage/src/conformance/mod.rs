//! What every log store must do, as tests that anybody can run on a store of their own.
//!
//! Say how a store is opened, and again on the same data; the rest is one line:
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
//! A store may be lazy about compaction: what it still holds before the base is not looked at.

mod changes;
mod random;
mod rules;

use raft_core::ports::LogStore;

pub use random::any_sequence_of_operations_matches_the_model;
pub use rules::*;

/// Opens a store, and opens it again on the same data.
pub trait StoreFactory {
    /// The store under test.
    type Store: LogStore;

    /// The first call opens an empty store. Every later one opens what the previous store made
    /// durable, as after a restart; that store and its readers are gone by then.
    fn open(&mut self) -> Self::Store;
}

/// Hands the name of every rule to a macro. The one list of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_log_store_rule {
    ($then:ident, $argument:expr) => {
        $crate::$then! { $argument;
            an_empty_store_recovers_to_nothing
            what_was_appended_is_recovered
            entries_of_every_kind_come_back
            appends_continue_after_a_restart
            a_truncation_and_its_append_are_one_change
            a_truncation_may_fall_anywhere_in_an_earlier_append
            a_truncated_tail_never_returns
            the_hard_state_is_recovered
            the_hard_state_outlives_changes_without_one
            merged_changes_take_effect_in_order
            an_empty_persist_changes_nothing
            changes_that_do_not_fit_are_refused_and_leave_nothing
            after_an_error_the_store_refuses_everything
            compaction_never_removes_more_than_asked
            compaction_inside_an_append_keeps_its_rest
            compacting_twice_or_backwards_changes_nothing
            a_log_compacted_to_its_end_goes_on
            only_entries_of_the_log_are_compacted
            readers_keep_to_the_range_and_the_limit
            a_reader_sees_what_is_persisted_after_it_was_made
            a_reader_works_beside_the_writer
            a_reader_on_another_thread_sees_all_that_was_persisted
            compacted_entries_are_not_read
            memberships_are_recovered_with_their_places
            a_truncated_membership_is_forgotten
            the_membership_at_the_base_is_kept
            the_broken_mark_is_kept
            large_entries_come_back
            many_small_persists_come_back
            any_sequence_of_operations_matches_the_model
        }
    };
}

/// Expands to one `#[test]` for each rule. The argument makes a fresh [`StoreFactory`], and is
/// evaluated once a test; use the macro once a module.
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

/// Runs every rule, each on a fresh store.
///
/// # Panics
/// At the first rule that the store breaks.
pub fn run<F: StoreFactory>(mut fresh: impl FnMut() -> F) {
    crate::__each_log_store_rule! { __log_store_run, fresh }
}
