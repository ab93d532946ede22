//! Log lines and counters for the events of the core.

use std::collections::BTreeSet;
use std::sync::Arc;

use raft_core::{Event, LogIndex, Membership, NodeId, RoleCause};
use tokio::time::Instant;

use super::counters::Counters;
use super::event_stream::EventPublisher;
use super::log_limit::LogLimit;

/// Publishes, logs and counts the events of the core. Events that a peer or a failing state machine can cause
/// at any rate have a limit on their lines.
#[derive(Debug)]
pub(super) struct EventLog {
    counters: Arc<Counters>,
    publisher: EventPublisher,
    refused_messages: LogLimit,
    apply_failures: LogLimit,
    apply_retries: LogLimit,
}

impl EventLog {
    pub(super) fn new(counters: Arc<Counters>, publisher: EventPublisher) -> Self {
        Self {
            counters,
            publisher,
            refused_messages: LogLimit::default(),
            apply_failures: LogLimit::default(),
            apply_retries: LogLimit::default(),
        }
    }

    pub(super) fn record(&mut self, event: Event) {
        self.publisher.publish(&event);
        match event {
            Event::RoleChanged { role, term, cause } => {
                if cause == RoleCause::StorageStalled {
                    self.counters.storage_stalls.add(1);
                    tracing::error!(
                        ?role, %term,
                        "the disk of the log makes no progress: leadership or candidacy is given up"
                    );
                }
                tracing::info!(?role, %term, ?cause, "role changed");
            }
            Event::TermEntered { term } => tracing::debug!(%term, "term entered"),
            Event::FollowerSilent { follower, match_index } => {
                tracing::warn!(%follower, acknowledged = %match_index, "follower does not respond");
            }
            Event::FollowerResponds { follower } => {
                tracing::info!(%follower, "follower responds again");
            }
            Event::LeaderDiscovered { leader, term } => {
                tracing::info!(%leader, %term, "leader known");
            }
            Event::Truncated { from, last } => {
                tracing::info!(%from, %last, "conflicting suffix of the log removed");
            }
            Event::MessageRefused { from, kind, reason } => {
                self.counters.messages_refused.add(1);
                if let Some(suppressed) = self.refused_messages.permit(Instant::now()) {
                    tracing::warn!(%from, kind, ?reason, suppressed, "message refused");
                }
            }
            Event::ApplyFailed { index, reason } => {
                if let Some(suppressed) = self.apply_failures.permit(Instant::now()) {
                    tracing::error!(%index, reason, suppressed, "the state machine failed");
                }
            }
            Event::ApplyRetried { index } => {
                if let Some(suppressed) = self.apply_retries.permit(Instant::now()) {
                    tracing::info!(%index, suppressed, "the failed entry is retried");
                }
            }
            Event::TransferStarted { to } => {
                tracing::info!(%to, "leadership is being transferred");
            }
            Event::TransferCompleted { leader, term } => {
                tracing::info!(%leader, %term, "leadership transferred");
            }
            Event::TransferFailed { to, failure } => {
                tracing::warn!(%to, %failure, "leadership not transferred");
            }
            Event::Compacted { .. }
            | Event::SnapshotSending { .. }
            | Event::SnapshotSent { .. }
            | Event::SnapshotInstalled { .. }
            | Event::SnapshotDiscarded { .. } => record_snapshot(&event),
            Event::MembershipInForce { version, membership } => {
                log_membership(version, &membership);
            }
            Event::SettingsContradicted { version, rule } => {
                tracing::warn!(
                    %version, %rule,
                    "the replicated settings contradict those of this node; change one of them"
                );
            }
            Event::AcknowledgementFell { follower, from, to } => {
                self.record_fallen_acknowledgement(follower, from, to);
            }
            _ => {}
        }
    }

    fn record_fallen_acknowledgement(&self, follower: NodeId, from: LogIndex, to: LogIndex) {
        self.counters.acknowledgements_fell.add(1);
        tracing::error!(
            %follower, acknowledged = %from, last = %to,
            "a follower has lost entries that it had acknowledged: replace its data directory and \
             the member"
        );
    }
}

/// Logs an event about snapshots or compaction.
#[allow(clippy::wildcard_enum_match_arm, reason = "`record` handles every other event")]
fn record_snapshot(event: &Event) {
    match event {
        Event::Compacted { base } => tracing::debug!(%base, "log compacted"),
        Event::SnapshotSending { to, last } => tracing::info!(%to, %last, "sending a snapshot"),
        Event::SnapshotSent { to, last, outcome } => {
            tracing::info!(%to, %last, ?outcome, "transfer of a snapshot ended");
        }
        Event::SnapshotInstalled { last, replaced, keeps_later_entries } => {
            tracing::info!(%last, %replaced, keeps_later_entries, "snapshot installed");
        }
        Event::SnapshotDiscarded { last } => {
            tracing::debug!(%last, "snapshot discarded: its last entry is committed here");
        }
        _ => {}
    }
}

fn log_membership(version: LogIndex, membership: &Membership) {
    let list = |nodes: &BTreeSet<NodeId>| {
        let ids: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        ids.join(" ")
    };
    tracing::info!(
        %version,
        voters = list(&membership.voters),
        outgoing = list(&membership.outgoing),
        learners = list(&membership.learners),
        "membership in force"
    );
}
