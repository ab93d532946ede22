//! What a follower explains.

use alloc::vec::Vec;

use super::Follower;
use crate::explain::{Finding, LeaderFinding, ReadFinding};
use crate::state::NodeState;
use crate::types::Timestamp;

/// An append of the leader is due with each heartbeat; a follower mentions the leader's silence
/// after this many.
const SILENT_HEARTBEATS: u32 = 2;

impl Follower {
    pub(in crate::role) fn explain(
        &self,
        state: &NodeState,
        now: Timestamp,
        findings: &mut Vec<Finding>,
    ) {
        let remaining = self.election_deadline.since(now);
        let since_contact = self.last_contact.map(|contact| now.since(contact));
        let silent_after = state.config().heartbeat_interval.saturating_mul(SILENT_HEARTBEATS);
        match (state.leader(), since_contact) {
            (Some(leader), Some(since_contact)) => {
                state.explain_participation(findings);
                if since_contact > silent_after {
                    findings.push(LeaderFinding::LeaderSilent { leader, since_contact }.into());
                    state.explain_refused_candidate(now, findings);
                }
            }
            (Some(_), None) => state.explain_participation(findings),
            (None, _) => {
                state.explain_missing_leader(now, findings);
                if state.may_campaign() {
                    findings.push(LeaderFinding::ElectionDue { remaining }.into());
                }
            }
        }
        state.explain_missing_entries(findings);
        let reads = self.reads.count();
        if reads > 0 {
            findings.push(ReadFinding::AtLeader { reads }.into());
        }
    }
}
