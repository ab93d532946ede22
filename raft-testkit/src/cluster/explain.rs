//! What the nodes wait for.

use raft_core::Explanation;
use raft_core::ports::{LogStore, StateMachine};

use super::sim_cluster::Cluster;
use crate::sim_node::SimNode;

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// What a node waits for now, and why: see [`Explanation`].
    ///
    /// # Panics
    /// If there is no such node, or it is down. A node that has halted explains that.
    #[must_use]
    pub fn explain(&self, node: u64) -> Explanation {
        let explanation = self.explanation(self.node(node));
        explanation.unwrap_or_else(|| panic!("node {node} is down and explains nothing"))
    }

    /// Expects that the explanation of a node contains this text.
    ///
    /// # Panics
    /// If it does not.
    pub fn expect_explained(&self, node: u64, text: &str) {
        let explanation = self.explain(node).to_string();
        if !explanation.contains(text) {
            self.fail(&format!("node {node} should explain {text:?}\n{explanation}"));
        }
    }

    /// The lines of the explanations of all nodes that wait for something, for the report of a
    /// failure.
    pub(crate) fn explanation_lines(&self) -> Vec<String> {
        let explanations = self.nodes.iter().filter_map(|node| self.explanation(node));
        let waiting = explanations.filter(|explanation| !explanation.findings.is_empty());
        waiting
            .flat_map(|node| node.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    fn explanation(&self, node: &SimNode<M, S>) -> Option<Explanation> {
        let core = node.core.as_ref()?;
        Some(core.explain(node.clock.at(self.now)))
    }
}
