//! What can be wrong with a scenario file, and with the run of a scenario.

use std::io;
use std::path::PathBuf;

/// A statement that cannot be parsed, with its place in the text and what is allowed there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {message}\n  {text}\n  {caret}\n  allowed: {allowed}")]
#[non_exhaustive]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What is allowed instead.
    pub allowed: String,
    /// The text of the line.
    pub text: String,
    /// Carets below the wrong part of `text`.
    pub caret: String,
}

/// A statement that failed while the scenario ran.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {statement}\n{report}")]
#[non_exhaustive]
pub struct Failure {
    /// The line, from 1.
    pub line: usize,
    /// The text of the statement.
    pub statement: String,
    /// The report: see [`failure_report`](crate::trace::report::failure_report).
    pub report: String,
}

/// Why [`run_file`](super::run_file) failed. Every variant names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The scenario file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a scenario.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The scenario file.
        path: PathBuf,
        /// What cannot be parsed.
        source: Box<ParseError>,
    },
    /// A statement failed: an expectation or a rule of Raft does not hold.
    #[error("{}: {source}", path.display())]
    Failed {
        /// The scenario file.
        path: PathBuf,
        /// The statement and the report.
        source: Failure,
    },
    /// The trace differs from the golden table in the file.
    #[error(
        "{}: line {line}: the trace differs from the golden table; UPDATE=1 rewrites the table\n  \
         expected: {expected}\n  actual:   {actual}",
        path.display()
    )]
    GoldenTable {
        /// The scenario file.
        path: PathBuf,
        /// The first line of the file that differs, from 1.
        line: usize,
        /// That line of the golden table.
        expected: String,
        /// That line of the table of this run.
        actual: String,
    },
}
