//! Scenario files: the verbs of a cluster as text, one scenario a file.
//!
//! ```text
//! # title: a leader with a stale log steps down
//! cluster 3 voters, timers off
//! --- elect
//! campaign 1
//! deliver until leader 1
//! expect 1: leader term 1
//! --- cut off
//! partition {1} | {2 3}
//! propose 1: add 1 as w
//! elect 2
//! --- heal
//! heal ; heartbeat 2 ; deliver all ; heartbeat 2 ; deliver all
//! expect w unknown ; expect converged
//! trace
//! ```
//!
//! What must hold is said with `expect`. What exactly happened may follow the word `trace`: the
//! golden table, compared when the file is run and rewritten when `UPDATE=1` is set.

mod condition;
mod parse;
mod run;
mod words;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::cluster::Cluster;
use crate::trace::format::Format;

pub use self::parse::Script;
pub use self::words::ScriptError;

/// The line that begins the golden table.
const TRACE: &str = "trace";

/// Why a scenario file failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be read, or not be written.
    #[error("{path} cannot be read or written")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is no scenario.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// Something in it did not hold.
    #[error("line {line}: {command}\n{report}")]
    Failed {
        /// The line.
        line: usize,
        /// What was to be done or to hold.
        command: String,
        /// The report.
        report: String,
    },
    /// The golden table says otherwise.
    #[error(
        "the trace differs from line {line} on; UPDATE=1 rewrites it\n  now  {now}\n  file {file}"
    )]
    Trace {
        /// The first line of the file that differs.
        line: usize,
        /// What happened.
        now: String,
        /// What the file says.
        file: String,
    },
}

/// Runs a scenario file, and compares or rewrites its golden table.
///
/// # Errors
/// What does not hold, or why the file is no scenario.
pub fn run_file(path: &Path) -> Result<Cluster, RunError> {
    let in_file = |source| RunError::File { path: path.display().to_string(), source };
    let text = fs::read_to_string(path).map_err(in_file)?;
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    let (scenario, golden) = split_golden(&text);
    let cluster = Script::parse(scenario)?.run(&name)?;
    let Some(golden) = golden else { return Ok(cluster) };
    let now = golden_table(&cluster);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        fs::write(path, format!("{scenario}{TRACE}\n{now}")).map_err(in_file)?;
    } else {
        compare(scenario, golden, &now)?;
    }
    Ok(cluster)
}

fn golden_table(cluster: &Cluster) -> String {
    let table = Format::Terminal.render(&cluster.trace());
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The scenario, and what follows the line that says `trace`.
fn split_golden(text: &str) -> (&str, Option<&str>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == TRACE {
            return (&text[..start], Some(&text[start + line.len()..]));
        }
        start += line.len();
    }
    (text, None)
}

fn compare(scenario: &str, golden: &str, now: &str) -> Result<(), RunError> {
    let first = scenario.lines().count() + 2;
    let mut lines = (golden.lines(), now.lines());
    let mut at = 0;
    loop {
        match (lines.0.next(), lines.1.next()) {
            (None, None) => return Ok(()),
            (file, now) if file == now => at += 1,
            (file, now) => {
                let shown = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return Err(RunError::Trace {
                    line: first + at,
                    now: shown(now),
                    file: shown(file),
                });
            }
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
