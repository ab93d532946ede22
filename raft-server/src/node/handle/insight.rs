//! What a node waits for, and what happens in it.

use std::sync::{Arc, PoisonError};

use super::{NodeHandle, STATUS_TIME_MAX};
use crate::node::event_stream::EventStream;
use crate::node::explanation::{HostFinding, HostInsight, NodeExplanation};

impl NodeHandle {
    /// What the node waits for, and why: a missing leader, entries that are not committed, reads,
    /// followers, changes of the membership, queues, the disk. As recent and as costly as
    /// [`status`](Self::status).
    ///
    /// # Panics
    /// Outside of a Tokio runtime with timers.
    pub async fn explain(&self) -> NodeExplanation {
        let status = self.status().await;
        let shared = self.shared();
        let mut host = Vec::new();
        if let Some(reason) = &status.stopped {
            host.push(HostFinding::Stopped { reason: reason.to_string() });
        } else if status.raft_age >= STATUS_TIME_MAX {
            host.push(HostFinding::DriverSilent { age: status.raft_age });
        }
        if let Some(write) = shared.counters.log_write() {
            let (elapsed, changes, bytes) = (write.began.elapsed(), write.changes, write.bytes);
            host.push(HostFinding::LogWrite { elapsed, changes, bytes });
        }
        let (limits, queues) = (shared.mailbox.limits(), status.queues);
        let lengths = [
            ("messages", queues.inbox, limits.inbox_messages_max),
            ("proposals", queues.proposals, limits.proposals_max),
            ("reads", queues.reads, limits.reads_max),
            ("requests", queues.pending, limits.pending_max),
        ];
        let filled = lengths.into_iter().filter(|&(_, length, max)| length > max / 2);
        host.extend(filled.map(|(queue, length, length_max)| HostFinding::QueueFills {
            queue,
            length,
            length_max,
        }));
        let insights = shared.insights.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for insight in insights {
            insight.explain(&mut host);
        }
        let raft = shared.status.borrow().explanation.clone();
        NodeExplanation { raft, host }
    }

    /// Adds a part of the host to what [`explain`](Self::explain) returns.
    pub fn add_insight(&self, insight: Arc<dyn HostInsight>) {
        let mut insights = self.shared().insights.lock().unwrap_or_else(PoisonError::into_inner);
        insights.push(insight);
    }

    /// The events of the node from now on: changes of role, leader and membership, snapshots,
    /// transfers, refused messages, failures. A reader that is slow loses the oldest ones and
    /// receives their number; it never delays the node.
    #[must_use]
    pub fn events(&self) -> EventStream {
        self.shared().events.subscribe()
    }
}
