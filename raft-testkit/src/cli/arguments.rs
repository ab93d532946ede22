//! The arguments of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use raft_testkit::trace::format::Format;

/// Runs scenarios of Raft clusters; renders, explains and compares their traces.
///
/// Exit codes: 0 success; 1 a scenario fails, or traces differ; 2 wrong arguments, or a file that
/// cannot be read, written or parsed.
#[derive(Debug, Parser)]
#[command(name = "raft-testkit", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a scenario file and reports whether every expectation holds.
    ///
    /// With UPDATE=1 in the environment it replaces the golden table of the file.
    Run {
        /// The scenario file (.raft).
        file: PathBuf,
        /// Renders the trace of the run in this format.
        #[arg(long, value_name = "FORMAT", help = format_help("Renders the trace of the run in this format"))]
        to: Option<Format>,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Renders a trace in another format.
    Render {
        /// The trace (.jsonl), or - for standard input.
        trace: PathBuf,
        /// The format.
        #[arg(long, value_name = "FORMAT", default_value = "term", help = format_help("The format"))]
        to: Format,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Prints the chain of causes of a record.
    Why {
        /// The trace (.jsonl), or - for standard input.
        trace: PathBuf,
        /// The number of the record.
        record: u64,
    },
    /// Writes a page for each trace of a directory, and the matrix of features and scenarios.
    Docs {
        /// The directory of the traces (*.jsonl).
        #[arg(long, value_name = "DIRECTORY")]
        traces: PathBuf,
        /// The directory of the documents; created if it does not exist.
        #[arg(long, value_name = "DIRECTORY")]
        out: PathBuf,
    },
    /// Compares what happened in two traces; record numbers and times are ignored.
    Diff {
        /// The first trace (.jsonl).
        a: PathBuf,
        /// The second trace (.jsonl).
        b: PathBuf,
    },
}

/// Where a trace is written, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct OutputOptions {
    /// The file to write [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Includes disk writes, timers and applied entries (format term only).
    #[arg(long)]
    pub(crate) details: bool,
}

fn format_help(what: &str) -> String {
    format!("{what}: {}", Format::ALL.map(Format::name).join(", "))
}
