//! The features of Raft and the scenarios that use and test them.

use std::fmt::Write as _;

use super::error::DocumentsError;
use super::source;
use crate::features::{self, Feature};
use crate::trace::record::{RecordKind, Trace};
use crate::trace::table::markdown::escaped;

/// The mark of a scenario that tests a feature.
pub(super) const TESTED: &str = "●";
/// The mark of a scenario that uses a feature and does not test it.
pub(super) const USED: &str = "○";

/// The features and the scenarios.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureMatrix {
    /// The name and the title of each scenario.
    pub scenarios: Vec<(String, String)>,
    /// One row for each feature, in the order of the registry.
    pub rows: Vec<FeatureRow>,
}

/// The scenarios of one feature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureRow {
    /// The feature.
    pub feature: &'static Feature,
    /// The scenarios that use it, by position.
    pub uses: Vec<usize>,
    /// The scenarios that test it, by position.
    pub tests: Vec<usize>,
}

impl FeatureMatrix {
    /// Builds the matrix from the sections of the traces.
    ///
    /// # Errors
    /// A section names a feature that is not registered.
    pub fn new(traces: &[&Trace]) -> Result<Self, DocumentsError> {
        let row = |&feature: &&'static Feature| FeatureRow { feature, uses: vec![], tests: vec![] };
        let mut rows: Vec<FeatureRow> = features::ALL.iter().map(row).collect();
        for (place, trace) in traces.iter().enumerate() {
            for record in &trace.records {
                let RecordKind::Section { uses, tests, .. } = &record.kind else { continue };
                for path in uses {
                    add_scenario(&mut row_of(&mut rows, trace, path)?.uses, place);
                }
                for path in tests {
                    add_scenario(&mut row_of(&mut rows, trace, path)?.tests, place);
                }
            }
        }
        let named = |trace: &&Trace| (trace.header.scenario.clone(), source::title(&trace.header));
        Ok(Self { scenarios: traces.iter().map(named).collect(), rows })
    }

    /// The features that no scenario tests, neither directly nor by a branch.
    pub fn untested(&self) -> impl Iterator<Item = &FeatureRow> {
        self.rows.iter().filter(|row| !self.is_tested(row))
    }

    pub(super) fn is_tested(&self, row: &FeatureRow) -> bool {
        let path = row.feature.path;
        let covers =
            |other: &FeatureRow| other.feature.path == path || other.feature.family() == path;
        self.rows.iter().any(|other| covers(other) && !other.tests.is_empty())
    }

    /// The matrix as a Markdown page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = "# Scenarios and features of Raft\n\n".to_owned();
        for (at, (name, title)) in self.scenarios.iter().enumerate() {
            let title = escaped(title);
            let _ = writeln!(out, "{}. [{title}]({name}.md) ([page]({name}.html))", at + 1);
        }
        out.push_str(
            "\nThe numbers are those of the scenarios above.\n\n\
             | feature | source | tested by | used by |\n| --- | --- | --- | --- |\n",
        );
        for row in &self.rows {
            let branch = if row.feature.is_branch() { "&nbsp;&nbsp;&nbsp;" } else { "" };
            let title =
                format!("<span title=\"{}\">{}</span>", row.feature.path, row.feature.title);
            let links = |places: &[usize]| {
                self.numbered(places, |number, name| format!("[{number}]({name}.md)"))
            };
            let (tests, uses) = (links(&row.tests), links(&row.uses));
            let _ =
                writeln!(out, "| {branch}{title} | {} | {tests} | {uses} |", row.feature.source);
        }
        if self.untested().next().is_some() {
            out.push_str("\n## Features without a test\n\n");
        }
        for row in self.untested() {
            let Feature { path, title, description, source } = row.feature;
            let _ = writeln!(out, "- **{title}** (`{path}`; {source}). {description}");
        }
        out
    }

    /// The matrix as a reStructuredText page.
    #[must_use]
    pub fn rst(&self) -> String {
        let title = "Scenarios and features of Raft";
        let rule = "=".repeat(title.len());
        let mut out = format!("{rule}\n{title}\n{rule}\n\n.. toctree::\n   :maxdepth: 1\n\n");
        for (name, _) in &self.scenarios {
            let _ = writeln!(out, "   {name}");
        }
        out.push_str(
            "\n.. list-table::\n   :header-rows: 1\n\n   * - feature\n     - source\n     \
             - tested by\n     - used by\n",
        );
        for row in &self.rows {
            let links = |places: &[usize]| {
                self.numbered(places, |number, name| format!(":doc:`{number} <{name}>`"))
            };
            let (tests, uses) = (links(&row.tests), links(&row.uses));
            let Feature { path, source, .. } = row.feature;
            for (mark, cell) in ["* -", "  -", "  -", "  -"].iter().zip([
                &format!("``{path}``"),
                &source.to_string(),
                &tests,
                &uses,
            ]) {
                let _ = writeln!(out, "{}", format!("   {mark} {cell}").trim_end());
            }
        }
        let heading = "Features without a test";
        if self.untested().next().is_some() {
            let _ = write!(out, "\n{heading}\n{}\n\n", "=".repeat(heading.len()));
        }
        for row in self.untested() {
            let Feature { path, title, description, source } = row.feature;
            let _ = writeln!(out, "- **{title}** (``{path}``; {source}). {description}");
        }
        out
    }

    /// Links to scenarios, each with its number.
    fn numbered(&self, places: &[usize], link: impl Fn(usize, &str) -> String) -> String {
        let scenarios = places.iter().filter_map(|&at| Some((at + 1, self.scenarios.get(at)?)));
        let links: Vec<String> = scenarios.map(|(number, (name, _))| link(number, name)).collect();
        links.join(", ")
    }
}

impl FeatureRow {
    pub(super) fn mark(&self, scenario: usize) -> &'static str {
        if self.tests.contains(&scenario) {
            TESTED
        } else if self.uses.contains(&scenario) {
            USED
        } else {
            ""
        }
    }
}

fn add_scenario(places: &mut Vec<usize>, place: usize) {
    if places.last() != Some(&place) {
        places.push(place);
    }
}

fn row_of<'r>(
    rows: &'r mut [FeatureRow],
    trace: &Trace,
    path: &str,
) -> Result<&'r mut FeatureRow, DocumentsError> {
    rows.iter_mut().find(|row| row.feature.path == path).ok_or_else(|| {
        let hint = features::nearest(path)
            .map_or_else(String::new, |near| format!("; did you mean {:?}?", near.path));
        let scenario = trace.header.scenario.clone();
        DocumentsError::UnknownFeature { scenario, path: path.to_owned(), hint }
    })
}
