//! The node: a core with a store, a transport and a state machine around it.
//!
//! One task, the *driver*, owns the core. Everything that can happen to the node meets in one
//! mailbox; the driver takes all that is there, tells the core, and hands what the core wants done
//! to threads of its own: the *persister* writes the log with one sync a batch, the *log reader*
//! reads older entries back beside it, and the *applier* runs the state machine. Their completions
//! come back through the same mailbox, so that the driver wakes once for many of them.
//!
//! ```text
//! NodeHandle ──┐                     ┌─> persister ──┐
//! Transport  ──┼─> mailbox ─> driver ┼─> log reader ─┼─> mailbox
//! completions ─┘     (one core)      ├─> applier ────┘
//!                                    └─> Transport, callers
//! ```

mod applier;
mod builder;
mod driver;
mod error;
mod executor;
mod handle;
mod inbox;
mod log_limit;
mod log_reader;
mod mailbox;
mod persister;
mod status;
mod stepper;
mod waiters;
mod work_queue;
mod worker;

pub use builder::NodeBuilder;
pub use error::{BoxError, ProposeError, ReadError, StartError, StopReason};
pub use handle::NodeHandle;
pub use mailbox::QueueLimits;
pub use status::{
    DURATION_BUCKETS, DurationHistogram, Leadership, NodeCounters, NodeStatus, QueueDepths,
};

/// Where a node begins: [`Node::builder`]. A running one is a [`NodeHandle`].
#[derive(Debug)]
pub enum Node {}

impl Node {
    /// Starts to describe a node.
    #[must_use]
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }
}
