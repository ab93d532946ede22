//! Counts what one command may still visit, stage and return.

use super::refusal::StoreRefusal;
use super::rules::Rules;

/// The budget of one command. Whether it suffices depends on the command, the replicated state and
/// the [`Rules`] alone: not on what other commands have staged, what is flushed, or which
/// superseded versions are still on disk.
#[derive(Debug)]
pub(super) struct Budget {
    rules: &'static Rules,
    keys_left: u64,
    staged_bytes_left: u64,
    output_bytes_left: u64,
}

impl Budget {
    /// The full budget of a command.
    pub(super) const fn new(rules: &'static Rules) -> Self {
        Self {
            rules,
            keys_left: rules.visited_keys_max,
            staged_bytes_left: rules.staged_bytes_max,
            output_bytes_left: rules.output_bytes_max,
        }
    }

    /// The rules that the command is applied by.
    pub(super) const fn rules(&self) -> &'static Rules {
        self.rules
    }

    /// Counts one visited key.
    pub(super) fn charge_key(&mut self) -> Result<(), StoreRefusal> {
        let refusal = StoreRefusal::TooManyKeys { keys_max: self.rules.visited_keys_max };
        self.keys_left = self.keys_left.checked_sub(1).ok_or(refusal)?;
        Ok(())
    }

    /// Counts a version of a key that is to be staged.
    pub(super) fn charge_staged(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreRefusal> {
        let refusal = StoreRefusal::TooLarge { bytes_max: self.rules.staged_bytes_max };
        let bytes = Rules::weight(key, value);
        self.staged_bytes_left = self.staged_bytes_left.checked_sub(bytes).ok_or(refusal)?;
        Ok(())
    }

    /// Counts a key that is to be part of the output.
    pub(super) fn charge_output(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreRefusal> {
        let refusal = StoreRefusal::TooLarge { bytes_max: self.rules.output_bytes_max };
        let bytes = Rules::weight(key, value);
        self.output_bytes_left = self.output_bytes_left.checked_sub(bytes).ok_or(refusal)?;
        Ok(())
    }
}
