//! A hash of everything that can be read, to compare nodes.

use super::database::Family;
use super::error::ReadError;
use super::layout::{self, Version};
use super::types::Revision;
use super::view::View;

/// CRC-32C over every version that existed at some revision from `oldest` to `newest`, in the order
/// of keys, the newest version of a key first. It does not depend on when commands were flushed or
/// which versions were swept.
pub(super) fn hash(view: &View<'_>, oldest: Revision, newest: Revision) -> Result<u32, ReadError> {
    let mut current = view.cursor(Family::Current, None);
    let mut past = view.cursor(Family::History, None);
    current.seek(&[])?;
    past.seek(&[])?;
    let mut hash = Hash { crc: 0, newest };
    hash.number(oldest.get());
    hash.number(newest.get());
    let mut past_key = Vec::new();
    loop {
        let modified = match past.record() {
            Some((key, _)) => Some(layout::split_history_key(key, &mut past_key)?),
            None => None,
        };
        let here = current.record();
        let current_is_next = match (&here, modified) {
            (None, None) => return Ok(hash.crc),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((key, _)), Some(_)) => *key <= &past_key[..],
        };
        if current_is_next {
            if let Some((key, record)) = here {
                hash.version(key, &Version::decode_current(record)?, None);
            }
            current.next()?;
            continue;
        }
        if let (Some((_, record)), Some(modified)) = (past.record(), modified) {
            let (version, superseded) = Version::decode_history(modified, record)?;
            if superseded > oldest {
                hash.version(&past_key, &version, Some(superseded));
            }
        }
        past.next()?;
    }
}

struct Hash {
    crc: u32,
    newest: Revision,
}

impl Hash {
    /// Ignores versions that were created after `newest`. A version that was superseded after
    /// `newest` counts as not superseded.
    fn version(&mut self, key: &[u8], version: &Version<'_>, superseded: Option<Revision>) {
        if version.modified > self.newest {
            return;
        }
        let superseded = superseded.filter(|at| *at <= self.newest).unwrap_or(Revision::ZERO);
        self.bytes(key);
        self.number(version.created.get());
        self.number(version.modified.get());
        self.number(version.version);
        self.number(superseded.get());
        self.bytes(version.value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.crc = crc32c::crc32c_append(self.crc, bytes);
    }

    fn number(&mut self, number: u64) {
        self.crc = crc32c::crc32c_append(self.crc, &number.to_be_bytes());
    }
}
