//! Random numbers.

use core::time::Duration;

use super::NodeState;
use crate::types::{ReadIndexId, Timestamp};

impl NodeState {
    /// A random election timeout from now on, in `[min, 2 * min)` (Raft §5.2), and not within the
    /// time in which a leader may have a lease.
    pub(crate) fn draw_election_deadline(&mut self) -> Timestamp {
        let min = self.config.election_timeout_min;
        let min_nanos = u64::try_from(min.as_nanos()).unwrap_or(u64::MAX);
        let extra = Duration::from_nanos(self.prng.below(min_nanos));
        self.now.after(min).max(self.vote_withheld_until).after(extra)
    }

    /// When a follower campaigns without contact with a leader. A voter of a lower priority than
    /// others waits longer, so that they campaign before it.
    pub(crate) fn draw_campaign_deadline(&mut self) -> Timestamp {
        let deferral = self.config.election_timeout_min.saturating_mul(self.higher_priorities());
        self.draw_election_deadline().after(deferral)
    }

    /// A number for a request for the read index. Random, so that it differs from the numbers that
    /// this node drew before a restart.
    pub(crate) const fn draw_read_index_id(&mut self) -> ReadIndexId {
        ReadIndexId(self.prng.next_u64())
    }
}
