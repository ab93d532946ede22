//! Sections and remarks of the trace.

use raft_core::ports::{LogStore, StateMachine};

use super::sim_cluster::Cluster;
use crate::features;
use crate::trace::record::RecordKind;

/// Adds details to the current section. Made by [`Cluster::section`].
#[derive(Debug)]
pub struct SectionNotes<'a, M: StateMachine, S: LogStore> {
    cluster: &'a mut Cluster<M, S>,
}

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Begins a section of the scenario.
    pub fn section(&mut self, title: &str) -> SectionNotes<'_, M, S> {
        self.record_cluster(RecordKind::Section {
            title: title.to_owned(),
            description: String::new(),
            uses: Vec::new(),
            tests: Vec::new(),
        });
        SectionNotes { cluster: self }
    }

    /// Adds details to the current section; has no effect before the first section.
    pub fn last_section(&mut self) -> SectionNotes<'_, M, S> {
        SectionNotes { cluster: self }
    }

    /// Adds a remark to the trace.
    pub fn remark(&mut self, text: &str) {
        self.record_cluster(RecordKind::Note { text: text.to_owned() });
    }
}

impl<M: StateMachine, S: LogStore> SectionNotes<'_, M, S> {
    /// The description of the section.
    pub fn described(self, text: &str) -> Self {
        self.with(|kind| {
            if let RecordKind::Section { description, .. } = kind {
                text.clone_into(description);
            }
        })
    }

    /// The features of Raft that the section relies on, by their paths in [`features`].
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

    /// The features of Raft that the section tests, by their paths in [`features`].
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
            let nearest = features::nearest(path).map_or("none", |feature| feature.path);
            panic!("no feature has the path {path:?}; the nearest is {nearest:?}");
        }
    }
}
