//! The options of a cluster, set before its first event.

use std::sync::Arc;
use std::time::Duration;

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{ApplyFailurePolicy, FollowerReads, LeaseSettings, NodeId, Settings};

use super::settings::Timers;
use super::sim_cluster::Cluster;
use crate::check::Checker;
use crate::network::Network;

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Sets the title of the scenario. Its files have the title in lower case with underscores.
    #[must_use]
    pub fn scenario(mut self, title: &str) -> Self {
        title.clone_into(&mut self.recorder.header.title);
        self.recorder.header.scenario = file_name(title);
        self.recorder.header.source = current_test();
        self
    }

    /// Sets the scenario file in which the scenario is defined.
    pub(crate) fn defined_in_file(mut self, name: &str) -> Self {
        self.recorder.header.source = format!("{name}.raft");
        self.repeated_by(&format!("raft-testkit run {name}.raft"))
    }

    /// Sets the name of the scenario's files.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.recorder.header.scenario);
        self
    }

    /// Sets the description of the scenario.
    #[must_use]
    pub fn described(mut self, text: &str) -> Self {
        text.clone_into(&mut self.recorder.header.description);
        self
    }

    /// Adds nodes with empty stores that are not members: they wait until a leader adds them. Their
    /// ids follow those of the voters.
    #[must_use]
    pub fn spares(mut self, count: usize) -> Self {
        self.assert_not_started();
        let size = self.size() + count;
        self.recorder.header.nodes = (1..=size as u64).map(NodeId).collect();
        self.network = Network::new(size);
        self.checker = Checker::new(size, &self.membership);
        self
    }

    /// Sets the seed of the election timeouts. The default is 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.assert_not_started();
        self.settings.seed = seed;
        self.recorder.header.seed = seed;
        self
    }

    /// Sets whether timers fire. The default is [`Timers::Off`].
    #[must_use]
    pub fn timers(mut self, timers: Timers) -> Self {
        self.assert_not_started();
        self.settings.timers = timers;
        self
    }

    /// Changes the configuration of every node, after the other options. May be called several
    /// times.
    #[must_use]
    pub fn config(mut self, adjust: impl Fn(&mut Settings) + Send + Sync + 'static) -> Self {
        self.assert_not_started();
        self.settings.config_changes.push(Arc::new(adjust));
        self
    }

    /// Sets whether nodes hold a pre-vote before an election (thesis §9.6). The default is true.
    #[must_use]
    pub fn pre_vote(self, pre_vote: bool) -> Self {
        self.config(move |settings| settings.pre_vote = pre_vote)
    }

    /// Sets what followers do with reads. The default is [`FollowerReads::Redirect`].
    #[must_use]
    pub fn follower_reads(self, follower_reads: FollowerReads) -> Self {
        self.config(move |settings| settings.follower_reads = follower_reads)
    }

    /// Turns leases on (thesis §6.4.1), and check-quorum, which they need. The clocks of two nodes
    /// diverge by at most `clock_drift_max` in an election timeout.
    #[must_use]
    pub fn leases(self, clock_drift_max: Duration) -> Self {
        self.config(move |settings| {
            settings.check_quorum = true;
            settings.lease = Some(LeaseSettings { clock_drift_max });
        })
    }

    /// Sets the maximum number of entries in an append, and of appends in flight to one follower.
    #[must_use]
    pub fn window(self, entries: usize, appends: usize) -> Self {
        self.config(move |settings| {
            settings.limits.append_entries_max = entries;
            settings.limits.inflight_appends_max = appends;
        })
    }

    /// Sets how many durably applied entries compaction keeps, and keeps none in addition for
    /// followers that lack them: they get a snapshot.
    #[must_use]
    pub fn keep(self, entries: u64) -> Self {
        self.config(move |settings| {
            settings.compaction.kept_entries_max = entries;
            settings.compaction.follower_bytes_max = 0;
        })
    }

    /// Sets what a node does when its state machine fails at a command.
    #[must_use]
    pub fn apply_failure(self, policy: ApplyFailurePolicy) -> Self {
        self.config(move |settings| settings.apply_failure = policy)
    }

    /// Sets how a store is opened after a crash. The function gets the id of the node and the store
    /// before the crash. Without this option the same store is used again.
    #[must_use]
    pub fn reopening(mut self, reopen: impl Fn(u64, S) -> S + Send + Sync + 'static) -> Self {
        self.assert_not_started();
        self.factory.reopen = Arc::new(reopen);
        self
    }

    /// Records no trace, which is faster. The rules are checked.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.recorder.set_enabled(false);
        self
    }

    /// Keeps a violation in [`Cluster::violation`] instead of a panic.
    #[must_use]
    pub fn without_panic(mut self) -> Self {
        self.settings.panic_on_violation = false;
        self
    }

    /// Sets the command line that repeats the test, for the report of a failure.
    #[must_use]
    pub fn repeated_by(mut self, line: &str) -> Self {
        self.settings.repeat_command = Some(line.to_owned());
        self
    }

    fn assert_not_started(&self) {
        assert!(self.nodes.is_empty(), "options are set before the cluster starts");
    }
}

/// A title as a file name.
fn file_name(title: &str) -> String {
    let mut name = String::with_capacity(title.len());
    for letter in title.chars() {
        if letter.is_alphanumeric() {
            name.extend(letter.to_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    name.trim_end_matches('_').to_owned()
}

/// The package and the test that run, as far as cargo and the test harness name them.
fn current_test() -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let thread = std::thread::current();
    format!("{package} {}", thread.name().unwrap_or_default()).trim().to_owned()
}
