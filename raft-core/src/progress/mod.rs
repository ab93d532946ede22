//! What a leader records of each follower.

mod follower;
mod heartbeats;
mod inflights;
mod snapshot;

pub(crate) use follower::{Progress, ReplicationMode};
pub(crate) use snapshot::Stage;
