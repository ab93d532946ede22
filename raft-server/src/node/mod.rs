//! The node: the core with a log store, a transport and a state machine.
//!
//! One task, the *driver*, owns the core ([`driver`]). Everything that the core must know arrives
//! in one mailbox: requests of callers, messages of peers, completions of the node's threads. The
//! driver takes the whole content, steps the core and dispatches the effects: messages to the
//! transport, work to threads. The *persister* writes the log with one sync a batch, the *log
//! reader* reads older entries back at the same time, and the *applier* runs the state machine.
//! A node with a snapshot store has a fourth one, which writes snapshots ([`snapshots`]).
//! Their completions return through the mailbox, so that the driver wakes once for many of them.
//!
//! ```text
//! NodeHandle ──┐                     ┌─> persister ──┐
//! Transport  ──┼─> mailbox ─> driver ┼─> log reader ─┼─> mailbox
//! completions ─┘     (the core)      ├─> applier ────┘
//!                                    └─> Transport, callers
//! ```
//!
//! No other task or thread reads the core. The driver publishes what others need to see: the
//! leadership and the membership after each change, the status on request ([`shared`]).

mod applier;
mod arrivals;
mod builder;
mod clock;
mod consistency;
mod count;
mod counters;
mod driver;
mod error;
mod event_log;
mod event_stream;
mod explanation;
mod handle;
mod histogram;
mod inbox;
mod log_limit;
mod log_reader;
mod mailbox;
mod peer_refusals;
mod peer_set;
mod pending_requests;
mod persister;
mod queue_limits;
mod request;
mod shared;
mod snapshots;
mod start;
mod status;
mod threads;
mod work_queue;
mod worker;

pub use builder::{Node, NodeBuilder};
pub use consistency::{Consistency, Freshness, ReadOutput};
pub use counters::NodeCounters;
pub use error::{
    BoxError, ChangeMembershipError, ProposeError, ReadError, StartError, StopReason, TransferError,
};
pub use event_stream::{EventStream, StreamedEvent};
pub use explanation::{HostFinding, HostInsight, NodeExplanation};
pub use handle::NodeHandle;
pub use histogram::{DURATION_BUCKETS, DurationHistogram};
pub use peer_refusals::RefusedBy;
pub use queue_limits::QueueLimits;
pub use snapshots::{
    CapturedState, RestoreError, SnapshotOptions, SnapshotRequestError, TooLittleSpace,
};
pub use status::{Leadership, MembershipInForce, NodeStatus, QueueDepths};
