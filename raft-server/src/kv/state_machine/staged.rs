//! Changes of the batch under way: applied, but not yet written.

use std::collections::BTreeMap;

use super::Revision;
use super::layout::{self, Version};
use super::rules::Rules;

/// Records of one column family by key; `None` hides the one on disk.
pub(super) type Records = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Nothing staged: what a reader beside the writer sees.
pub(super) static EMPTY: Records = BTreeMap::new();

/// The records of keys that the batch changes, in the form that goes to disk.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) current: Records,
    pub(super) history: Records,
    /// Bytes that were put in since the last [`Staged::clear`], those taken back or replaced
    /// included.
    bytes: u64,
    /// How to take back the transaction under way; `None` outside of one.
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
    /// From here on changes can be taken back.
    pub(super) fn begin(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Keeps what changed since [`Staged::begin`].
    pub(super) fn commit(&mut self) {
        self.undo = None;
    }

    /// Takes back what changed since [`Staged::begin`].
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

    /// Sets a key at `at`; `old` is what it supersedes.
    pub(super) fn put(&mut self, key: &[u8], old: Option<&Version<'_>>, new: &Version<'_>) {
        if let Some(old) = old {
            self.supersede(key, old, new.modified);
        }
        self.set_current(key, Some(new.encode_current()));
    }

    /// Removes a key at `at`; `old` is what it supersedes.
    pub(super) fn delete(&mut self, key: &[u8], old: &Version<'_>, at: Revision) {
        self.supersede(key, old, at);
        self.set_current(key, None);
    }

    /// Forgets everything.
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
