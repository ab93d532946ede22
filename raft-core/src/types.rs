//! Newtypes for every number with a meaning.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number itself.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl From<u64> for $name {
            fn from(value: u64) -> Self {
                Self(value)
            }
        }
    };
}

number!(
    /// A term: a logical clock with at most one leader for each value (Raft §5.1). Zero precedes
    /// the first election.
    Term, "t"
);
number!(
    /// An index in the log, from 1. Zero is the index before the first entry (Raft §5.3).
    LogIndex, "i"
);
number!(
    /// Identifies a node within its cluster. Chosen by the operator, never zero.
    NodeId, "n"
);
number!(
    /// The incarnation of a node: rises each time its data directory is created anew, so that
    /// messages of a node with lost data are distinguished from those of its predecessor.
    Incarnation, "inc"
);
number!(
    /// Identifies one Raft group among several that share the same nodes.
    GroupId, "g"
);
number!(
    /// Identifies one request (a proposal or a read). Chosen by the host, unique for one
    /// [`Node`](crate::Node).
    RequestId, "r"
);
number!(
    /// Numbers the [`Persist`](crate::Persist) effects of one [`Node`](crate::Node) in the order of
    /// their emission, from 1.
    PersistId, "p"
);
number!(
    /// Numbers the [`FetchEntries`](crate::FetchEntries) effects of one [`Node`](crate::Node) in
    /// the order of their emission, from 1.
    FetchId, "f"
);
number!(
    /// Identifies a request for a read index. Drawn at random, so that a response to a node that has
    /// restarted since is recognized.
    ReadIndexId, "ri"
);
number!(
    /// Numbers the rounds of appends in one leader's term: an append carries the number, the
    /// response returns it.
    Round, "round"
);

impl Term {
    /// The next term. Saturates, so that no number of a peer makes it wrap.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl LogIndex {
    /// The index before the first entry.
    pub const ZERO: Self = Self(0);

    /// The next index. Saturates.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The previous index; zero stays zero.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The number of entries in `(earlier, self]`; zero if `earlier` is not less.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for LogIndex {
    type Output = Self;

    fn add(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl Round {
    /// The round of a response that acknowledges no append of the response's term. Leaders count
    /// their rounds from 1.
    pub const NONE: Self = Self(0);

    /// The round after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Identifies a cluster: 128 random bits, displayed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::str::FromStr for ClusterId {
    type Err = core::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// The index of an entry and the term of the leader that created it. Ordered by term, then index:
/// the order that decides which log is more up to date (Raft §5.4.1).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Debug,
)]
pub struct LogId {
    /// The term of the leader that created the entry.
    pub term: Term,
    /// The index of the entry.
    pub index: LogIndex,
}

impl LogId {
    /// The log id before the first entry.
    pub const ORIGIN: Self = Self { term: Term(0), index: LogIndex(0) };

    /// A log id with this term and index.
    #[must_use]
    pub const fn new(term: Term, index: LogIndex) -> Self {
        Self { term, index }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// A point in time: nanoseconds since a start that the host chooses. Only differences matter. Must
/// not decrease; a [`Node`](crate::Node) treats an earlier time as the latest one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time `duration` after `self`. Saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The identity of a node. It is in the envelope of each of its messages and in its data directory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The Raft group within the cluster.
    pub group: GroupId,
    /// The node within the cluster.
    pub node: NodeId,
    /// The incarnation of the node.
    pub incarnation: Incarnation,
}
