//! Where scenarios are defined, and their order in documents.

use crate::trace::record::{Header, Trace};

/// The part of the workspace in which a scenario is defined. Scenario files come first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Group {
    Files,
    /// The tests of one module: `raft-core elections`.
    Module(String),
    Unknown,
}

impl Group {
    pub(super) fn of(header: &Header) -> Self {
        let source = header.source.as_str();
        if source.is_empty() {
            Self::Unknown
        } else if source.ends_with(".raft") {
            Self::Files
        } else {
            let module = source.rsplit_once("::").map_or(source, |(module, _)| module);
            Self::Module(module.to_owned())
        }
    }

    pub(super) fn title(&self) -> String {
        match self {
            Self::Files => "Scenario files".to_owned(),
            Self::Module(module) => format!("Tests of {}", module.replacen(' ', ": ", 1)),
            Self::Unknown => "Other traces".to_owned(),
        }
    }
}

/// Orders traces by group, then by name.
pub(super) fn ordered(traces: &[Trace]) -> Vec<&Trace> {
    let mut ordered: Vec<&Trace> = traces.iter().collect();
    ordered.sort_by_cached_key(|trace| (Group::of(&trace.header), trace.header.scenario.clone()));
    ordered
}

/// The title of a scenario as a heading.
pub(super) fn title(header: &Header) -> String {
    let title = if header.title.is_empty() { &header.scenario } else { &header.title };
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
