//! Tables: a column triple (role, op, delta) a node for documents, one line a record for
//! terminals.

pub mod csv;
pub mod markdown;
pub mod rst;
pub mod terminal;

use raft_core::NodeId;

use super::event_table::Row;
use super::notation;
use super::view::{SectionView, TraceView};
use crate::features::{self, Feature};

/// Where the pages of a scenario find their diagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiagramPlacement<'a> {
    /// In the page itself, as the text of a diagram language.
    Inline,
    /// In this directory, one `SCENARIO_SECTION.svg` a section.
    Directory(&'a str),
}

/// The two head lines of a table: the node's name over each of its columns, then their names.
fn heads(nodes: &[NodeId]) -> [Vec<String>; 2] {
    let names = nodes.iter().flat_map(|&node| vec![notation::node_name(node); 3]).collect();
    let columns = nodes.iter().flat_map(|_| ["Role", "Op", "Delta"].map(str::to_owned)).collect();
    [names, columns]
}

/// A row's cells, three a node.
fn cells(row: &Row, nodes: &[NodeId]) -> Vec<String> {
    let mut cells = Vec::with_capacity(nodes.len() * 3);
    for (column, node) in nodes.iter().enumerate() {
        let event = row.events.iter().find(|event| event.node == *node);
        cells.push(row.roles.get(column).cloned().unwrap_or_default());
        cells.push(event.map(|event| event.op.clone()).unwrap_or_default());
        cells.push(event.map(|event| event.delta.clone()).unwrap_or_default());
    }
    cells
}

/// What a page calls a section.
fn heading(section: &SectionView<'_>) -> String {
    match section.number {
        Some(number) => format!("Section {number}: {}", section.title),
        None => "Before the first section".to_owned(),
    }
}

/// The sections that a page shows, with the rows of each.
fn sections<'r, 't>(view: &'r TraceView<'t>) -> Vec<(&'r SectionView<'t>, Vec<Row>)> {
    let mut tables = super::event_table::EventTable::from_view(view).sections.into_iter().rev();
    // The facts leave out a start that goes without saying; it can only be the first section.
    let mut paired: Vec<_> = view
        .sections
        .iter()
        .rev()
        .map_while(|section| Some((section, tables.next()?.rows)))
        .collect();
    paired.reverse();
    paired
}

/// A feature as a page names it; a path that the registry lacks stays a path.
fn feature_title(path: &str) -> (String, Option<&'static Feature>) {
    let found = features::find(path);
    let family = found.filter(|feature| feature.is_branch());
    let family = family.and_then(|feature| features::find(feature.family()));
    let title = match (family, found) {
        (Some(family), Some(branch)) => format!("{}: {}", family.title, lower_first(branch.title)),
        (_, Some(feature)) => feature.title.to_owned(),
        (_, None) => path.to_owned(),
    };
    (title, found)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
