//! Explanations: why there is no leader, why nothing commits, what each follower needs.
//!
//! The data and their words are here. Each part of a node finds what applies to it
//! (`NodeState::explain`, `Role::explain`); [`Node::explain`](crate::Node::explain) joins them.

mod explanation;
mod finding;
mod leader;
mod log;
mod members;
mod reads;
mod words;

pub use explanation::Explanation;
pub use finding::Finding;
pub use leader::{LeaderFinding, SilentNode, VoteRefusal, VoterSet};
pub use log::{
    ApplyFinding, ApplyObstacle, CommitFinding, CompactionFinding, CompactionObstacle, DiskFinding,
};
pub use members::{FollowerFinding, FollowerNeed, MembershipFinding};
pub use reads::ReadFinding;
