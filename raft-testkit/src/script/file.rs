//! Scenario files and their golden tables.

use std::fs;
use std::path::Path;

use super::error::RunError;
use super::scenario::Scenario;
use crate::cluster::Cluster;
use crate::trace::format::Format;

/// The line before the golden table.
const TRACE: &str = "trace";

/// Runs a scenario file. If it has a golden table, the table of the run is compared with it; with
/// `UPDATE=1` in the environment the golden table is replaced.
///
/// # Errors
/// The file cannot be read, written or parsed, a statement fails, or the tables differ.
pub fn run_file(path: &Path) -> Result<Cluster, RunError> {
    let io = |source| RunError::Io { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(io)?;
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    let (scenario, golden) = split_golden(&text);
    let parsed = Scenario::parse(scenario)
        .map_err(|source| RunError::Parse { path: path.to_owned(), source: Box::new(source) })?;
    let cluster =
        parsed.run(&name).map_err(|source| RunError::Failed { path: path.to_owned(), source })?;
    let Some(golden) = golden else { return Ok(cluster) };
    let table = terminal_table(&cluster);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        fs::write(path, format!("{scenario}{TRACE}\n{table}")).map_err(io)?;
    } else {
        compare(path, scenario, golden, &table)?;
    }
    Ok(cluster)
}

fn terminal_table(cluster: &Cluster) -> String {
    let table = Format::Terminal.render(&cluster.trace());
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The scenario, and what follows the line `trace`.
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

fn compare(path: &Path, scenario: &str, golden: &str, table: &str) -> Result<(), RunError> {
    let first = scenario.lines().count() + 2;
    let (mut golden, mut table) = (golden.lines(), table.lines());
    for line in first.. {
        let (expected, actual) = (golden.next(), table.next());
        if expected.is_none() && actual.is_none() {
            break;
        }
        if expected != actual {
            let shown = |line: Option<&str>| line.unwrap_or("(end)").to_owned();
            let (expected, actual) = (shown(expected), shown(actual));
            return Err(RunError::GoldenTable { path: path.to_owned(), line, expected, actual });
        }
    }
    Ok(())
}
