//! A state machine that a test controls.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex};
use tokio::sync::watch;

use super::cluster::bytes;

/// Keeps every command in memory, and fails, panics or waits where a test requests it. Its content
/// outlives the node.
pub(super) struct Machine {
    state: Mutex<MachineState>,
    changed: Condvar,
    /// The last entry that was flushed.
    pub(super) flushed: watch::Sender<LogIndex>,
    /// Whether a command waits for [`Machine::release`].
    holding: watch::Sender<bool>,
}

#[derive(Default)]
struct MachineState {
    commands: Vec<Bytes>,
    unflushed: Vec<Bytes>,
    /// The applied index that is reported at the start.
    durable: LogIndex,
    fails_at: Option<Bytes>,
    flush_fails: bool,
    restore_fails: bool,
    /// A command whose version is not supported.
    unsupported: Option<Bytes>,
    staged_bytes_per_command: u64,
    staged_bytes: u64,
    flush_len_max: usize,
    panics_at: Option<Bytes>,
    holds_at: Option<Bytes>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            flushed: watch::Sender::new(LogIndex::ZERO),
            holding: watch::Sender::new(false),
        }
    }
}

impl Machine {
    /// Reports this applied index at the start.
    pub(super) fn durable_to(index: LogIndex) -> Self {
        let machine = Self::default();
        machine.state().durable = index;
        machine
    }

    /// The commands that were flushed.
    pub(super) fn commands(&self) -> Vec<String> {
        let state = self.state();
        state.commands.iter().map(|command| String::from_utf8_lossy(command).into()).collect()
    }

    /// Fails at this command until [`Machine::repair`].
    pub(super) fn fail_at(&self, command: &str) {
        self.state().fails_at = Some(bytes(command));
    }

    /// Fails to flush until [`Machine::repair`].
    pub(super) fn fail_to_flush(&self) {
        self.state().flush_fails = true;
    }

    /// Fails to restore until [`Machine::repair`].
    pub(super) fn fail_to_restore(&self) {
        self.state().restore_fails = true;
    }

    /// Does not support the version of this command until [`Machine::repair`].
    pub(super) fn not_support(&self, command: &str) {
        self.state().unsupported = Some(bytes(command));
    }

    pub(super) fn repair(&self) {
        let mut state = self.state();
        state.fails_at = None;
        state.flush_fails = false;
        state.restore_fails = false;
        state.unsupported = None;
    }

    pub(super) fn panic_at(&self, command: &str) {
        self.state().panics_at = Some(bytes(command));
    }

    /// Waits at this command until [`Machine::release`].
    pub(super) fn hold_at(&self, command: &str) {
        self.state().holds_at = Some(bytes(command));
    }

    pub(super) fn release(&self) {
        self.state().holds_at = None;
        self.changed.notify_all();
    }

    /// Every later command stages this many bytes.
    pub(super) fn stage_per_command(&self, bytes: u64) {
        self.state().staged_bytes_per_command = bytes;
    }

    /// The number of commands in the largest flush.
    pub(super) fn flush_len_max(&self) -> usize {
        self.state().flush_len_max
    }

    /// Waits until this entry is flushed.
    pub(super) async fn has_flushed(&self, index: LogIndex) {
        let mut flushed = self.flushed.subscribe();
        flushed.wait_for(|&flushed| flushed >= index).await.expect("the sender exists");
    }

    /// Waits until a command waits for [`Machine::release`].
    pub(super) async fn is_holding(&self) {
        let mut holding = self.holding.subscribe();
        holding.wait_for(|&holding| holding).await.expect("the sender exists");
    }

    fn state(&self) -> MutexGuard<'_, MachineState> {
        self.state.lock().expect("no panic under this lock")
    }
}

/// A [`Machine`] as the port of one node.
pub(super) struct MachinePort(pub(super) Arc<Machine>);

impl StateMachine for MachinePort {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(self.0.state().durable)
    }

    fn apply(&mut self, _id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        let mut state = self.0.state();
        while state.holds_at.as_ref() == Some(command) {
            self.0.holding.send_replace(true);
            state = self.0.changed.wait(state).expect("no panic under this lock");
        }
        if state.panics_at.as_ref() == Some(command) {
            drop(state);
            panic!("injected panic");
        }
        if state.fails_at.as_ref() == Some(command) {
            return Err(ApplyError::Command { reason: "injected failure".to_owned() });
        }
        if state.unsupported.as_ref() == Some(command) {
            return Err(ApplyError::Unsupported { reason: "version 9".to_owned() });
        }
        state.staged_bytes += state.staged_bytes_per_command;
        state.unflushed.push(command.clone());
        Ok((state.commands.len() + state.unflushed.len()).to_string().into())
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        let mut state = self.0.state();
        let unflushed = std::mem::take(&mut state.unflushed);
        state.staged_bytes = 0;
        if state.flush_fails {
            return Err(StorageFailure { reason: "injected flush failure".to_owned() });
        }
        state.flush_len_max = state.flush_len_max.max(unflushed.len());
        state.commands.extend(unflushed);
        drop(state);
        self.0.flushed.send_replace(applied.index);
        Ok(())
    }

    fn staged_bytes(&self) -> u64 {
        self.0.state().staged_bytes
    }

    fn query(&mut self, query: &Bytes) -> Result<Bytes, QueryError> {
        match query.as_ref() {
            b"count" => Ok(self.0.state().commands.len().to_string().into()),
            b"panic" => panic!("injected panic"),
            _ => Err(QueryError { reason: "unknown query".to_owned() }),
        }
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(self.0.state().durable)
    }

    /// The commands, one line each.
    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        let mut captured = Vec::new();
        for command in &self.0.state().commands {
            captured.extend_from_slice(command);
            captured.push(b'\n');
        }
        Ok(Box::new(Bytes::from(captured)))
    }

    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        let captured = source.read_to_end(1 << 20)?;
        let mut state = self.0.state();
        if state.restore_fails {
            return Err(StorageFailure { reason: "injected restore failure".to_owned() });
        }
        state.unflushed.clear();
        state.commands = captured
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| Bytes::copy_from_slice(line.trim_ascii_end()))
            .collect();
        drop(state);
        self.0.flushed.send_replace(applied.index);
        Ok(())
    }
}
