//! A scenario as a Markdown page, with folded tables and diagrams (`<details>`).

use std::fmt::Write as _;

use super::content::{DiagramPlacement, cells, feature_title, heading, heads, sections};
use crate::trace::event_table::Row;
use crate::trace::sequence::mermaid;
use crate::trace::view::{SectionView, TraceView};

/// Renders the page.
#[must_use]
pub fn page(view: &TraceView<'_>, diagrams: DiagramPlacement<'_>) -> String {
    let header = &view.trace.header;
    let mut out = format!("# {}\n\n", escaped(&header.title));
    for line in header.description.trim().lines() {
        let _ = writeln!(out, "{}", line.trim());
    }
    for (section, rows) in sections(view) {
        write_section(&mut out, view, section, &rows, diagrams);
    }
    out
}

/// Renders the rows of one section as a table.
#[must_use]
pub fn table(view: &TraceView<'_>, rows: &[Row]) -> String {
    let [names, columns] = heads(&view.nodes);
    let heads: Vec<String> =
        names.iter().zip(&columns).map(|(name, column)| format!("{name} {column}")).collect();
    let mut out = format!("| {} |\n|{}\n", heads.join(" | "), " --- |".repeat(heads.len()));
    for row in rows {
        let cells: Vec<String> = cells(row, &view.nodes).iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
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
    let title = heading(section);
    let _ = write!(out, "\n## {}\n\n", escaped(&title));
    if !section.description.is_empty() {
        let _ = writeln!(out, "{}\n", section.description);
    }
    feature_list(out, "Raft features used", section.uses);
    feature_list(out, "Raft features tested", section.tests);
    match diagrams {
        DiagramPlacement::Directory(directory) => {
            let (scenario, number) = (&view.trace.header.scenario, section.number.unwrap_or(0));
            let _ = writeln!(out, "![{}]({directory}/{scenario}_{number}.svg)\n", escaped(&title));
        }
        DiagramPlacement::Inline => {
            let diagram = mermaid::diagram(view, section);
            let _ = writeln!(
                out,
                "<details><summary>Diagram</summary>\n\n```mermaid\n{diagram}```\n\n</details>\n"
            );
        }
    }
    if !rows.is_empty() {
        let table = table(view, rows);
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
        let (title, feature) = feature_title(path);
        let _ = match feature {
            Some(feature) => {
                writeln!(
                    out,
                    "- **{title}** (`{path}`; {}). {}",
                    feature.source, feature.description
                )
            }
            None => writeln!(out, "- `{path}`, not registered"),
        };
    }
    out.push('\n');
}

/// Text with the markup characters of Markdown escaped.
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
