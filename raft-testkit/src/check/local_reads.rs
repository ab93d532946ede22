//! Checks of reads of a node's own state: the state is as recent as the node states.

use std::time::Duration;

use raft_core::{LogIndex, RequestId, Timestamp};

use super::checker::Checker;
use super::observed::node_id;
use super::rule::Rule;

/// A read of a node's own state that the node permits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalReadView {
    pub(crate) request: RequestId,
    /// What the state machine has applied.
    pub(crate) applied: LogIndex,
    /// How old the state may be, as the node states.
    pub(crate) staleness: Duration,
    /// The virtual time of that age, by the clock of the node.
    pub(crate) as_of: Timestamp,
}

impl Checker {
    /// A client has seen the effect of an entry.
    pub(super) fn on_client_seen(&mut self, index: LogIndex, record: u64) {
        if (index, record) > self.client_seen {
            self.client_seen = (index, record);
            self.seen_at.push((self.now, index, record));
        }
    }

    /// A node permits a read of its own state.
    pub(crate) fn on_local_read(&mut self, at: usize, read: LocalReadView, record: u64) {
        let LocalReadView { request, applied, staleness, as_of } = read;
        let pending = self.confirmations.reads.iter().find(|read| read.request == request);
        if let Some(staleness_max) = pending.and_then(|read| read.staleness_max)
            && staleness > staleness_max
        {
            let earlier = (format!("a read permits a state of {staleness_max:?}"), record);
            let later = (format!("{:?} serves one of {staleness:?}", node_id(at)), record);
            self.record_violation(Rule::LocalReadsAreBounded, earlier, later);
        }
        let before = self.seen_at.partition_point(|&(time, ..)| time < as_of);
        let Some(&(_, must_see, seen)) = self.seen_at[..before].last() else { return };
        if applied < must_see {
            let earlier = (format!("a client has seen the effect of entry {must_see}"), seen);
            let later = (
                format!(
                    "more than {staleness:?} later {:?} permits a read with {applied} applied",
                    node_id(at)
                ),
                record,
            );
            self.record_violation(Rule::LocalReadsAreBounded, earlier, later);
        }
    }
}
