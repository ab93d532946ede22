//! A scenario as a reStructuredText page: title, description, and a section each with its
//! features, a folded grid table and a folded diagram.

use std::fmt::Write as _;

use super::super::facts::Row;
use super::super::reading::{Part, Reading};
use super::super::sequence::plantuml;
use super::{Diagrams, cells, feature, heading, heads, parts};

/// Draws the page. The folding needs `sphinx_toolbox.collapse`, inline diagrams
/// `sphinxcontrib.plantuml`; everything else is plain reStructuredText.
#[must_use]
pub fn page(reading: &Reading<'_>, diagrams: Diagrams<'_>) -> String {
    let header = &reading.trace.header;
    let title = escaped(&header.title);
    let rule = "=".repeat(title.chars().count().max(1));
    let mut out = format!(".. _{}:\n\n{rule}\n{title}\n{rule}\n\n", header.scenario);
    for line in header.description.trim().lines() {
        let _ = writeln!(out, "{}", escaped(line.trim()));
    }
    for (part, rows) in parts(reading) {
        section(&mut out, reading, part, &rows, diagrams);
    }
    out
}

/// Draws one section's rows as a grid table.
#[must_use]
pub fn grid(reading: &Reading<'_>, rows: &[Row]) -> String {
    let [names, columns] = heads(&reading.nodes);
    let body: Vec<Vec<String>> = rows.iter().map(|row| cells(row, &reading.nodes)).collect();
    let lines = || [&names, &columns].into_iter().chain(&body);
    let widths: Vec<usize> = (0..names.len())
        .map(|at| lines().map(|line| line[at].chars().count()).max().unwrap_or(0))
        .collect();
    let rule = |fill: &str| {
        let spans: Vec<String> = widths.iter().map(|width| fill.repeat(width + 2)).collect();
        format!("+{}+\n", spans.join("+"))
    };
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let mut out = rule("-") + &line(&names) + &rule("-") + &line(&columns) + &rule("=");
    for cells in &body {
        out += &line(cells);
        out += &rule("-");
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
    let title = escaped(&heading(part));
    let _ = write!(out, "\n\n{title}\n{}\n\n", "=".repeat(title.chars().count()));
    if !part.description.is_empty() {
        let _ = writeln!(out, "{}\n", escaped(part.description));
    }
    feature_list(out, "Raft features used:", part.uses);
    feature_list(out, "Raft features tested:", part.tests);
    let number = part.number.unwrap_or(0);
    if !rows.is_empty() {
        let _ = writeln!(out, ".. collapse:: section {number} trace table (click to open)\n");
        out.push_str(&indented(&grid(reading, rows)));
    }
    let _ = writeln!(out, "\n.. collapse:: section {number} sequence diagram (click to open)\n");
    match diagrams {
        Diagrams::Directory(directory) => {
            let scenario = &reading.trace.header.scenario;
            let _ = writeln!(out, "   .. image:: {directory}/{scenario}_{number}.svg");
            let _ = writeln!(out, "      :alt: {}", heading(part));
        }
        Diagrams::Inline => {
            out.push_str("   .. uml::\n\n");
            out.push_str(&indented(&indented(&plantuml::diagram(reading, part))));
        }
    }
}

fn feature_list(out: &mut String, heading: &str, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let _ = writeln!(out, "{heading}\n");
    for path in paths {
        let (title, feature) = feature(path);
        let _ = match feature {
            Some(feature) => {
                writeln!(out, "- **{title}** (``{path}``; {}). {}", feature.source, feature.says)
            }
            None => writeln!(out, "- ``{path}``, which no registry knows"),
        };
    }
    out.push('\n');
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") })
        .collect()
}

/// The characters that reStructuredText would read as markup, made plain.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '*' | '`' | '|' | '_') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
