//! The names of the limits.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Names a field of [`Limits`](crate::Limits), in errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LimitName {
    /// `append_entries_max`.
    AppendEntries,
    /// `append_bytes_max`.
    AppendBytes,
    /// `inflight_appends_max`.
    InflightAppends,
    /// `inflight_bytes_max`.
    InflightBytes,
    /// `command_bytes_max`.
    CommandBytes,
    /// `unapplied_bytes_max`.
    UnappliedBytes,
    /// `tail_bytes_max`.
    TailBytes,
    /// `apply_bytes_max`.
    ApplyBytes,
}

impl fmt::Display for LimitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AppendEntries => "append_entries_max",
            Self::AppendBytes => "append_bytes_max",
            Self::InflightAppends => "inflight_appends_max",
            Self::InflightBytes => "inflight_bytes_max",
            Self::CommandBytes => "command_bytes_max",
            Self::UnappliedBytes => "unapplied_bytes_max",
            Self::TailBytes => "tail_bytes_max",
            Self::ApplyBytes => "apply_bytes_max",
        })
    }
}
