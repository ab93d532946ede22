//! The requests of the clients and how each of them ended.

use raft_core::{LogIndex, NodeId};

use crate::trace::record::CommandOutcome;

/// A command or a read that was handed to a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestHandle(pub(super) u64);

impl RequestHandle {
    /// Its number in the trace.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Everything that was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    pub(super) requests: Vec<Request>,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) node: NodeId,
    pub(super) outcome: Option<CommandOutcome>,
    /// Whether the test has looked at how it ended.
    pub(super) collected: bool,
    /// The record of its answer, or of its start.
    pub(super) record: u64,
    /// What clients had seen when it was asked: what a read must see.
    pub(super) floor: (LogIndex, u64),
}

impl Clients {
    pub(super) fn get(&self, handle: RequestHandle) -> &Request {
        let at = usize::try_from(handle.0 - 1).unwrap_or(usize::MAX);
        self.requests
            .get(at)
            .expect("a handle comes from this cluster or from one it was forked of")
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Request> {
        self.requests.get_mut(usize::try_from(id.checked_sub(1)?).ok()?)
    }
}
