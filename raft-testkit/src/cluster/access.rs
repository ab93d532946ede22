//! Reading the state of the nodes, the clock and the trace.

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{FetchEntries, Payload, Persist, Status, Timestamp};

use super::sim_cluster::Cluster;
use crate::check::Violation;
use crate::trace::record::{Record, Trace, command_text};

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// What a node says of itself; of one that is down, what it said last.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn status(&mut self, node: u64) -> &Status {
        let at = self.slot(node);
        &self.nodes[at].status
    }

    /// A node's state machine.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn machine(&mut self, node: u64) -> &M {
        let at = self.slot(node);
        &self.nodes[at].machine
    }

    /// A node's store.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn store(&mut self, node: u64) -> &S {
        let at = self.slot(node);
        self.nodes[at].store.as_ref().expect("a store is away only while its node restarts")
    }

    /// The commands in a node's durable log, as text, in order: what a test compares logs by.
    ///
    /// # Panics
    /// If there is no such node, or its store cannot be read.
    pub fn durable_commands(&mut self, node: u64) -> Vec<String> {
        let last = self.status(node).persisted_index;
        let first = self.status(node).first_index;
        if last < first {
            return Vec::new();
        }
        let mut reader = self.store(node).reader();
        let entries = reader.read(first, last, u64::MAX).expect("the store can be read");
        let commands = entries.iter().filter_map(|entry| match &entry.payload {
            Payload::Command(command) => Some(command_text(command)),
            Payload::Empty | Payload::Membership(_) => None,
        });
        commands.collect()
    }

    /// The changes that the node's disk has not made durable yet.
    pub fn waiting_persists(&mut self, node: u64) -> Vec<&Persist> {
        let at = self.slot(node);
        self.nodes[at].persists.iter().map(|(change, _)| change).collect()
    }

    /// The node's requests for entries from its store that are not answered yet, oldest first.
    pub fn waiting_fetches(&mut self, node: u64) -> Vec<&FetchEntries> {
        let at = self.slot(node);
        self.nodes[at].fetches.iter().map(|(request, _)| request).collect()
    }

    /// Virtual time since the cluster began, in nanoseconds.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How many inputs the nodes have been given.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The rule that broke, in a cluster that does not panic at it.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.checker.violation()
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.recorder.trace()
    }

    /// The records so far.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.recorder.records()
    }
}
