//! Changes that are applied, but not yet written.

use std::collections::BTreeMap;

use super::layout::{self, Version};
use super::rules::Rules;
use super::types::Revision;

/// Records of one column family by key; `None` hides the one on disk.
pub(super) type Records = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// No staged changes: what readers on other threads use.
pub(super) static EMPTY: Records = BTreeMap::new();

/// The records of the keys that the next batch changes, as they are written to disk.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) current: Records,
    pub(super) history: Records,
    /// Bytes that were added since the last [`Staged::clear`], including those that were rolled
    /// back or replaced.
    bytes: u64,
    /// How to roll back the current transaction; `None` outside a transaction.
    undo: Option<Vec<Undo>>,
}

#[derive(Debug)]
enum Undo {
    /// Restores what was staged for a key.
    Current(Vec<u8>, Option<Option<Vec<u8>>>),
    /// Removes a version; versions are only ever added.
    History(Vec<u8>),
}

impl Staged {
    /// Begins a transaction.
    pub(super) fn begin(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Keeps the changes since [`Staged::begin`].
    pub(super) fn commit(&mut self) {
        self.undo = None;
    }

    /// Removes the changes since [`Staged::begin`].
    pub(super) fn roll_back(&mut self) {
        for undo in self.undo.take().unwrap_or_default().into_iter().rev() {
            match undo {
                Undo::Current(key, Some(before)) => {
                    self.current.insert(key, before);
                }
                Undo::Current(key, None) => {
                    self.current.remove(&key);
                }
                Undo::History(key) => {
                    self.history.remove(&key);
                }
            }
        }
    }

    /// Sets a key; `old` is the version that `new` supersedes.
    pub(super) fn put(&mut self, key: &[u8], old: Option<&Version<'_>>, new: &Version<'_>) {
        if let Some(old) = old {
            self.supersede(key, old, new.modified);
        }
        self.set_current(key, Some(new.encode_current()));
    }

    /// Removes a key at revision `at`; `old` is the version that this supersedes.
    pub(super) fn delete(&mut self, key: &[u8], old: &Version<'_>, at: Revision) {
        self.supersede(key, old, at);
        self.set_current(key, None);
    }

    /// Removes all changes.
    pub(super) fn clear(&mut self) {
        self.current.clear();
        self.history.clear();
        self.bytes = 0;
        self.undo = None;
    }

    /// Memory that the records take up, in bytes, approximately; never too low.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn supersede(&mut self, key: &[u8], old: &Version<'_>, at: Revision) {
        assert!(old.modified <= at, "a version is superseded by a later revision");
        if old.modified == at {
            return;
        }
        let key = layout::history_key(key, old.modified);
        if let Some(undo) = &mut self.undo {
            undo.push(Undo::History(key.clone()));
        }
        let record = old.encode_history(at);
        self.bytes += Rules::weight(&key, &record);
        self.history.insert(key, Some(record));
    }

    fn set_current(&mut self, key: &[u8], record: Option<Vec<u8>>) {
        self.bytes += Rules::weight(key, record.as_deref().unwrap_or_default());
        let before = self.current.insert(key.to_vec(), record);
        if let Some(undo) = &mut self.undo {
            undo.push(Undo::Current(key.to_vec(), before));
        }
    }
}
