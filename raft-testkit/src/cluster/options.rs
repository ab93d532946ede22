//! The options of a cluster, set before its first event.

use std::sync::Arc;

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{ApplyFailurePolicy, Config};

use super::settings::Timers;
use super::sim_cluster::Cluster;

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Names the scenario: its title, and in lower case with underscores its files.
    #[must_use]
    pub fn scenario(mut self, title: &str) -> Self {
        title.clone_into(&mut self.recorder.header.title);
        self.recorder.header.scenario = file_name(title);
        self
    }

    /// Names the scenario's files other than its title does.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.recorder.header.scenario);
        self
    }

    /// Says what the scenario shows.
    #[must_use]
    pub fn described(mut self, text: &str) -> Self {
        text.clone_into(&mut self.recorder.header.description);
        self
    }

    /// Draws every random number from this seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.assert_not_started();
        self.settings.seed = seed;
        self.recorder.header.seed = seed;
        self
    }

    /// Whether time moves by itself.
    #[must_use]
    pub fn timers(mut self, timers: Timers) -> Self {
        self.assert_not_started();
        self.settings.timers = timers;
        self
    }

    /// Adjusts the settings of every node.
    #[must_use]
    pub fn config(mut self, adjust: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        self.assert_not_started();
        self.settings.config_changes.push(Arc::new(adjust));
        self
    }

    /// Whether nodes ask before they raise their term; they do by default.
    #[must_use]
    pub fn pre_vote(self, pre_vote: bool) -> Self {
        self.config(move |config| config.pre_vote = pre_vote)
    }

    /// At most this many entries in an append, and this many appends unanswered by one follower.
    #[must_use]
    pub fn window(self, entries: usize, appends: usize) -> Self {
        self.config(move |config| {
            config.limits.append_entries_max = entries;
            config.limits.inflight_appends_max = appends;
        })
    }

    /// What a node does when its state machine fails at a command.
    #[must_use]
    pub fn apply_failure(self, policy: ApplyFailurePolicy) -> Self {
        self.config(move |config| config.apply_failure = policy)
    }

    /// How a store is opened again after a crash, given the node and the store as it was left.
    /// Without this the store is used as it is.
    #[must_use]
    pub fn reopening(mut self, reopen: impl Fn(u64, S) -> S + Send + Sync + 'static) -> Self {
        self.assert_not_started();
        self.factory.reopen = Arc::new(reopen);
        self
    }

    /// Records nothing: faster, for many events. The rules are checked all the same.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.recorder.set_enabled(false);
        self
    }

    /// Keeps a broken rule in [`Cluster::violation`] instead of panicking.
    #[must_use]
    pub fn without_panic(mut self) -> Self {
        self.settings.panic_on_violation = false;
        self
    }

    /// The command line that repeats the test, for its report.
    #[must_use]
    pub fn repeated_by(mut self, line: &str) -> Self {
        self.settings.repeat_command = Some(line.to_owned());
        self
    }

    fn assert_not_started(&self) {
        assert!(self.nodes.is_empty(), "settings come before the first event");
    }
}

/// A title as the name of a file.
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
