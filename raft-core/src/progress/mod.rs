//! What a leader records of each follower.

mod catch_up;
mod departure;
mod follower;
mod heartbeats;
mod inflights;
mod snapshot;

pub(crate) use departure::Departure;
pub(crate) use follower::{Progress, ReplicationMode};
pub(crate) use snapshot::Stage;
