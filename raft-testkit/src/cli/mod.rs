//! The command line.

mod output;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use raft_testkit::script::{self, RunError};
use raft_testkit::trace::diff;
use raft_testkit::trace::documents::{self, DocumentsError};
use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::{Trace, TraceError};
use raft_testkit::trace::table::terminal::{self, Options, WIDTH_MAX};
use raft_testkit::trace::view::TraceView;

/// Runs scenarios of Raft clusters, and draws, explains and compares their traces.
///
/// Exit codes: 0 fine; 1 the scenario does not hold, or the traces differ; 2 something asked for is
/// wrong or cannot be read.
#[derive(Debug, Parser)]
#[command(name = "raft-testkit", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a scenario file, and says whether it holds.
    ///
    /// With UPDATE=1 its golden table is written anew.
    Run {
        /// The scenario (.raft).
        file: PathBuf,
        /// Draws its trace in this form: facts, rst, md, csv, term, puml, mermaid, svg, html or
        /// jsonl.
        #[arg(long)]
        to: Option<Format>,
        #[command(flatten)]
        drawing: Drawing,
    },
    /// Draws a trace in another form.
    Render {
        /// The trace (JSON Lines), or - for standard input.
        trace: PathBuf,
        /// The form: facts, rst, md, csv, term, puml, mermaid, svg, html or jsonl.
        #[arg(long, default_value = "term")]
        to: Format,
        #[command(flatten)]
        drawing: Drawing,
    },
    /// Shows the chain of causes that led to a record.
    Why {
        /// The trace.
        trace: PathBuf,
        /// The record's number.
        sequence: u64,
    },
    /// Writes a page for every trace of a directory, and the matrix of features and scenarios.
    Docs {
        /// The directory of the traces (*.jsonl).
        #[arg(long)]
        traces: PathBuf,
        /// Where the documents go.
        #[arg(long)]
        out: PathBuf,
    },
    /// Compares two traces: what happened, whatever the record numbers and times.
    Diff {
        /// One trace.
        a: PathBuf,
        /// Another.
        b: PathBuf,
    },
}

/// How and where a trace is drawn.
#[derive(Debug, Args)]
struct Drawing {
    /// Where to write it; standard output without.
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Shows disk writes, timers and applies too (term only).
    #[arg(long)]
    details: bool,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Trace { path: PathBuf, source: TraceError },
    #[error("{}: there is no record {sequence}; the last one is {last}", path.display())]
    NoRecord { path: PathBuf, sequence: u64, last: usize },
    #[error("{}: {source}{}", path.display(), cause(source))]
    Scenario { path: PathBuf, source: RunError },
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    #[error("writing to standard output: {0}")]
    Output(std::io::Error),
}

/// Runs the command that the arguments ask for.
pub(crate) fn run() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            output::complain(&failure.to_string());
            ExitCode::from(2)
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run { file, to, drawing } => run_scenario(file, to, drawing),
        Command::Render { trace, to, drawing } => {
            draw(&read(&trace)?, to, drawing)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Why { trace, sequence } => why(&trace, sequence),
        Command::Docs { traces, out } => docs(&traces, &out),
        Command::Diff { a, b } => compare(&a, &b),
    }
}

fn run_scenario(path: PathBuf, to: Option<Format>, drawing: Drawing) -> Result<ExitCode, Failure> {
    // A broken rule arrives as a report; the panic that carried it has nothing to add.
    std::panic::set_hook(Box::new(|_| {}));
    match (script::run_file(&path), to) {
        (Ok(cluster), Some(form)) => {
            draw(&cluster.trace(), form, drawing)?;
            Ok(ExitCode::SUCCESS)
        }
        (Ok(cluster), None) => {
            let records = cluster.trace().records.len();
            let text = format!("{}: holds, {records} records\n", path.display());
            output::print(&text).map_err(Failure::Output)?;
            Ok(ExitCode::SUCCESS)
        }
        (Err(failed @ (RunError::Failed { .. } | RunError::Trace { .. })), _) => {
            output::complain(&format!("{}: {failed}", path.display()));
            Ok(ExitCode::FAILURE)
        }
        (Err(source @ (RunError::File { .. } | RunError::Script(_))), _) => {
            Err(Failure::Scenario { path, source })
        }
    }
}

fn draw(trace: &Trace, to: Format, drawing: Drawing) -> Result<(), Failure> {
    let Drawing { out, details } = drawing;
    let text = if to == Format::Terminal {
        let colours = out.is_none() && output::colours();
        terminal::table(&TraceView::new(trace), Options { colours, details })
    } else {
        to.render(trace)
    };
    match out {
        Some(path) => std::fs::write(&path, text).map_err(|source| Failure::Open { path, source }),
        None => output::print(&text).map_err(Failure::Output),
    }
}

fn why(path: &Path, sequence: u64) -> Result<ExitCode, Failure> {
    let trace = read(path)?;
    let chain = TraceView::new(&trace).causes(sequence);
    if chain.is_empty() {
        let last = trace.records.len();
        return Err(Failure::NoRecord { path: path.to_owned(), sequence, last });
    }
    let lines = terminal::record_lines(&chain, WIDTH_MAX);
    output::print(&(lines.join("\n") + "\n")).map_err(Failure::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn docs(traces: &Path, out: &Path) -> Result<ExitCode, Failure> {
    let written = documents::write(&documents::read_directory(traces)?, out)?;
    let text = format!(
        "{} scenarios; {} features tested, {} not: {}\n",
        written.scenarios,
        written.tested,
        written.untested,
        written.index.display()
    );
    output::print(&text).map_err(Failure::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn compare(a: &Path, b: &Path) -> Result<ExitCode, Failure> {
    let report = diff::compare(&read(a)?, &read(b)?);
    output::print(&report.text).map_err(Failure::Output)?;
    Ok(ExitCode::from(u8::from(!report.equal)))
}

fn read(path: &Path) -> Result<Trace, Failure> {
    let result = if path == Path::new("-") {
        Trace::read(&mut std::io::stdin().lock())
    } else {
        let file =
            File::open(path).map_err(|source| Failure::Open { path: path.to_owned(), source })?;
        Trace::read(&mut BufReader::new(file))
    };
    result.map_err(|source| Failure::Trace { path: path.to_owned(), source })
}

/// What the system said of a scenario file.
fn cause(error: &RunError) -> String {
    std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"))
}
