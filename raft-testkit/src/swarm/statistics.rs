//! Counts of what happened in the runs: a fault that never happens tests nothing.

use std::fmt;

use crate::cluster::Cluster;
use crate::trace::record::CommandOutcome;

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often each kind of event happened in the runs of a swarm.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Statistics {
            pub(super) const fn merge(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// The names of the counts that are zero.
            #[must_use]
            pub fn missing(&self) -> Vec<&'static str> {
                let mut missing = Vec::new();
                $(if self.$name == 0 { missing.push(stringify!($name)); })*
                missing
            }
        }

        impl fmt::Display for Statistics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "{:>12} {}", self.$name, stringify!($name).replace('_', " "))?;)*
                Ok(())
            }
        }
    };
}

statistics! {
    /// Seeds that ran to their end.
    runs,
    /// Inputs given to nodes.
    events,
    /// Messages lost.
    losses,
    /// Messages duplicated on the wire.
    duplicates,
    /// Messages handled before a message that was sent earlier.
    overtakings,
    /// Crashes.
    crashes,
    /// Changes that were lost in a crash.
    lost_writes,
    /// Changes that survived a crash without a report to the node.
    unknown_writes,
    /// Restarts.
    restarts,
    /// Partitions and cut links.
    partitions,
    /// Leaders partitioned from the other nodes.
    isolations,
    /// Messages held for a while.
    delays,
    /// Nodes paused.
    pauses,
    /// Writes that failed.
    disk_faults,
    /// Reads of entries that failed.
    read_faults,
    /// Failures injected into state machines.
    state_machine_faults,
    /// Timers that fired.
    timers,
    /// Inputs without a cause: campaigns, step-downs, unreachable peers.
    forced_inputs,
    /// Entries fetched from a store.
    fetches,
    /// Snapshots taken.
    snapshots_taken,
    /// States that state machines made durable.
    flushes,
    /// Requests for a snapshot that failed.
    failed_captures,
    /// Logs compacted.
    compactions,
    /// Snapshots delivered to a follower.
    snapshots_delivered,
    /// Transfers of snapshots that failed.
    failed_transfers,
    /// Snapshots damaged on their way.
    damaged_snapshots,
    /// Snapshots that replaced a log.
    replaced_logs,
    /// Snapshots that a log continued.
    kept_suffixes,
    /// Snapshots that a follower did not need.
    discarded_snapshots,
    /// State machines restored to a snapshot of the leader.
    restored_state_machines,
    /// Restarts from a snapshot.
    restarts_from_snapshots,
    /// The highest term, summed over the runs.
    terms,
    /// Commands reported as applied.
    applied,
    /// Changes of the membership that were requested.
    membership_requests,
    /// Changes of the membership that ended.
    membership_changes,
    /// Changes of settings of the cluster that were requested.
    settings_changes,
    /// Changes of priorities that were requested.
    priority_changes,
    /// Joint configurations that came into force at a leader.
    joint_memberships,
    /// Nodes whose disks were wiped.
    wipes,
    /// Requests that admit a wiped node.
    replacements,
    /// Commands refused.
    refused,
    /// Commands with an unknown outcome.
    unknown,
    /// Reads that were confirmed.
    reads,
    /// Reads sent to a leader that another node has superseded.
    reads_at_superseded_leaders,
    /// Transfers of leadership that were requested.
    transfers,
    /// Transfers whose target leads.
    transfers_completed,
    /// Transfers that began and failed.
    transfers_failed,
    /// Reads that a follower completed with the read index of its leader.
    reads_at_followers,
    /// Reads that nodes served from their own state.
    local_reads,
    /// Reads that a lease permitted without messages.
    leased_reads,
    /// Entries committed, summed over the runs.
    committed,
}

impl Statistics {
    pub(super) fn count_end(&mut self, cluster: &Cluster) {
        self.runs += 1;
        self.events += cluster.events;
        self.leased_reads += cluster.checker.leased_reads;
        let counts = cluster.snapshot_counts;
        self.snapshots_taken += counts.taken;
        self.compactions += counts.compactions;
        self.snapshots_delivered += counts.delivered;
        self.failed_transfers += counts.failed_transfers;
        self.replaced_logs += counts.replacing_installs;
        self.kept_suffixes += counts.suffix_keeping_installs;
        self.discarded_snapshots += counts.discarded;
        self.restored_state_machines += counts.restored;
        self.restarts_from_snapshots += counts.restarts;
        let status = |node: &crate::sim_node::SimNode<_, _>| node.status.term.get();
        self.terms += cluster.nodes.iter().map(status).max().unwrap_or(0);
        let commit = cluster.nodes.iter().map(|node| node.status.commit_index.get()).max();
        self.committed += commit.unwrap_or(0);
        for outcome in cluster.outcomes() {
            match outcome {
                CommandOutcome::Applied(_) => self.applied += 1,
                CommandOutcome::ReadReady(_) => self.reads += 1,
                CommandOutcome::LocalReadReady { .. } => self.local_reads += 1,
                CommandOutcome::Redirect(_)
                | CommandOutcome::Retry(_)
                | CommandOutcome::Refused(_) => self.refused += 1,
                CommandOutcome::MembershipChanged(_) => self.membership_changes += 1,
                CommandOutcome::Unknown => self.unknown += 1,
                CommandOutcome::Transferred(_) => self.transfers_completed += 1,
                CommandOutcome::NotTransferred(_) => self.transfers_failed += 1,
                CommandOutcome::ApplyFailed(_) | CommandOutcome::TimedOut => {}
            }
        }
    }
}
