//! Restoring the state machine from a snapshot.

use raft_core::LogId;
use raft_core::ports::StateMachine;

use super::error::RestoreError;
use super::host::Snapshots;

impl Snapshots {
    /// Replaces the state of the state machine by the snapshot with this last entry.
    pub(in crate::node) fn restore(
        &self,
        last: LogId,
        state_machine: &mut dyn StateMachine,
    ) -> Result<(), RestoreError> {
        let mut reader = self.store().open(last)?.ok_or(RestoreError::Missing)?;
        let size_bytes = reader.metadata().size_bytes;
        self.options.check_urgent_space(size_bytes)?;
        tracing::info!(%last, size_bytes, "restoring the state machine");
        state_machine.restore(last, &mut *reader)?;
        self.counters.snapshots_restored.add(1);
        self.on_flushed(last.index);
        tracing::info!(%last, "state machine restored");
        Ok(())
    }
}
