//! The rules for the members and for the id of this node.

use std::collections::BTreeMap;

use raft_core::{MEMBERS_MAX, NodeId};

use super::findings::{Findings, Problem, Warning};
use crate::config::member::{Member, check_advertised};
use crate::config::settings::Settings;

/// The id of this node, which must be one of the members.
pub(super) fn node(settings: &Settings, members: &[Member], findings: &mut Findings) -> NodeId {
    let Some(node) = settings.node_id else {
        findings.missing("node_id", "the id of this node among the members, from 1");
        return NodeId(0);
    };
    if node == 0 {
        findings.problems.push(Problem::NodeIdZero);
    } else if !members.is_empty() && members.iter().all(|member| member.id != node) {
        let known: Vec<_> = members.iter().map(|member| member.id.to_string()).collect();
        findings.problems.push(Problem::NotAMember { node, known: known.join(", ") });
    }
    NodeId(node)
}

/// All members, ascending, with distinct ids and addresses.
pub(super) fn members(settings: &Settings, findings: &mut Findings) -> Vec<Member> {
    let mut members = settings.members.clone().unwrap_or_default().0;
    members.sort_by_key(|member| member.id);
    match members.len() {
        0 => findings.missing("members", "the id, peer address and client address of each node"),
        1 => findings.warnings.push(Warning::Single),
        count if count > MEMBERS_MAX => findings.problems.push(Problem::TooMany(count)),
        count if count % 2 == 0 => findings.warnings.push(Warning::Even(count)),
        _ => {}
    }
    if members.iter().any(|member| member.id == 0) {
        findings.problems.push(Problem::NodeIdZero);
    }
    for pair in members.windows(2) {
        if let [first, second] = pair
            && first.id == second.id
        {
            findings.problems.push(Problem::DuplicateId(first.id));
        }
    }
    addresses(&members, findings);
    members
}

fn addresses(members: &[Member], findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for member in members {
        for (kind, address) in [("peer", &member.peer), ("client", &member.client)] {
            let whose = format!("member {}'s {kind} address", member.id);
            if let Err(fault) = check_advertised(address) {
                findings.problems.push(Problem::Address { whose, address: address.clone(), fault });
            } else if let Some(first) = seen.insert(address, whose.clone()) {
                let address = address.clone();
                findings.problems.push(Problem::DuplicateAddress { first, second: whose, address });
            }
        }
    }
}
