//! The rows of a trace as comma-separated values (RFC 4180), for spreadsheets.

use super::super::notation;
use super::super::view::TraceView;
use super::{cells, sections};

/// Draws the table: the section, the record's number, then a triple a node.
#[must_use]
pub fn table(view: &TraceView<'_>) -> String {
    let mut head = vec!["section".to_owned(), "title".to_owned(), "record".to_owned()];
    for &node in &view.nodes {
        head.extend(
            ["role", "op", "delta"].map(|what| format!("{} {what}", notation::node_name(node))),
        );
    }
    let mut out = line(&head);
    for (section, rows) in sections(view) {
        for row in &rows {
            let number = section.number.map_or_else(String::new, |number| number.to_string());
            let mut values = vec![number, section.title.to_owned(), row.sequence.to_string()];
            values.extend(cells(row, &view.nodes));
            out += &line(&values);
        }
    }
    out
}

fn line(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    quoted.join(",") + "\r\n"
}

fn quoted(value: &str) -> String {
    if value.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}
