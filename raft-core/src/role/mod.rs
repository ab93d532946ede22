//! The roles, and the one place where a node changes from one to another ([`Role::enter`]).

mod candidate;
mod current;
mod follower;
mod follower_reads;
mod insight;
mod leader;
mod transition;
mod votes;

pub(crate) use current::Role;
pub(crate) use follower::{reject_stale_append, reject_stale_snapshot};
pub(crate) use leader::Leader;
pub(crate) use transition::Transition;
