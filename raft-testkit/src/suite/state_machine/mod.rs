//! The rules of a [`StateMachine`](raft_core::ports::StateMachine), as tests.
//!
//! The tests of a state machine implement [`StateMachineFactory`] and call
//! [`state_machine_suite!`](crate::state_machine_suite). The suite observes a state machine by its
//! outputs and by the results of the queries of the factory.

mod factory;
mod node;
pub mod rules;
mod sources;
#[cfg(test)]
mod tests;

pub use self::factory::StateMachineFactory;

/// Makes one test for each rule of [`suite::state_machine`](crate::suite::state_machine). The
/// expression makes a new [`StateMachineFactory`](crate::suite::state_machine::StateMachineFactory)
/// and is evaluated once for each node of a test. Use the macro at most once in a module.
///
/// ```
/// use bytes::Bytes;
/// use raft_testkit::Counter;
/// use raft_testkit::suite::state_machine::StateMachineFactory;
///
/// struct Counters;
///
/// impl StateMachineFactory for Counters {
///     type Machine = Counter;
///
///     fn open(&mut self) -> Counter {
///         Counter::default() // in memory: a crash loses everything
///     }
///
///     fn command(&self, number: u64) -> Bytes {
///         Bytes::from(format!("add {number}"))
///     }
///
///     fn queries(&self) -> Vec<Bytes> {
///         vec![Bytes::new()]
///     }
/// }
///
/// mod state_machine {
///     raft_testkit::state_machine_suite!(super::Counters);
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! state_machine_suite {
    ($fresh:expr) => {
        $crate::state_machine_suite!(@rules $fresh;
            same_commands_give_the_same_outputs_and_state
            the_division_into_batches_does_not_matter
            staged_bytes_are_zero_after_a_flush
            durable_applied_never_exceeds_the_last_flush
            a_crash_loses_nothing_that_is_durable
            captured_state_restores_into_an_empty_machine
            captured_state_replaces_an_existing_state
            restored_machine_continues_like_the_original
            restored_machine_can_be_captured
            captured_state_is_that_at_its_capture
            captured_states_are_independent
            captured_state_remains_readable_after_a_restore
            short_reads_restore_the_same_state
            truncated_state_is_refused
            extended_state_is_refused
            state_of_another_kind_is_refused
            changed_bytes_are_refused_or_restored
            failing_source_is_refused
            a_crash_after_a_restore_keeps_what_is_durable
            a_crash_during_a_restore_keeps_the_old_state
        );
    };
    (@rules $fresh:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::suite::state_machine::rules::$rule(|| $fresh);
            }
        )*
    };
}
