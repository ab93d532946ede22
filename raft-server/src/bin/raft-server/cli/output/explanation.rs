//! What nodes wait for, as text and as JSON.

use std::fmt::Write as _;

use raft_server::kv::protocol::{ExplanationReport, FindingReport};
use serde_json::{Value, json};

use super::text::role;

/// The explanation of each endpoint, or why there is none.
type Reports = [(String, Result<ExplanationReport, String>)];

/// One line for each node, and one for each finding.
pub(super) fn text(reports: &Reports) -> String {
    let mut text = String::new();
    for (endpoint, report) in reports {
        match report {
            Ok(report) => {
                let ExplanationReport { node, term, .. } = report;
                let role = role(report.role);
                let leader = match report.leader {
                    Some(leader) if leader == *node => String::new(),
                    Some(leader) => format!(", node {leader} leads"),
                    None => ", no leader is known".to_owned(),
                };
                let rest = if report.findings.is_empty() { "; nothing waits" } else { "" };
                let _ =
                    writeln!(text, "node {node} ({endpoint}): {role} in term {term}{leader}{rest}");
                for FindingReport { topic, text: found } in &report.findings {
                    let _ = writeln!(text, "  {topic}: {found}");
                }
            }
            Err(error) => {
                let _ = writeln!(text, "{endpoint}: {error}");
            }
        }
    }
    text
}

/// One object for each endpoint.
pub(super) fn json(reports: &Reports) -> Value {
    let value = |(endpoint, report): &(String, Result<ExplanationReport, String>)| match report {
        Ok(report) => {
            let finding =
                |found: &FindingReport| json!({ "topic": found.topic, "text": found.text });
            json!({
                "endpoint": endpoint,
                "node": report.node.get(),
                "role": role(report.role),
                "term": report.term.get(),
                "leader": report.leader.map(|leader| leader.get()),
                "findings": report.findings.iter().map(finding).collect::<Vec<Value>>(),
            })
        }
        Err(error) => json!({ "endpoint": endpoint, "error": error }),
    };
    Value::Array(reports.iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use raft_core::{NodeId, Term};
    use raft_server::kv::protocol::Role;

    use super::*;

    fn reports() -> Vec<(String, Result<ExplanationReport, String>)> {
        let (topic, text) = ("leader".to_owned(), "2 of 3 voters are needed".to_owned());
        let report = ExplanationReport {
            node: NodeId(1),
            role: Role::Candidate,
            term: Term(4),
            leader: None,
            findings: vec![FindingReport { topic, text }],
        };
        vec![("h1:1".to_owned(), Ok(report)), ("h2:1".to_owned(), Err("no response".to_owned()))]
    }

    #[test]
    fn every_endpoint_has_lines() {
        let expected = "node 1 (h1:1): candidate in term 4, no leader is known\n  leader: 2 of 3 \
                        voters are needed\nh2:1: no response\n";
        assert_eq!(text(&reports()), expected);
    }

    #[test]
    fn programs_read_the_same_as_json() {
        let expected = json!([
            { "endpoint": "h1:1", "node": 1, "role": "candidate", "term": 4, "leader": null,
              "findings": [{ "topic": "leader", "text": "2 of 3 voters are needed" }] },
            { "endpoint": "h2:1", "error": "no response" },
        ]);
        assert_eq!(json(&reports()), expected);
    }
}
