//! One thing that a node waits for.

use core::fmt;

use serde::Serialize;

use super::leader::LeaderFinding;
use super::log::{ApplyFinding, CommitFinding, CompactionFinding, DiskFinding};
use super::members::{FollowerFinding, MembershipFinding};
use super::reads::ReadFinding;

/// One thing that a node waits for, with the numbers that show why. Displayed in words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "topic", content = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// Why there is no leader, or why it may be lost.
    Leader(LeaderFinding),
    /// What the disk of the node waits for.
    Disk(DiskFinding),
    /// Why entries are not committed, or proposals refused.
    Commit(CommitFinding),
    /// Why committed entries are not applied.
    Apply(ApplyFinding),
    /// Why reads wait.
    Reads(ReadFinding),
    /// What a follower needs.
    Followers(FollowerFinding),
    /// What blocks a change of the membership.
    Membership(MembershipFinding),
    /// What holds compaction back.
    Compaction(CompactionFinding),
}

/// The topics in the order of an explanation.
pub(super) const TOPICS: [&str; 8] =
    ["leader", "disk", "commit", "apply", "reads", "followers", "membership", "compaction"];

impl Finding {
    /// What it is about, in one word.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Leader(_) => "leader",
            Self::Disk(_) => "disk",
            Self::Commit(_) => "commit",
            Self::Apply(_) => "apply",
            Self::Reads(_) => "reads",
            Self::Followers(_) => "followers",
            Self::Membership(_) => "membership",
            Self::Compaction(_) => "compaction",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader(finding) => finding.fmt(f),
            Self::Disk(finding) => finding.fmt(f),
            Self::Commit(finding) => finding.fmt(f),
            Self::Apply(finding) => finding.fmt(f),
            Self::Reads(finding) => finding.fmt(f),
            Self::Followers(finding) => finding.fmt(f),
            Self::Membership(finding) => finding.fmt(f),
            Self::Compaction(finding) => finding.fmt(f),
        }
    }
}

/// From the findings of each topic.
macro_rules! from_topics {
    ($($topic:ident($finding:ident)),*) => {$(
        impl From<$finding> for Finding {
            fn from(finding: $finding) -> Self {
                Self::$topic(finding)
            }
        }
    )*};
}

from_topics!(
    Leader(LeaderFinding),
    Disk(DiskFinding),
    Commit(CommitFinding),
    Apply(ApplyFinding),
    Reads(ReadFinding),
    Followers(FollowerFinding),
    Membership(MembershipFinding),
    Compaction(CompactionFinding)
);
