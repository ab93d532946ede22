//! Counts of what happened around snapshots, for the statistics of a swarm.

/// How often each kind of event around snapshots happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SnapshotCounts {
    pub(crate) taken: u64,
    pub(crate) compactions: u64,
    pub(crate) delivered: u64,
    pub(crate) failed_transfers: u64,
    pub(crate) replacing_installs: u64,
    pub(crate) suffix_keeping_installs: u64,
    pub(crate) discarded: u64,
    pub(crate) restored: u64,
    pub(crate) restarts: u64,
}
