//! Reads the traces of a directory and writes their documents.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::error::DocumentsError;
use super::matrix::FeatureMatrix;
use crate::trace::diagram::svg;
use crate::trace::format::Format;
use crate::trace::record::Trace;
use crate::trace::sequence::plantuml;
use crate::trace::table::{DiagramPlacement, markdown, rst};
use crate::trace::view::TraceView;

/// The directory of the diagrams, beside the pages.
const DIAGRAMS_DIRECTORY: &str = "diagrams";

/// What [`write()`] has written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The index page in Markdown.
    pub index: PathBuf,
    /// The number of scenarios.
    pub scenarios: usize,
    /// The number of features that a scenario tests.
    pub tested: usize,
    /// The number of features that no scenario tests.
    pub untested: usize,
}

/// Reads every trace of a directory, ordered by file name.
///
/// # Errors
/// The directory or a trace cannot be read, or there is no trace.
pub fn read_directory(directory: &Path) -> Result<Vec<Trace>, DocumentsError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| DocumentsError::Io { path, source }
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

/// Writes the matrix of features (`index.md`, `index.rst`), a page for each scenario in Markdown,
/// reStructuredText and HTML, and a diagram for each section.
///
/// # Errors
/// A file cannot be written, or a section names a feature that is not registered.
pub fn write(traces: &[Trace], out: &Path) -> Result<Summary, DocumentsError> {
    let matrix = FeatureMatrix::new(traces)?;
    let diagrams = out.join(DIAGRAMS_DIRECTORY);
    fs::create_dir_all(&diagrams)
        .map_err(|source| DocumentsError::Io { path: diagrams.clone(), source })?;
    for trace in traces {
        write_scenario(trace, out, &diagrams)?;
    }
    let index = out.join("index.md");
    write_file(&index, &matrix.markdown())?;
    write_file(&out.join("index.rst"), &matrix.rst())?;
    let untested = matrix.untested().count();
    let tested = matrix.rows.len() - untested;
    Ok(Summary { index, scenarios: traces.len(), tested, untested })
}

fn write_scenario(trace: &Trace, out: &Path, diagrams: &Path) -> Result<(), DocumentsError> {
    let view = TraceView::new(trace);
    let name = &trace.header.scenario;
    let placement = DiagramPlacement::Directory(DIAGRAMS_DIRECTORY);
    write_file(&out.join(format!("{name}.md")), &markdown::page(&view, placement))?;
    write_file(&out.join(format!("{name}.rst")), &rst::page(&view, placement))?;
    write_file(&out.join(format!("{name}.html")), &Format::Html.render(trace))?;
    for (position, section) in view.sections.iter().enumerate() {
        let number = section.number.unwrap_or(0);
        let picture = diagrams.join(format!("{name}_{number}.svg"));
        write_file(&picture, &svg::diagram(&view, position))?;
        let text = diagrams.join(format!("{name}_{number}.puml"));
        write_file(&text, &plantuml::diagram(&view, section))?;
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), DocumentsError> {
    fs::write(path, text).map_err(|source| DocumentsError::Io { path: path.to_owned(), source })
}
