//! A transfer of leadership after its leadership ended.

use crate::types::{NodeId, RequestId, Timestamp};

/// A transfer that was requested, or that a priority caused, and the node that is to lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TransferRequest {
    /// The request; `None` if the leader began the transfer by itself.
    pub(crate) id: Option<RequestId>,
    pub(crate) target: NodeId,
}

/// A transfer whose leadership ended. Its outcome depends on the node that leads next.
#[derive(Clone, Debug, Default)]
pub(super) struct EndingTransfer {
    /// The request, and when it ends although no leader is known.
    pending: Option<(TransferRequest, Timestamp)>,
}

impl EndingTransfer {
    /// Waits for the next leader.
    pub(super) fn begin(&mut self, request: TransferRequest, deadline: Timestamp) {
        assert!(self.pending.is_none(), "one leadership ends before another one begins");
        self.pending = Some((request, deadline));
    }

    /// When the request ends although no leader is known.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.pending.map(|(_, deadline)| deadline)
    }

    /// Ends the request.
    pub(super) fn take(&mut self) -> Option<TransferRequest> {
        self.pending.take().map(|(request, _)| request)
    }
}
