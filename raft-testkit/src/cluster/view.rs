//! Looking at the cluster, and telling its story.

use raft_core::NodeId;
use raft_core::ports::{LogStore, StateMachine};

use super::Cluster;
use crate::condition::{ClusterView, NodeSummary};
use crate::features;
use crate::network::{Link, slot_of};
use crate::trace::record::{RecordKind, command_text};

/// Says more about the section that was just begun. Made by [`Cluster::section`].
#[derive(Debug)]
pub struct SectionNotes<'a, M: StateMachine, S: LogStore> {
    cluster: &'a mut Cluster<M, S>,
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Begins a part of the scenario.
    pub fn section(&mut self, title: &str) -> SectionNotes<'_, M, S> {
        self.record_cluster(RecordKind::Section {
            title: title.to_owned(),
            description: String::new(),
            uses: Vec::new(),
            tests: Vec::new(),
        });
        SectionNotes { cluster: self }
    }

    /// Says more about the section that is going on; before the first one it says nothing.
    pub fn last_section(&mut self) -> SectionNotes<'_, M, S> {
        SectionNotes { cluster: self }
    }

    /// Writes a remark into the trace.
    pub fn remark(&mut self, text: &str) {
        self.record_cluster(RecordKind::Note { text: text.to_owned() });
    }

    /// What waits in the outboxes and on the wire, a line each.
    pub(super) fn waiting_messages(&self) -> String {
        let wire = self.network.wire.iter().map(|in_flight| ("on the wire", in_flight));
        let outboxes = self.network.outboxes.iter().flatten().map(|f| ("in an outbox", f));
        let lines: Vec<String> = wire
            .chain(outboxes)
            .take(12)
            .map(|(place, in_flight)| {
                let message = &in_flight.message;
                let (from, to) = (message.from, message.to);
                format!("  {place}: {} {from} -> {to} term {}", message.body.kind(), message.term)
            })
            .collect();
        if lines.is_empty() { "  no message is under way".to_owned() } else { lines.join("\n") }
    }
}

impl<M: StateMachine, S: LogStore> SectionNotes<'_, M, S> {
    /// What it is about, at length.
    pub fn described(self, text: &str) -> Self {
        self.with(|kind| {
            if let RecordKind::Section { description, .. } = kind {
                text.clone_into(description);
            }
        })
    }

    /// Features of Raft that it relies on, by their paths in [`features`].
    ///
    /// # Panics
    /// If a path is not registered.
    pub fn uses(self, features: &[&str]) -> Self {
        check_paths(features);
        self.with(|kind| {
            if let RecordKind::Section { uses, .. } = kind {
                uses.extend(features.iter().map(|&feature| feature.to_owned()));
            }
        })
    }

    /// Features of Raft that it tests, by their paths in [`features`].
    ///
    /// # Panics
    /// If a path is not registered.
    pub fn tests(self, features: &[&str]) -> Self {
        check_paths(features);
        self.with(|kind| {
            if let RecordKind::Section { tests, .. } = kind {
                tests.extend(features.iter().map(|&feature| feature.to_owned()));
            }
        })
    }

    fn with(self, change: impl FnOnce(&mut RecordKind)) -> Self {
        if let Some(record) = self.cluster.recorder.last_section() {
            change(&mut record.kind);
        }
        self
    }
}

fn check_paths(paths: &[&str]) {
    for path in paths {
        if features::find(path).is_none() {
            let meant = features::nearest(path).map_or("none like it", |feature| feature.path);
            panic!("no feature has the path {path:?}; did you mean {meant:?}?");
        }
    }
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
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
            raft_core::Payload::Command(command) => Some(command_text(command)),
            raft_core::Payload::Empty | raft_core::Payload::Membership(_) => None,
        });
        commands.collect()
    }
}

impl<M: StateMachine, S: LogStore> ClusterView for Cluster<M, S> {
    fn summary(&self, node: u64) -> NodeSummary {
        let node = self.nodes.get(slot_of(NodeId(node))).expect("conditions name nodes that exist");
        let status = &node.status;
        NodeSummary {
            liveness: node.liveness,
            role: status.role,
            leader: status.leader.map(NodeId::get),
            last: status.last_log.index,
            commit: status.commit_index,
            applied: status.applied_index,
            // A leader begins with an entry of its term, and terms never fall along a log: the
            // whole log is committed only if that entry is.
            committed_in_term: status.last_log.term == status.term
                && status.commit_index == status.last_log.index,
        }
    }

    fn node_count(&self) -> u64 {
        self.nodes.len() as u64
    }

    fn nothing_to_send(&self) -> bool {
        self.network.nothing_to_send()
    }

    fn nothing_to_handle(&self) -> bool {
        self.network.nothing_to_handle()
    }

    fn is_connected(&self, from: u64, to: u64) -> bool {
        self.network.link(NodeId(from), NodeId(to)) == Link::Open
            && self.network.link(NodeId(to), NodeId(from)) == Link::Open
    }
}
