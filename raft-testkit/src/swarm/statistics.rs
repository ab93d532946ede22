//! What really happened: a fault that never strikes tests nothing.

use std::fmt;

use crate::cluster::Cluster;
use crate::trace::record::CommandOutcome;

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often each thing happened in a swarm.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Statistics {
            pub(super) const fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// What never happened.
            #[must_use]
            pub fn missing(&self) -> Vec<&'static str> {
                let mut missing = Vec::new();
                $(if self.$name == 0 { missing.push(stringify!($name)); })*
                missing
            }
        }

        impl fmt::Display for Statistics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "{:>16} {}", self.$name, stringify!($name).replace('_', " "))?;)*
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
    /// Messages that were put on the wire twice.
    duplicates,
    /// Messages handled before one that was sent earlier.
    overtakings,
    /// Crashes.
    crashes,
    /// Writes that a crash took away.
    lost_writes,
    /// Writes that were durable without their node knowing when it crashed.
    unknown_writes,
    /// Restarts.
    restarts,
    /// Partitions and cut links.
    partitions,
    /// Leaders cut off from most other nodes.
    isolations,
    /// Messages kept back for a while.
    delays,
    /// Nodes held still.
    pauses,
    /// Writes that failed.
    disk_faults,
    /// Reads of entries that failed.
    read_faults,
    /// State machines rigged to fail.
    machine_faults,
    /// Timers that fired.
    timers,
    /// Levers pulled: campaigns, step-downs, unreachable peers.
    forced_inputs,
    /// Entries asked of a store.
    fetches,
    /// The highest term, summed over the runs.
    terms,
    /// Commands that took effect as their client was told.
    applied,
    /// Commands refused.
    refused,
    /// Commands whose end is unknown.
    unknown,
    /// Reads that were confirmed.
    reads,
    /// Reads sent to a leader that another node has superseded.
    reads_at_superseded_leaders,
    /// Entries committed, summed over the runs.
    committed,
}

impl Statistics {
    pub(super) fn count_end(&mut self, cluster: &Cluster) {
        self.runs += 1;
        self.events += cluster.events;
        let status = |node: &crate::sim_node::SimNode<_, _>| node.status.term.get();
        self.terms += cluster.nodes.iter().map(status).max().unwrap_or(0);
        let commit = cluster.nodes.iter().map(|node| node.status.commit_index.get()).max();
        self.committed += commit.unwrap_or(0);
        for outcome in cluster.outcomes() {
            match outcome {
                CommandOutcome::Applied(_) => self.applied += 1,
                CommandOutcome::ReadReady(_) => self.reads += 1,
                CommandOutcome::Redirect(_)
                | CommandOutcome::Retry(_)
                | CommandOutcome::Refused(_) => self.refused += 1,
                CommandOutcome::Unknown => self.unknown += 1,
                CommandOutcome::ApplyFailed(_) | CommandOutcome::TimedOut => {}
            }
        }
    }
}
