//! The settings of the cluster that are in force at this node.

use super::NodeState;
use crate::event::Event;

impl NodeState {
    /// Another configuration is in force, or it is committed now.
    pub(super) fn refresh_settings(&mut self) {
        let commit = self.commit_index();
        let before = self.config.clone();
        let since_commit = self.memberships.since(commit);
        self.config.follow(since_commit.map(|membership| &*membership.settings));
        if self.config != before {
            self.settings.changed = true;
        }
        self.settings.uncommitted = self.membership_version() > commit;
    }

    /// Another configuration is in force: what contradicts it is reported at the end of the step.
    pub(super) fn on_settings_in_force(&mut self) {
        self.refresh_settings();
        self.settings.unreported = Some(self.membership_version());
    }

    /// The commit index advanced.
    #[inline]
    pub(super) fn refresh_committed_settings(&mut self) {
        if self.settings.uncommitted {
            self.refresh_settings();
        }
    }

    /// Whether the settings in force have changed since the last call.
    pub(crate) fn take_settings_changed(&mut self) -> bool {
        core::mem::take(&mut self.settings.changed)
    }

    /// Reports the rules that the settings of the cluster break together with the node's own.
    pub(super) fn report_contradictions(&mut self) {
        let Some(version) = self.settings.unreported.take() else { return };
        for rule in self.config.contradictions(&self.membership().settings) {
            self.event(Event::SettingsContradicted { version, rule });
        }
    }

    /// The transport delivers messages of at most this length, in bytes.
    pub(crate) fn limit_messages(&mut self, message_bytes_max: u64) {
        self.config.limit_messages(message_bytes_max);
        self.on_settings_in_force();
    }
}
