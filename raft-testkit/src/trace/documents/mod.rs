//! Documents made from traces: a page a scenario with its tables and diagrams, and the matrix of
//! Raft's features against the scenarios that use and test them.

mod matrix;

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::diagram::svg;
use super::form::Form;
use super::reading::Reading;
use super::record::{Trace, TraceError};
use super::sequence::plantuml;
use super::table::{Diagrams, markdown, rst};

pub use matrix::{Matrix, Row};

/// The directory of the pictures, beside the pages.
const PICTURES: &str = "diagrams";

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
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
        if path.extension().is_some_and(|extension| extension == Form::Records.extension()) {
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

/// Writes the pages, the pictures and the matrix: `index.md`, and for every scenario its page as
/// Markdown, reStructuredText and HTML.
///
/// # Errors
/// When a file cannot be written, or a section names a feature that the registry lacks.
pub fn write(traces: &[Trace], out: &Path) -> Result<Written, DocumentsError> {
    let matrix = Matrix::of(traces)?;
    let pictures = out.join(PICTURES);
    fs::create_dir_all(&pictures)
        .map_err(|source| DocumentsError::File { path: pictures.clone(), source })?;
    for trace in traces {
        scenario(trace, out, &pictures)?;
    }
    let index = out.join("index.md");
    put(&index, &matrix.markdown())?;
    put(&out.join("index.rst"), &matrix.rst())?;
    let untested = matrix.untested().count();
    let tested = matrix.rows.len() - untested;
    Ok(Written { index, scenarios: traces.len(), tested, untested })
}

fn scenario(trace: &Trace, out: &Path, pictures: &Path) -> Result<(), DocumentsError> {
    let reading = Reading::of(trace);
    let name = &trace.header.scenario;
    let diagrams = Diagrams::Directory(PICTURES);
    put(&out.join(format!("{name}.md")), &markdown::page(&reading, diagrams))?;
    put(&out.join(format!("{name}.rst")), &rst::page(&reading, diagrams))?;
    put(&out.join(format!("{name}.html")), &Form::Html.draw(trace))?;
    for (place, part) in reading.parts.iter().enumerate() {
        let number = part.number.unwrap_or(0);
        let picture = pictures.join(format!("{name}_{number}.svg"));
        put(&picture, &svg::diagram(&reading, place))?;
        let text = pictures.join(format!("{name}_{number}.puml"));
        put(&text, &plantuml::diagram(&reading, part))?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), DocumentsError> {
    fs::write(path, text).map_err(|source| DocumentsError::File { path: path.to_owned(), source })
}
