//! The links of a cluster over time, and which nodes are without a majority. Cuts of several links
//! at once are one change.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::NodeId;

use super::describe;
use super::record::{Record, RecordKind, Side};
use super::view::TraceView;

/// The links of a cluster over time.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct LinkHistory {
    changes: BTreeMap<u64, LinkChange>,
    merged: BTreeSet<u64>,
    /// For each column: the intervals in which the node is without a majority, as record numbers.
    without_majority: Vec<Vec<(u64, Option<u64>)>>,
}

/// Links that are cut, or restored, in consecutive records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkChange {
    /// The change as text.
    pub text: String,
    /// The column of the node at one end of every link of the change, if there is one.
    pub column: Option<usize>,
    /// Whether the links are cut.
    pub cut: bool,
}

impl LinkHistory {
    /// Reads the links of a trace.
    #[must_use]
    pub fn new(view: &TraceView<'_>) -> Self {
        let mut links =
            Self { without_majority: vec![Vec::new(); view.nodes.len()], ..Self::default() };
        let mut cut: BTreeSet<(NodeId, NodeId)> = BTreeSet::new();
        let mut minority: BTreeSet<NodeId> = BTreeSet::new();
        let mut records = view.trace.records.iter().peekable();
        while let Some(record) = records.next() {
            if let (Some(node), Some(state)) = (record.node, &record.state) {
                let inside = state.side == Side::Minority;
                let changed = if inside { minority.insert(node) } else { minority.remove(&node) };
                if changed {
                    links.update_majority(view, record.sequence, &cut, &minority);
                }
            }
            let Some((first, is_cut)) = link_change(record) else { continue };
            let mut pairs = vec![first];
            while let Some((pair, _)) =
                records.peek().and_then(|next| link_change(next)).filter(|next| next.1 == is_cut)
            {
                pairs.push(pair);
                links.merged.extend(records.next().map(|next| next.sequence));
            }
            for &pair in &pairs {
                if is_cut {
                    cut.insert(pair)
                } else {
                    cut.remove(&pair)
                };
            }
            links.changes.insert(record.sequence, merged_change(view, &pairs, is_cut));
            links.update_majority(view, record.sequence, &cut, &minority);
        }
        links
    }

    /// The change that begins with this record.
    #[must_use]
    pub fn change_at(&self, sequence: u64) -> Option<&LinkChange> {
        self.changes.get(&sequence)
    }

    /// Whether this record is part of a change that begins with an earlier record.
    #[must_use]
    pub fn is_merged(&self, sequence: u64) -> bool {
        self.merged.contains(&sequence)
    }

    /// The intervals in which the node in this column is without a majority: the record that begins
    /// each and the one that ends it.
    #[must_use]
    pub fn without_majority(&self, column: usize) -> &[(u64, Option<u64>)] {
        self.without_majority.get(column).map_or(&[], Vec::as_slice)
    }

    fn update_majority(
        &mut self,
        view: &TraceView<'_>,
        sequence: u64,
        cut: &BTreeSet<(NodeId, NodeId)>,
        minority: &BTreeSet<NodeId>,
    ) {
        for (&node, intervals) in view.nodes.iter().zip(&mut self.without_majority) {
            let group = reachable(&view.nodes, node, cut);
            let apart = minority.contains(&node) || 2 * group <= view.nodes.len();
            let open = intervals.last_mut().filter(|(_, end)| end.is_none());
            match (open, apart) {
                (None, true) => intervals.push((sequence, None)),
                (Some((_, end)), false) => *end = Some(sequence),
                (Some(_), true) | (None, false) => {}
            }
        }
    }
}

fn link_change(record: &Record) -> Option<((NodeId, NodeId), bool)> {
    if let RecordKind::LinkCut { to } = record.kind {
        Some(((record.node?, to), true))
    } else if let RecordKind::LinkHealed { to } = record.kind {
        Some(((record.node?, to), false))
    } else {
        None
    }
}

/// The number of nodes that a node reaches over links that work in both directions, itself
/// included.
fn reachable(nodes: &[NodeId], from: NodeId, cut: &BTreeSet<(NodeId, NodeId)>) -> usize {
    let mut found = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(here) = open.pop() {
        for &there in nodes {
            let whole = !cut.contains(&(here, there)) && !cut.contains(&(there, here));
            if whole && found.insert(there) {
                open.push(there);
            }
        }
    }
    found.len()
}

fn merged_change(view: &TraceView<'_>, pairs: &[(NodeId, NodeId)], cut: bool) -> LinkChange {
    let both_ways = |&(from, to): &(NodeId, NodeId)| pairs.contains(&(to, from));
    let all_both = pairs.iter().all(both_ways);
    let common = view
        .nodes
        .iter()
        .copied()
        .filter(|node| pairs.iter().all(|(from, to)| from == node || to == node));
    let common: Vec<NodeId> = common.collect();
    let centre = common.first().copied().filter(|_| all_both || common.len() == 1);
    let text = if let (Some(centre), true) = (centre, all_both) {
        let peers: BTreeSet<NodeId> =
            pairs.iter().map(|&(from, to)| if from == centre { to } else { from }).collect();
        let peers: Vec<String> = peers.into_iter().map(describe::node_name).collect();
        let what = if cut { "cut off from" } else { "reconnected to" };
        format!("{what} {}", peers.join(", "))
    } else {
        let mut named: Vec<String> = Vec::new();
        for pair @ (from, to) in pairs {
            let (from, to) = (describe::node_name(*from), describe::node_name(*to));
            if !both_ways(pair) {
                named.push(format!("{from}→{to}"));
            } else if pair.0 < pair.1 {
                named.push(format!("{from}–{to}"));
            }
        }
        format!("links {}: {}", if cut { "cut" } else { "restored" }, named.join(", "))
    };
    LinkChange { text, column: centre.and_then(|centre| view.column(centre)), cut }
}
