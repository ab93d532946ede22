//! Reads of the own state, with a bound on its age.

use alloc::vec::Vec;
use core::time::Duration;

use super::NodeState;
use crate::effect::Outcome;
use crate::types::{LogIndex, RequestId, Timestamp};

impl NodeState {
    /// How old the applied state may be; `None` if that is not known.
    pub(crate) fn staleness(&self) -> Option<Duration> {
        self.freshness.staleness(self.now)
    }

    /// A leader has confirmed that `index` covers every write that was acknowledged before
    /// `requested_at`.
    pub(crate) fn on_read_index_confirmed(&mut self, index: LogIndex, requested_at: Timestamp) {
        self.freshness.on_confirmed(index, requested_at, self.apply.applied());
    }

    /// Permits reads of the state as it is.
    pub(crate) fn complete_local_reads(&mut self, requests: Vec<RequestId>, staleness: Duration) {
        let applied_index = self.apply.applied();
        for id in requests {
            self.respond(id, Outcome::LocalReadReady { applied_index, staleness });
        }
    }
}
