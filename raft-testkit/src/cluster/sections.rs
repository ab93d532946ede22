//! Looking at the cluster, and telling its story.

use raft_core::ports::{LogStore, StateMachine};

use super::sim_cluster::Cluster;
use crate::features;
use crate::trace::record::RecordKind;

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

impl<M: StateMachine, S: LogStore> Cluster<M, S> {}
