//! Words that several findings use.

use core::fmt;
use core::time::Duration;

use crate::types::NodeId;

/// A list of nodes: `1, 2 and 3`.
pub(super) struct Nodes<'a>(pub(super) &'a [NodeId]);

impl fmt::Display for Nodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.0.split_last() else { return f.write_str("none") };
        for (at, node) in others.iter().enumerate() {
            write!(f, "{}{node}", if at == 0 { "" } else { ", " })?;
        }
        write!(f, "{}{last}", if others.is_empty() { "" } else { " and " })
    }
}

/// A duration in milliseconds or seconds: `250 ms`, `3.2 s`.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis < 1_000 {
            write!(f, "{millis} ms")
        } else {
            write!(f, "{}.{} s", millis / 1_000, millis % 1_000 / 100)
        }
    }
}
