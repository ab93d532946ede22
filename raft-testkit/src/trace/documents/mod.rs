//! Documents made from traces: a page a scenario with its tables and diagrams, and the matrix of
//! Raft's features against the scenarios that use and test them.

mod matrix;

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::diagram::svg;
use super::format::Format;
use super::record::{Trace, TraceError};
use super::sequence::plantuml;
use super::table::{DiagramPlacement, markdown, rst};
use super::view::TraceView;

pub use matrix::{FeatureMatrix, FeatureRow};

/// The directory of the diagrams_directory, beside the pages.
const DIAGRAMS_DIRECTORY: &str = "diagrams";

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The page to begin with.
    pub index: PathBuf,
    /// How many scenarios have pages.
    pub scenarios: usize,
    /// How many features a scenario tests.
    pub tested: usize,
    /// How many features nothing tests.
    pub untested: usize,
}

/// Why documents could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// A file or directory could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no trace.
    #[error("{}: {source}", path.display())]
    Trace {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: TraceError,
    },
    /// There is nothing to make documents from.
    #[error("{}: no traces (*.jsonl) are here; run the tests first", path.display())]
    NoTraces {
        /// The directory.
        path: PathBuf,
    },
    /// A section names a feature that the registry lacks.
    #[error("{scenario} names the feature {path:?}, which the registry lacks{hint}")]
    UnknownFeature {
        /// The scenario.
        scenario: String,
        /// The path that it names.
        path: String,
        /// A registered path that looks like it.
        hint: String,
    },
}

/// Reads every trace of a directory, in the order of their names.
///
/// # Errors
/// When the directory or a trace cannot be read, or there is none.
pub fn read_directory(directory: &Path) -> Result<Vec<Trace>, DocumentsError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| DocumentsError::File { path, source }
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let path = entry.map_err(at(directory))?.path();
        if path.extension().is_some_and(|extension| extension == Format::Records.extension()) {
            files.push(path);
        }
    }
    files.sort();
    let mut traces = Vec::new();
    for path in files {
        let file = File::open(&path).map_err(at(&path))?;
        let trace = Trace::read(&mut BufReader::new(file));
        traces.push(trace.map_err(|source| DocumentsError::Trace { path, source })?);
    }
    if traces.is_empty() {
        return Err(DocumentsError::NoTraces { path: directory.to_owned() });
    }
    Ok(traces)
}

/// Writes the pages, the diagrams_directory and the matrix: `index.md`, and for every scenario its page as
/// Markdown, reStructuredText and HTML.
///
/// # Errors
/// When a file cannot be written, or a section names a feature that the registry lacks.
pub fn write(traces: &[Trace], out: &Path) -> Result<Summary, DocumentsError> {
    let matrix = FeatureMatrix::new(traces)?;
    let diagrams_directory = out.join(DIAGRAMS_DIRECTORY);
    fs::create_dir_all(&diagrams_directory)
        .map_err(|source| DocumentsError::File { path: diagrams_directory.clone(), source })?;
    for trace in traces {
        write_scenario(trace, out, &diagrams_directory)?;
    }
    let index = out.join("index.md");
    write_file(&index, &matrix.markdown())?;
    write_file(&out.join("index.rst"), &matrix.rst())?;
    let untested = matrix.untested().count();
    let tested = matrix.rows.len() - untested;
    Ok(Summary { index, scenarios: traces.len(), tested, untested })
}

fn write_scenario(
    trace: &Trace,
    out: &Path,
    diagrams_directory: &Path,
) -> Result<(), DocumentsError> {
    let view = TraceView::new(trace);
    let name = &trace.header.scenario;
    let diagrams = DiagramPlacement::Directory(DIAGRAMS_DIRECTORY);
    write_file(&out.join(format!("{name}.md")), &markdown::page(&view, diagrams))?;
    write_file(&out.join(format!("{name}.rst")), &rst::page(&view, diagrams))?;
    write_file(&out.join(format!("{name}.html")), &Format::Html.render(trace))?;
    for (place, section) in view.sections.iter().enumerate() {
        let number = section.number.unwrap_or(0);
        let picture = diagrams_directory.join(format!("{name}_{number}.svg"));
        write_file(&picture, &svg::diagram(&view, place))?;
        let text = diagrams_directory.join(format!("{name}_{number}.puml"));
        write_file(&text, &plantuml::diagram(&view, section))?;
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), DocumentsError> {
    fs::write(path, text).map_err(|source| DocumentsError::File { path: path.to_owned(), source })
}
