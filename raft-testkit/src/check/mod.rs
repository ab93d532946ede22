//! The rules of Raft, checked over the whole cluster after every event.
//!
//! The checks are incremental: the change of an event is compared with earlier observations, and no
//! event requires a pass over a log. The checker observes only what a node submits to its disk,
//! what becomes durable, and what the node sends, commits and applies.

mod apply;
mod checker;
mod commit;
mod committed;
mod confirmations;
mod durability;
mod election;
mod known_entries;
mod lease;
mod local_reads;
mod log;
mod membership_log;
mod memberships;
mod observed;
mod reads;
mod rule;
mod settings;
mod snapshots;
#[cfg(test)]
mod tests;
mod transfer;
mod violation;

pub(crate) use self::checker::Checker;
pub(crate) use self::local_reads::LocalReadView;
pub(crate) use self::reads::ReadArrival;
pub use self::rule::Rule;
pub use self::violation::{Observation, Violation};
