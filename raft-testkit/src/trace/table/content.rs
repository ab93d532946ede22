//! What tables and pages have in common: columns, cells, headings, titles of features.

use raft_core::NodeId;

use crate::features::{self, Feature};

use crate::trace::event_table::{EventTable, Row};
use crate::trace::notation;
use crate::trace::view::{SectionView, TraceView};

/// Where the diagrams of a page are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiagramPlacement<'a> {
    /// In the page, as the text of a diagram language.
    Inline,
    /// In this directory, one file `SCENARIO_SECTION.svg` for each section.
    Directory(&'a str),
}

/// The two head lines of a table: the name of the node over each of its columns, then their names.
pub(super) fn heads(nodes: &[NodeId]) -> [Vec<String>; 2] {
    let names = nodes.iter().flat_map(|&node| vec![notation::node_name(node); 3]).collect();
    let columns = nodes.iter().flat_map(|_| ["Role", "Op", "Delta"].map(str::to_owned)).collect();
    [names, columns]
}

/// The cells of a row, three for each node.
pub(super) fn cells(row: &Row, nodes: &[NodeId]) -> Vec<String> {
    let mut cells = Vec::with_capacity(nodes.len() * 3);
    for (column, node) in nodes.iter().enumerate() {
        let event = row.events.iter().find(|event| event.node == *node);
        cells.push(row.roles.get(column).cloned().unwrap_or_default());
        cells.push(event.map(|event| event.op.clone()).unwrap_or_default());
        cells.push(event.map(|event| event.delta.clone()).unwrap_or_default());
    }
    cells
}

/// The heading of a section.
pub(super) fn heading(section: &SectionView<'_>) -> String {
    match section.number {
        Some(number) => format!("Section {number}: {}", section.title),
        None => "Before the first section".to_owned(),
    }
}

/// The sections of a page, with the rows of each.
pub(super) fn sections<'r, 't>(view: &'r TraceView<'t>) -> Vec<(&'r SectionView<'t>, Vec<Row>)> {
    let mut tables = EventTable::from_view(view).sections.into_iter().rev();
    // The event table may lack the first section, if that contains only the starts of the nodes.
    let mut paired: Vec<_> = view
        .sections
        .iter()
        .rev()
        .map_while(|section| Some((section, tables.next()?.rows)))
        .collect();
    paired.reverse();
    paired
}

/// The title of a feature; the path itself if it is not registered.
pub(super) fn feature_title(path: &str) -> (String, Option<&'static Feature>) {
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
