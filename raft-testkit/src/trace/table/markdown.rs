//! A scenario as a Markdown page, folded with `<details>` as GitHub shows it.

use std::fmt::Write as _;

use super::super::facts::Row;
use super::super::reading::{Part, Reading};
use super::super::sequence::mermaid;
use super::{Diagrams, cells, feature, heading, heads, parts};

/// Draws the page.
#[must_use]
pub fn page(reading: &Reading<'_>, diagrams: Diagrams<'_>) -> String {
    let header = &reading.trace.header;
    let mut out = format!("# {}\n\n", escaped(&header.title));
    for line in header.description.trim().lines() {
        let _ = writeln!(out, "{}", line.trim());
    }
    for (part, rows) in parts(reading) {
        section(&mut out, reading, part, &rows, diagrams);
    }
    out
}

/// Draws one section's rows as a table.
#[must_use]
pub fn table(reading: &Reading<'_>, rows: &[Row]) -> String {
    let [names, columns] = heads(&reading.nodes);
    let heads: Vec<String> =
        names.iter().zip(&columns).map(|(name, column)| format!("{name} {column}")).collect();
    let mut out = format!("| {} |\n|{}\n", heads.join(" | "), " --- |".repeat(heads.len()));
    for row in rows {
        let cells: Vec<String> =
            cells(row, &reading.nodes).iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

fn section(
    out: &mut String,
    reading: &Reading<'_>,
    part: &Part<'_>,
    rows: &[Row],
    diagrams: Diagrams<'_>,
) {
    let title = heading(part);
    let _ = write!(out, "\n## {}\n\n", escaped(&title));
    if !part.description.is_empty() {
        let _ = writeln!(out, "{}\n", part.description);
    }
    feature_list(out, "Raft features used", part.uses);
    feature_list(out, "Raft features tested", part.tests);
    match diagrams {
        Diagrams::Directory(directory) => {
            let (scenario, number) = (&reading.trace.header.scenario, part.number.unwrap_or(0));
            let _ = writeln!(out, "![{}]({directory}/{scenario}_{number}.svg)\n", escaped(&title));
        }
        Diagrams::Inline => {
            let diagram = mermaid::diagram(reading, part);
            let _ = writeln!(
                out,
                "<details><summary>Diagram</summary>\n\n```mermaid\n{diagram}```\n\n</details>\n"
            );
        }
    }
    if !rows.is_empty() {
        let table = table(reading, rows);
        let count = rows.len();
        let _ =
            writeln!(out, "<details><summary>Table, {count} rows</summary>\n\n{table}\n</details>");
    }
}

fn feature_list(out: &mut String, heading: &str, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let _ = writeln!(out, "{heading}:\n");
    for path in paths {
        let (title, feature) = feature(path);
        let _ = match feature {
            Some(feature) => {
                writeln!(out, "- **{title}** (`{path}`; {}). {}", feature.source, feature.says)
            }
            None => writeln!(out, "- `{path}`, which no registry knows"),
        };
    }
    out.push('\n');
}

/// The characters that Markdown would read as markup, made plain.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '*' | '`' | '|' | '_' | '<' | '[' | ']') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
