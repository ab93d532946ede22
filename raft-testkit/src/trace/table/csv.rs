//! The events of a trace as comma-separated values (RFC 4180).

use super::content::{cells, sections};
use crate::trace::notation;
use crate::trace::view::TraceView;

/// Renders the table: section, title, record number, then role, op and delta of each node.
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
