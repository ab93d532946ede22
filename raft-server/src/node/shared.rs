//! What a node's handles and its driver share.
//!
//! The core is not shared: the driver owns it, and no lock is held across a step. A status is
//! published on request instead: a handle puts a request into the mailbox, which wakes the driver,
//! and the driver publishes the status at the end of its cycle, after everything that arrived
//! before the request. Without requests the status costs nothing, however short the cycles are, and
//! a status is as recent as one that was read from the core itself.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use raft_core::{Explanation, Timestamp};
use tokio::sync::watch;

use super::counters::Counters;
use super::error::StopReason;
use super::event_stream::EventSource;
use super::explanation::HostInsight;
use super::mailbox::Mailbox;
use super::peer_refusals::PeerRefusals;
use super::snapshots::Snapshots;
use super::status::{Leadership, MembershipInForce};

/// What a node's handles and its driver share.
pub(super) struct Shared {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
    /// `None` in a node without a snapshot store.
    pub(super) snapshots: Option<Arc<Snapshots>>,
    /// The streams of the events of the core.
    pub(super) events: EventSource,
    /// What explains more than the core knows.
    pub(super) insights: Mutex<Vec<Arc<dyn HostInsight>>>,
    /// As of the end of the driver's last cycle.
    pub(super) leadership: watch::Sender<Leadership>,
    /// The configuration in force.
    pub(super) membership: watch::Sender<MembershipInForce>,
    /// The peers that refuse this node.
    pub(super) refusals: Arc<PeerRefusals>,
    /// The last status that the driver has published.
    pub(super) status: watch::Sender<PublishedStatus>,
    /// Why the node has stopped, once its threads have ended and its ports are closed.
    pub(super) stopped: watch::Sender<Option<StopReason>>,
}

/// The state of the core at one moment.
#[derive(Clone, Debug)]
pub(super) struct PublishedStatus {
    pub(super) raft: raft_core::Status,
    pub(super) explanation: Explanation,
    pub(super) at: Instant,
}

/// Reports that the node has stopped when it is dropped, which also happens when the runtime drops
/// the driver.
#[derive(Debug)]
pub(super) struct StopGuard {
    shared: Arc<Shared>,
    /// Why the driver has stopped, unless the runtime drops it.
    pub(super) reason: Option<StopReason>,
}

impl Shared {
    /// The state shared around a core that has not made a step.
    pub(super) fn new(
        mailbox: Arc<Mailbox>,
        counters: Arc<Counters>,
        snapshots: Option<Arc<Snapshots>>,
        refusals: Arc<PeerRefusals>,
        core: &raft_core::Node,
    ) -> Self {
        Self {
            mailbox,
            counters,
            snapshots,
            events: EventSource::default(),
            insights: Mutex::default(),
            leadership: watch::Sender::new(Leadership::of(core)),
            membership: watch::Sender::new(MembershipInForce::of(core)),
            refusals,
            status: watch::Sender::new(PublishedStatus::of(core, Timestamp(0))),
            stopped: watch::Sender::new(None),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("leadership", &*self.leadership.borrow())
            .finish_non_exhaustive()
    }
}

impl PublishedStatus {
    /// The state at the core's time `now`.
    pub(super) fn of(core: &raft_core::Node, now: Timestamp) -> Self {
        Self { raft: core.status(), explanation: core.explain(now), at: Instant::now() }
    }
}

impl StopGuard {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, reason: None }
    }
}

impl Drop for StopGuard {
    fn drop(&mut self) {
        drop(self.shared.mailbox.close());
        let reason = self.reason.take().unwrap_or(StopReason::RuntimeEnded);
        self.shared.stopped.send_replace(Some(reason));
    }
}
