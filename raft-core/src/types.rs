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
    /// A logical clock: at most one leader a term (Raft §5.1). Zero comes before every election.
    Term, "t"
);
number!(
    /// A position in the log, from 1; zero is the position before the first entry (Raft §5.3).
    LogIndex, "i"
);
number!(
    /// Names a node within its cluster. Chosen by the operator, never zero.
    NodeId, "n"
);
number!(
    /// Counts the lives of a node's disk: a node whose data was wiped returns as a new one.
    Incarnation, "inc"
);
number!(
    /// Names one Raft group among several that share the same nodes.
    GroupId, "g"
);
number!(
    /// Names one request (a proposal or a read) between a shell and its core. Chosen by the
    /// shell, unique within the life of a [`Node`](crate::Node).
    RequestId, "r"
);
number!(
    /// Numbers the [`Persist`](crate::Persist) effects of one [`Node`](crate::Node) in the order
    /// they were emitted, from 1.
    PersistId, "p"
);
number!(
    /// Numbers the [`FetchEntries`](crate::FetchEntries) effects of one [`Node`](crate::Node) in
    /// the order they were emitted, from 1.
    FetchId, "f"
);
number!(
    /// Numbers the exchanges of one leader's term: an append carries it, the answer returns it.
    Round, "round"
);

impl Term {
    /// The term after this one. Saturates, so that no peer's number can make it wrap.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl LogIndex {
    /// The position before the first entry.
    pub const ZERO: Self = Self(0);

    /// The next position. Saturates.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position before; zero stays zero.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many entries lie in `(earlier, self]`; zero if `earlier` is not earlier.
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

/// Names a cluster: 128 random bits, written at its birth, shown as 32 hexadecimal digits.
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

/// An entry's place and the term it was created in. Ordered by term, then index: the order that
/// decides whose log is more up to date (Raft §5.4.1).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Debug,
)]
pub struct LogId {
    /// The term in which a leader created the entry.
    pub term: Term,
    /// The entry's position.
    pub index: LogIndex,
}

impl LogId {
    /// The place before the first entry of an empty log.
    pub const ORIGIN: Self = Self { term: Term(0), index: LogIndex(0) };

    /// Puts the two numbers together.
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

/// A point in time as nanoseconds since some start that the shell picks. Only differences count;
/// it must never run backwards, and a core treats one that does as standing still.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The point this long after `self`. Saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Who a node is: what the envelope of each of its messages says of the sender, and what its
/// data directory must agree with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The Raft group within the cluster.
    pub group: GroupId,
    /// Its name within the cluster.
    pub node: NodeId,
    /// Which life of its disk this is.
    pub incarnation: Incarnation,
}
