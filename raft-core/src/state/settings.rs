//! What is known of the settings in force besides the configuration itself.

use crate::types::LogIndex;

/// Which settings are not committed, not in the timers, or not reported yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SettingsState {
    /// Whether the configuration in force is not committed.
    pub(super) uncommitted: bool,
    /// The settings in force differ from those before: timers begin again.
    pub(super) changed: bool,
    /// The configuration whose contradictions are to be reported.
    pub(super) unreported: Option<LogIndex>,
}
