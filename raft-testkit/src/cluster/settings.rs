//! The settings of a cluster.

use std::fmt;
use std::sync::Arc;

/// Whether the timers of the nodes fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Timers {
    /// Elections and heartbeats happen only by actions. Check-quorum is off, since no time passes
    /// in which a leader could have contact with a quorum, and no disk counts as stalled.
    #[default]
    Off,
    /// [`Cluster::run_for`] and [`Cluster::run_until`] advance the time and fire timers.
    /// Check-quorum is on.
    ///
    /// [`Cluster::run_for`]: crate::Cluster::run_for
    /// [`Cluster::run_until`]: crate::Cluster::run_until
    On,
}

/// Makes the state machine and the store of each node.
pub(crate) struct NodeFactory<M, S> {
    pub(crate) machine: Arc<dyn Fn(u64) -> M + Send + Sync>,
    pub(crate) store: Arc<dyn Fn(u64) -> S + Send + Sync>,
    pub(crate) reopen: Arc<dyn Fn(u64, S) -> S + Send + Sync>,
}

impl<M, S> Clone for NodeFactory<M, S> {
    fn clone(&self) -> Self {
        Self {
            machine: Arc::clone(&self.machine),
            store: Arc::clone(&self.store),
            reopen: Arc::clone(&self.reopen),
        }
    }
}

type ConfigChange = Arc<dyn Fn(&mut raft_core::Settings) + Send + Sync>;

/// The settings of a cluster.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) timers: Timers,
    pub(crate) config_changes: Vec<ConfigChange>,
    /// Whether a violation panics.
    pub(crate) panic_on_violation: bool,
    /// The command line that repeats the test, for reports.
    pub(crate) repeat_command: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            timers: Timers::Off,
            config_changes: Vec::new(),
            panic_on_violation: true,
            repeat_command: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("seed", &self.seed)
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}
