//! Which voter is to lead.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Which of several voters is to lead: the one with the highest priority that is up to date.
///
/// A voter waits one election timeout longer for each higher priority among the other voters, three
/// at most, before it campaigns. A leader transfers its leadership to a voter of a higher priority
/// that has been caught up for a while. Elections are won as without priorities: a voter of a low
/// priority leads if no other one can.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub u8);

impl Priority {
    /// Of a voter that never campaigns by itself. It leads if its host requests a campaign, or if
    /// the leader transfers the leadership to it.
    pub const NEVER: Self = Self(0);

    /// Of a member of which nothing else is known.
    pub const DEFAULT: Self = Self(100);
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
