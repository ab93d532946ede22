//! The files of traces.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::format::Format;
use super::record::Trace;

/// The directory of traces: `$RAFT_TRACES`, or `traces` in the target directory of cargo.
#[must_use]
pub fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("RAFT_TRACES") {
        return PathBuf::from(directory);
    }
    target_directory().join("traces")
}

/// Whether every scenario writes its trace: `RAFT_SAVE_TRACES=1`.
pub(crate) fn save_all() -> bool {
    std::env::var_os("RAFT_SAVE_TRACES").is_some_and(|save| save == "1")
}

fn target_directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(directory);
    }
    // Tests run in the directory of their package; the target directory is beside the lock file
    // above it.
    let start = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| std::env::current_dir().unwrap_or_default(), PathBuf::from);
    let root = start.ancestors().find(|directory| directory.join("Cargo.lock").is_file());
    root.unwrap_or(&start).join("target")
}

/// Writes a trace into the directory, named after its scenario. Returns the JSON file.
pub(crate) fn write_all(trace: &Trace) -> io::Result<PathBuf> {
    write_into(&directory(), trace)
}

/// Writes the trace of a failed test into the directory `failures`.
pub(crate) fn write_failure(trace: &Trace) -> io::Result<PathBuf> {
    write_into(&directory().join("failures"), trace)
}

/// A longer trace is written as records and JSON only: rendering its diagrams takes minutes.
const RENDERED_MAX: usize = 20_000;

/// Writes every format; returns the path of the JSON file.
fn write_into(directory: &Path, trace: &Trace) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let name = if trace.header.scenario.is_empty() { "unnamed" } else { &trace.header.scenario };
    let formats: &[Format] = if trace.records.len() > RENDERED_MAX {
        &[Format::Records, Format::EventTable]
    } else {
        &Format::ALL
    };
    for format in formats {
        fs::write(directory.join(format!("{name}.{}", format.extension())), format.render(trace))?;
    }
    Ok(directory.join(format!("{name}.{}", Format::EventTable.extension())))
}
