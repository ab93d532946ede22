//! The violation of a rule.

use std::fmt;

use super::rule::Rule;

/// The violation of a rule: two observations that contradict each other.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The earlier observation.
    pub earlier: Observation,
    /// The later observation, which contradicts the earlier one.
    pub later: Observation,
}

/// An observation of the checker.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Observation {
    /// What was observed, in words.
    pub text: String,
    /// The number of the record in the trace.
    pub record: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, earlier, later } = self;
        write!(f, "{} is violated: {}; {}", rule.name(), earlier.text, later.text)
    }
}
