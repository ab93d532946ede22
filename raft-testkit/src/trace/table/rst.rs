//! A scenario as a reStructuredText page: title, description, and for each section its features, a
//! folded grid table and a folded diagram.

use std::fmt::Write as _;

use super::content::{DiagramPlacement, cells, feature_title, heading, heads, sections};
use crate::trace::event_table::Row;
use crate::trace::sequence::plantuml;
use crate::trace::view::{SectionView, TraceView};

/// Renders the page. Folding needs `sphinx_toolbox.collapse`, inline diagrams need
/// `sphinxcontrib.plantuml`; the rest is plain reStructuredText.
#[must_use]
pub fn page(view: &TraceView<'_>, diagrams: DiagramPlacement<'_>) -> String {
    let header = &view.trace.header;
    let title = escaped(&header.title);
    let rule = "=".repeat(title.chars().count().max(1));
    let mut out = format!(".. _{}:\n\n{rule}\n{title}\n{rule}\n\n", header.scenario);
    for line in header.description.trim().lines() {
        let _ = writeln!(out, "{}", escaped(line.trim()));
    }
    for (section, rows) in sections(view) {
        write_section(&mut out, view, section, &rows, diagrams);
    }
    out
}

/// Renders the rows of one section as a grid table.
#[must_use]
pub fn grid(view: &TraceView<'_>, rows: &[Row]) -> String {
    let [names, columns] = heads(&view.nodes);
    let body: Vec<Vec<String>> = rows.iter().map(|row| cells(row, &view.nodes)).collect();
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

fn write_section(
    out: &mut String,
    view: &TraceView<'_>,
    section: &SectionView<'_>,
    rows: &[Row],
    diagrams: DiagramPlacement<'_>,
) {
    let title = escaped(&heading(section));
    let _ = write!(out, "\n\n{title}\n{}\n\n", "=".repeat(title.chars().count()));
    if !section.description.is_empty() {
        let _ = writeln!(out, "{}\n", escaped(section.description));
    }
    feature_list(out, "Raft features used:", section.uses);
    feature_list(out, "Raft features tested:", section.tests);
    let number = section.number.unwrap_or(0);
    if !rows.is_empty() {
        let _ = writeln!(out, ".. collapse:: section {number} trace table (click to open)\n");
        out.push_str(&indented(&grid(view, rows)));
    }
    let _ = writeln!(out, "\n.. collapse:: section {number} sequence diagram (click to open)\n");
    match diagrams {
        DiagramPlacement::Directory(directory) => {
            let scenario = &view.trace.header.scenario;
            let _ = writeln!(out, "   .. image:: {directory}/{scenario}_{number}.svg");
            let _ = writeln!(out, "      :alt: {}", heading(section));
        }
        DiagramPlacement::Inline => {
            out.push_str("   .. uml::\n\n");
            out.push_str(&indented(&indented(&plantuml::diagram(view, section))));
        }
    }
}

fn feature_list(out: &mut String, heading: &str, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let _ = writeln!(out, "{heading}\n");
    for path in paths {
        let (title, feature) = feature_title(path);
        let _ = match feature {
            Some(feature) => {
                writeln!(
                    out,
                    "- **{title}** (``{path}``; {}). {}",
                    feature.source, feature.description
                )
            }
            None => writeln!(out, "- ``{path}``, not registered"),
        };
    }
    out.push('\n');
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") })
        .collect()
}

/// Text with the markup characters of reStructuredText escaped.
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
