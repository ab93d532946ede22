//! Reads the traces of a directory and writes their documents.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::error::DocumentsError;
use super::matrix::FeatureMatrix;
use super::{index, matrix_page, source};
use crate::trace::diagram::svg;
use crate::trace::format::Format;
use crate::trace::page;
use crate::trace::record::Trace;
use crate::trace::sequence::plantuml;
use crate::trace::table::{DiagramPlacement, markdown, rst};
use crate::trace::view::TraceView;

/// The directory of the diagrams, beside the pages.
const DIAGRAMS_DIRECTORY: &str = "diagrams";

/// The page that lists the scenarios.
const INDEX: &str = "index.html";

/// What [`write()`] has written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The page that lists the scenarios.
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

/// Writes the index (`index.html`), the matrix of features (`matrix.html`, `index.md`,
/// `index.rst`), and for each scenario a page in HTML, Markdown and reStructuredText, a table in text,
/// and the diagrams of the scenario and of each section.
///
/// # Errors
/// A file cannot be written, or a section names a feature that is not registered.
pub fn write(traces: &[Trace], out: &Path) -> Result<Summary, DocumentsError> {
    let traces = source::ordered(traces);
    let matrix = FeatureMatrix::new(&traces)?;
    let diagrams = out.join(DIAGRAMS_DIRECTORY);
    fs::create_dir_all(&diagrams)
        .map_err(|source| DocumentsError::Io { path: diagrams.clone(), source })?;
    for trace in &traces {
        write_scenario(trace, out, &diagrams)?;
    }
    let index = out.join(INDEX);
    write_file(&index, &index::page(&traces, &matrix))?;
    write_file(&out.join("matrix.html"), &matrix_page::page(&matrix))?;
    write_file(&out.join("index.md"), &matrix.markdown())?;
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
    write_file(&out.join(format!("{name}.html")), &page::html(&view, Some(INDEX)))?;
    for format in [Format::Terminal, Format::Svg] {
        let path = out.join(format!("{name}.{}", format.extension()));
        write_file(&path, &format.render(trace))?;
    }
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
