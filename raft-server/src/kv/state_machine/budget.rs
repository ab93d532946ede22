//! What one command may still visit, stage and answer with.

use super::output::StoreRefusal;
use super::rules::Rules;

/// The budget of one command. Whether it suffices depends on the command, the replicated state and
/// the [`Rules`] alone: not on what other commands have staged, what is flushed, or which
/// superseded versions are still on the disk.
#[derive(Debug)]
pub(super) struct Budget {
    rules: &'static Rules,
    keys_left: u64,
    staged_bytes_left: u64,
    output_bytes_left: u64,
}

impl Budget {
    /// The whole budget of a command.
    pub(super) const fn new(rules: &'static Rules) -> Self {
        Self {
            rules,
            keys_left: rules.visited_keys_max,
            staged_bytes_left: rules.staged_bytes_max,
            output_bytes_left: rules.output_bytes_max,
        }
    }

    /// The rules that the command is executed by.
    pub(super) const fn rules(&self) -> &'static Rules {
        self.rules
    }

    /// One more key is looked at.
    pub(super) fn visit(&mut self) -> Result<(), StoreRefusal> {
        let refused = StoreRefusal::TooManyKeys { keys_max: self.rules.visited_keys_max };
        self.keys_left = self.keys_left.checked_sub(1).ok_or(refused)?;
        Ok(())
    }

    /// A version of a key is to be staged.
    pub(super) fn stage(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreRefusal> {
        let refused = StoreRefusal::TooLarge { bytes_max: self.rules.staged_bytes_max };
        let bytes = Rules::weight(key, value);
        self.staged_bytes_left = self.staged_bytes_left.checked_sub(bytes).ok_or(refused)?;
        Ok(())
    }

    /// A key is to be part of the output.
    pub(super) fn output(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreRefusal> {
        let refused = StoreRefusal::TooLarge { bytes_max: self.rules.output_bytes_max };
        let bytes = Rules::weight(key, value);
        self.output_bytes_left = self.output_bytes_left.checked_sub(bytes).ok_or(refused)?;
        Ok(())
    }
}
