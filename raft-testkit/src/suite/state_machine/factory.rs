//! The interface between the suite and a state machine.

use bytes::Bytes;
use raft_core::ports::StateMachine;

/// The state machine of one node of a test, and what the test applies to it.
pub trait StateMachineFactory {
    /// The state machine under test.
    type Machine: StateMachine;

    /// The first call opens an empty state machine. Every later call opens what the previous one
    /// left behind, as after a power failure: it loses everything, or everything that is not
    /// durable. The previous state machine and its captured states have been dropped.
    fn open(&mut self) -> Self::Machine;

    /// The command with this number. It depends on the number only. The first hundred should be of
    /// every kind, with commands that overwrite or remove the effects of others.
    fn command(&self, number: u64) -> Bytes;

    /// Queries whose results show the whole state.
    fn queries(&self) -> Vec<Bytes>;
}
