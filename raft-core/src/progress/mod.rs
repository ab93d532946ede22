//! What a leader records of each follower.

mod follower;
mod heartbeats;
mod inflights;

pub(crate) use follower::{Progress, ReplicationMode};
