//! The state that a node has in every role (Raft figure 2, "state on all servers").
//!
//! [`NodeState`] joins the parts. Each part is private to its file, and each file holds the methods
//! that change it.

mod apply_queue;
mod compaction;
mod fetches;
mod freshness;
mod incarnations;
mod memberships;
mod node_state;
mod observations;
mod outbox;
mod persists;
mod settings;
mod snapshots;
mod store_reads;
mod term;
mod transfer;

pub(crate) use compaction::{CompactionCause, Retention};
pub(crate) use incarnations::IncarnationChange;
pub(crate) use node_state::NodeState;
pub(crate) use outbox::DependsOn;
pub(crate) use transfer::TransferRequest;
