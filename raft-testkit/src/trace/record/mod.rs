//! The records of a trace: what happened in a cluster, in order. Every other format of a trace is
//! rendered from them alone.
//!
//! A step of a node makes one *primary* record (a message handled, a timer, an action of the test,
//! a completed disk write, ...) and then one record for each effect of the step, with the primary
//! record as its cause. The sending of a message has a record of its own
//! ([`RecordKind::MessageSent`]), because the test decides when a message leaves the outbox.

mod cluster_settings;
mod kind;
mod membership;
mod message;
mod node_state;
mod trace;

pub use cluster_settings::cluster_settings;
pub use kind::{CommandOutcome, Loss, Record, RecordKind, ResetView, Vote};
pub use membership::MembershipView;
pub use message::{BodyView, EntryView, MessageView, command_text};
pub use node_state::{Liveness, NodeState, Role, Side};
pub use trace::{FORMAT, Header, Trace, TraceError, VERSION};
