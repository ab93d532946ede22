//! Where traces are written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::trace::format::Format;
use crate::trace::record::Trace;

/// The directory for traces: `$RAFT_TRACES`, or `traces` in cargo's target directory.
#[must_use]
pub fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("RAFT_TRACES") {
        return PathBuf::from(directory);
    }
    target_directory().join("traces")
}

/// Whether every scenario leaves its trace behind: what documents are made from.
pub(crate) fn save_all() -> bool {
    std::env::var_os("RAFT_SAVE_TRACES").is_some_and(|save| save == "1")
}

fn target_directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(directory);
    }
    // Tests run in their package's directory; the target directory lies beside the lock file above it.
    let start = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| std::env::current_dir().unwrap_or_default(), PathBuf::from);
    let root = start.ancestors().find(|directory| directory.join("Cargo.lock").is_file());
    root.unwrap_or(&start).join("target")
}

/// Writes a trace into the directory, named after its scenario. Returns the file.
pub(crate) fn write_all(trace: &Trace) -> io::Result<PathBuf> {
    write_into(&directory(), trace)
}

/// Writes the trace of a failed test into a directory of its own.
pub(crate) fn write_failure(trace: &Trace) -> io::Result<PathBuf> {
    write_into(&directory().join("failures"), trace)
}

/// A longer trace is written as records and facts only: its pictures would take minutes.
const DRAWN_MAX: usize = 20_000;

/// Every form, side by side; the path of the facts.
fn write_into(directory: &Path, trace: &Trace) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let name = if trace.header.scenario.is_empty() { "unnamed" } else { &trace.header.scenario };
    let forms: &[Format] = if trace.records.len() > DRAWN_MAX {
        &[Format::Records, Format::EventTable]
    } else {
        &Format::ALL
    };
    for form in forms {
        fs::write(directory.join(format!("{name}.{}", form.extension())), form.render(trace))?;
    }
    Ok(directory.join(format!("{name}.{}", Format::EventTable.extension())))
}
