//! The requests of the clients and how each of them ended.

use raft_core::{LogIndex, NodeId};

use crate::trace::record::CommandOutcome;

/// A command or a read that was submitted to a node. Returned by [`Cluster::propose`] and
/// [`Cluster::read`].
///
/// [`Cluster::propose`]: crate::Cluster::propose
/// [`Cluster::read`]: crate::Cluster::read
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestHandle(pub(super) u64);

impl RequestHandle {
    /// The number of the request in the trace.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// All requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    pub(super) requests: Vec<Request>,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) node: NodeId,
    pub(super) outcome: Option<CommandOutcome>,
    /// Whether the test has taken the outcome.
    pub(super) collected: bool,
    /// The record of its outcome, or of its start.
    pub(super) record: u64,
    /// The highest index whose effect a client had seen when the request began: a read must see it.
    pub(super) floor: (LogIndex, u64),
}

impl Clients {
    pub(super) fn get(&self, handle: RequestHandle) -> &Request {
        let at = usize::try_from(handle.0 - 1).unwrap_or(usize::MAX);
        self.requests
            .get(at)
            .expect("a handle belongs to this cluster or to the cluster that it is a fork of")
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Request> {
        self.requests.get_mut(usize::try_from(id.checked_sub(1)?).ok()?)
    }
}
