//! Ranges of protocol versions, and the version that two sides agree on.

use std::fmt;

/// The versions of a protocol that one side supports: all from the lowest to the highest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionRange {
    lowest: u16,
    highest: u16,
}

/// Two sides support no common version of a protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "no common protocol version: supported here {ours}, by the other side {theirs}; \
     upgrade one release at a time"
)]
pub struct NoCommonVersion {
    /// The versions that this side supports.
    pub ours: VersionRange,
    /// The versions that the other side supports.
    pub theirs: VersionRange,
}

impl VersionRange {
    /// A range of one version.
    #[must_use]
    pub const fn only(version: u16) -> Self {
        Self { lowest: version, highest: version }
    }

    /// The range from `lowest` to `highest`; `None` if `lowest` is above `highest`.
    #[must_use]
    pub const fn new(lowest: u16, highest: u16) -> Option<Self> {
        if lowest <= highest { Some(Self { lowest, highest }) } else { None }
    }

    /// The lowest supported version.
    #[must_use]
    pub const fn lowest(self) -> u16 {
        self.lowest
    }

    /// The highest supported version.
    #[must_use]
    pub const fn highest(self) -> u16 {
        self.highest
    }

    /// The highest version that both sides support. Both sides compute the same version.
    ///
    /// # Errors
    /// When the ranges have no version in common.
    pub fn agree(self, theirs: Self) -> Result<u16, NoCommonVersion> {
        let version = self.highest.min(theirs.highest);
        if version >= self.lowest.max(theirs.lowest) {
            Ok(version)
        } else {
            Err(NoCommonVersion { ours: self, theirs })
        }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.lowest, self.highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_on_the_highest_common_version() {
        let range = |lowest, highest| VersionRange::new(lowest, highest).unwrap();
        for (one, other, agreed) in [
            (range(1, 1), range(1, 1), Some(1)),
            (range(1, 3), range(2, 5), Some(3)),
            (range(1, 9), range(4, 4), Some(4)),
            (range(1, 2), range(3, 4), None),
        ] {
            assert_eq!(one.agree(other).ok(), agreed, "{one} and {other}");
            assert_eq!(other.agree(one).ok(), agreed, "{other} and {one}");
        }
        assert_eq!(VersionRange::new(2, 1), None);
        let error = range(1, 2).agree(range(3, 4)).unwrap_err().to_string();
        assert!(error.contains("here 1 to 2, by the other side 3 to 4"), "{error}");
    }
}
