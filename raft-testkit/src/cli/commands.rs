//! Carries out the commands.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use raft_testkit::script::{self, RunError};
use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::Trace;
use raft_testkit::trace::table::terminal::{self, Options, WIDTH_MAX};
use raft_testkit::trace::view::TraceView;
use raft_testkit::trace::{diff, documents};

use super::arguments::{Arguments, Command, OutputOptions};
use super::error::CommandError;
use super::output;

/// Carries out the command in the arguments of the process.
pub(crate) fn run() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            output::print_error(&error.to_string());
            ExitCode::from(2)
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, CommandError> {
    match command {
        Command::Run { file, to, output } => run_scenario(&file, to, output),
        Command::Render { trace, to, output } => {
            render(&read(&trace)?, to, output)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Why { trace, record } => why(&trace, record),
        Command::Docs { traces, out } => docs(&traces, &out),
        Command::Diff { a, b } => compare(&a, &b),
    }
}

fn run_scenario(
    path: &Path,
    to: Option<Format>,
    options: OutputOptions,
) -> Result<ExitCode, CommandError> {
    // A failing statement panics with a report, which is in the error too.
    std::panic::set_hook(Box::new(|_| {}));
    match (script::run_file(path), to) {
        (Ok(cluster), Some(format)) => render(&cluster.trace(), format, options)?,
        (Ok(cluster), None) => {
            let records = cluster.trace().records.len();
            let text = format!("{}: passed, {records} records\n", path.display());
            output::print(&text).map_err(CommandError::Output)?;
        }
        (Err(error @ (RunError::Failed { .. } | RunError::GoldenTable { .. })), _) => {
            output::print_error(&error.to_string());
            return Ok(ExitCode::FAILURE);
        }
        (Err(error), _) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn render(trace: &Trace, to: Format, options: OutputOptions) -> Result<(), CommandError> {
    let OutputOptions { out, details } = options;
    let text = if to == Format::Terminal {
        let colours = out.is_none() && output::colours();
        terminal::table(&TraceView::new(trace), Options { colours, details })
    } else {
        to.render(trace)
    };
    match out {
        Some(path) => {
            std::fs::write(&path, text).map_err(|source| CommandError::Io { path, source })
        }
        None => output::print(&text).map_err(CommandError::Output),
    }
}

fn why(path: &Path, record: u64) -> Result<ExitCode, CommandError> {
    let trace = read(path)?;
    let chain = TraceView::new(&trace).causes(record);
    if chain.is_empty() {
        let last = trace.records.len();
        return Err(CommandError::NoRecord { path: path.to_owned(), record, last });
    }
    let lines = terminal::record_lines(&chain, WIDTH_MAX);
    output::print(&(lines.join("\n") + "\n")).map_err(CommandError::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn docs(traces: &Path, out: &Path) -> Result<ExitCode, CommandError> {
    let summary = documents::write(&documents::read_directory(traces)?, out)?;
    let text = format!(
        "{}: {} scenarios; {} features tested, {} not tested\n",
        summary.index.display(),
        summary.scenarios,
        summary.tested,
        summary.untested,
    );
    output::print(&text).map_err(CommandError::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn compare(a: &Path, b: &Path) -> Result<ExitCode, CommandError> {
    let difference = diff::compare(&read(a)?, &read(b)?);
    output::print(&difference.text).map_err(CommandError::Output)?;
    Ok(ExitCode::from(u8::from(!difference.equal)))
}

fn read(path: &Path) -> Result<Trace, CommandError> {
    let result = if path == Path::new("-") {
        Trace::read(&mut std::io::stdin().lock())
    } else {
        let file = File::open(path)
            .map_err(|source| CommandError::Io { path: path.to_owned(), source })?;
        Trace::read(&mut BufReader::new(file))
    };
    result.map_err(|source| CommandError::Trace { path: path.to_owned(), source })
}
