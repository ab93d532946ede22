//! Carries out a plan.

use std::collections::BTreeMap;
use std::path::Path;

use raft_core::ports::LogStore;
use raft_core::{
    Entry, HardState, Incarnation, LogId, LogIndex, MemberInfo, Membership, NodeId, Persist,
    PersistId, Term,
};

use super::inspect::Inspected;
use super::plan::{Part, Plan};
use super::report::Report;
use crate::config::Member;
use crate::exit::{Exit, Failure};
use crate::node_record::fingerprint_of;
use crate::server::open_failure;

/// Writes the epoch and, if this node is the one that leads, the membership.
///
/// The epoch comes first: after a crash between the two writes the node refuses the old members and
/// still needs their votes, so that it does nothing until the command is repeated. In the other order
/// the old members could replace the entries after a recovered log.
pub(super) fn apply(
    data_dir: &Path,
    inspected: &mut Inspected,
    plan: &Plan,
    members: &[Member],
    others: &[Report],
) -> Result<(), Failure> {
    let record = &mut inspected.record;
    record.epoch = plan.epoch;
    // The same at all survivors, also at one that had joined a running cluster.
    record.bootstrap = Some(fingerprint_of(members));
    record.write(data_dir).map_err(|error| open_failure(&error.into()))?;
    match plan.part {
        Part::Leads { index, term } => {
            let incarnations = incarnations(&inspected.report, others);
            let entry = Entry::membership(
                LogId::new(Term(term), LogIndex(index)),
                membership(members, &incarnations, &inspected.membership()),
            );
            // One atomic batch. The term is later than every one that is known, so that no other node
            // holds another entry of this index and term.
            let change = Persist {
                id: PersistId(1),
                hard_state: Some(HardState {
                    term: Term(term),
                    voted_for: None,
                    commit: inspected.recovered.hard_state.commit,
                }),
                reset: None,
                truncate_from: None,
                entries: vec![entry],
                broken: None,
            };
            let persisted = inspected.log.persist(&[change]);
            persisted.map_err(|error| Failure::with_sources(Exit::Storage, &error))
        }
        Part::Follows { .. } => Ok(()),
    }
}

fn incarnations(own: &Report, others: &[Report]) -> BTreeMap<u64, Incarnation> {
    let all = others.iter().chain([own]);
    all.map(|report| (report.node, Incarnation(report.incarnation))).collect()
}

/// Every survivor votes. The incarnations that were inspected are pinned; the settings of the
/// cluster stay.
fn membership(
    members: &[Member],
    incarnations: &BTreeMap<u64, Incarnation>,
    previous: &Membership,
) -> Membership {
    let info = |member: &Member| MemberInfo {
        incarnation: incarnations.get(&member.id).copied(),
        peer_address: member.peer.clone(),
        client_address: member.client.clone(),
        ..MemberInfo::default()
    };
    let nodes: BTreeMap<NodeId, MemberInfo> =
        members.iter().map(|member| (NodeId(member.id), info(member))).collect();
    Membership {
        voters: nodes.keys().copied().collect(),
        nodes,
        settings: previous.settings.clone(),
        ..Membership::default()
    }
}
