//! The violation of a rule.

use std::fmt;

use super::rule::Rule;

/// A rule that broke.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule's name and what it says.
    pub rule: Rule,
    /// What was known before.
    pub earlier: Observation,
    /// What contradicts it.
    pub later: Observation,
}

/// One side of a contradiction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// What was seen.
    pub text: String,
    /// The record of the trace that it was seen at.
    pub record: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (earlier, later) = (&self.earlier.text, &self.later.text);
        write!(f, "{} is broken: {earlier}; {later}", self.rule.name())
    }
}
