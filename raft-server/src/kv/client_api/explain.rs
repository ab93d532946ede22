//! What the node waits for, as clients see it.

use crate::NodeHandle;
use crate::kv::protocol::{ExplanationReport, FindingReport};

/// The present explanation.
pub(super) async fn explain(node: &NodeHandle) -> ExplanationReport {
    let explanation = node.explain().await;
    let lines = explanation.lines();
    let findings =
        lines.map(|(topic, text)| FindingReport { topic: topic.to_owned(), text }).collect();
    let raft = &explanation.raft;
    let (node, role, term, leader) = (raft.node, raft.role.into(), raft.term, raft.leader);
    ExplanationReport { node, role, term, leader, findings }
}
