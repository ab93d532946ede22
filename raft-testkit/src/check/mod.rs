//! The rules of Raft, checked over the whole cluster after every event.
//!
//! Everything is incremental: what an event changes is compared with what is known from before,
//! and no event costs a walk along a log. The checker sees what a node hands to its disk, what
//! became durable, what it sends, commits and applies - never the inside of a node.

mod apply;
mod checker;
mod commit;
mod committed;
mod confirmations;
mod durability;
mod election;
mod known_entries;
mod log;
mod observed;
mod reads;
mod rule;
#[cfg(test)]
mod tests;
mod violation;

pub(crate) use self::checker::Checker;
pub use self::rule::Rule;
pub use self::violation::{Observation, Violation};
