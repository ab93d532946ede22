//! The records on disk, to the byte.
//!
//! | column family | key | value |
//! | --- | --- | --- |
//! | `default` | `state` | term, index, revision, compact revision: four numbers |
//! | `current` | user key | create revision, mod revision, version: three numbers; then the value |
//! | `history` | escaped user key, then mod revision inverted | revision that superseded it, create revision, version: three numbers; then the value |
//! | `sessions` | session id | serial, index of its last command: two numbers; then the encoded output |
//!
//! Numbers are eight bytes, big-endian. `current` holds the newest version of
//! each existing key: the newest state is read without the history, and a put of a new key is one
//! insertion. A change moves the version that it supersedes to `history`, with the revision that
//! superseded it. A delete does the same and leaves no other record: that revision is the
//! tombstone. A version that was created and superseded within one transaction cannot be read and
//! is not kept.
//!
//! A user key is escaped in `history` so that the versions of one key stand together, newest
//! first, and keys keep their order: `00` becomes `00 ff`, and `00 01` ends the key.

use raft_core::{LogId, LogIndex, Term};

use super::refusal::StoreRefusal;
use super::types::Revision;

/// Column family of the newest versions.
pub(super) const CURRENT: &str = "current";
/// Column family of the superseded versions.
pub(super) const HISTORY: &str = "history";
/// Column family of the sessions.
pub(super) const SESSIONS: &str = "sessions";
/// Key of the state record in the default column family.
pub(super) const STATE_KEY: &[u8] = b"state";

const NUMBER_BYTES: usize = 8;
const HEAD_BYTES: usize = 3 * NUMBER_BYTES;
const ESCAPE: u8 = 0;
const ESCAPED_ZERO: u8 = 0xff;
const KEY_END: u8 = 1;
/// Sorts after every version of a key and before the next key.
const AFTER_KEY_END: u8 = 2;

/// A record does not have the form that it was written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a record of column family `{family}` has {bytes} bytes that do not decode")]
pub(super) struct DamagedRecord {
    pub(super) family: &'static str,
    pub(super) bytes: usize,
}

/// The state record: what is applied, and the newest and oldest revision that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct State {
    /// The last log entry whose effect is in the store.
    pub(super) applied: LogId,
    /// The newest revision.
    pub(super) revision: Revision,
    /// The oldest revision that can be read; never above `revision`.
    pub(super) compact_revision: Revision,
}

impl State {
    /// The length of a state record.
    pub(super) const BYTES: usize = 4 * NUMBER_BYTES;

    /// Whether a revision can be read.
    pub(super) const fn check_revision(&self, revision: Revision) -> Result<(), StoreRefusal> {
        if revision.get() > self.revision.get() {
            return Err(StoreRefusal::FutureRevision { revision: self.revision });
        }
        if revision.get() < self.compact_revision.get() {
            return Err(StoreRefusal::Compacted { compact_revision: self.compact_revision });
        }
        Ok(())
    }

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let numbers = [
            self.applied.term.get(),
            self.applied.index.get(),
            self.revision.get(),
            self.compact_revision.get(),
        ];
        for (slot, number) in bytes.chunks_exact_mut(NUMBER_BYTES).zip(numbers) {
            slot.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DamagedRecord> {
        let damaged = DamagedRecord { family: "default", bytes: bytes.len() };
        let (term, rest) = number(bytes).ok_or(damaged)?;
        let (index, rest) = number(rest).ok_or(damaged)?;
        let (revision, rest) = number(rest).ok_or(damaged)?;
        let (compact_revision, rest) = number(rest).ok_or(damaged)?;
        if !rest.is_empty() || compact_revision > revision {
            return Err(damaged);
        }
        Ok(Self {
            applied: LogId::new(Term(term), LogIndex(index)),
            revision: Revision(revision),
            compact_revision: Revision(compact_revision),
        })
    }
}

/// One version of one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Version<'a> {
    pub(super) created: Revision,
    pub(super) modified: Revision,
    pub(super) version: u64,
    pub(super) value: &'a [u8],
}

impl<'a> Version<'a> {
    /// The value of a record in `current`.
    pub(super) fn encode_current(&self) -> Vec<u8> {
        record([self.created.get(), self.modified.get(), self.version], self.value)
    }

    pub(super) fn decode_current(bytes: &'a [u8]) -> Result<Self, DamagedRecord> {
        let damaged = DamagedRecord { family: CURRENT, bytes: bytes.len() };
        let ([created, modified, version], value) = head(bytes).ok_or(damaged)?;
        Ok(Self { created: Revision(created), modified: Revision(modified), version, value })
    }

    /// The value of a record in `history`.
    pub(super) fn encode_history(&self, superseded: Revision) -> Vec<u8> {
        record([superseded.get(), self.created.get(), self.version], self.value)
    }

    /// Decodes a record of `history` whose key contains `modified`. Returns the version and the
    /// revision that superseded it.
    pub(super) fn decode_history(
        modified: Revision,
        bytes: &'a [u8],
    ) -> Result<(Self, Revision), DamagedRecord> {
        let damaged = DamagedRecord { family: HISTORY, bytes: bytes.len() };
        let ([superseded, created, version], value) = head(bytes).ok_or(damaged)?;
        let version = Self { created: Revision(created), modified, version, value };
        Ok((version, Revision(superseded)))
    }
}

/// The revision that superseded a version, from the value of its record in `history`.
pub(super) fn superseded_at(value: &[u8]) -> Option<Revision> {
    number(value).map(|(superseded, _)| Revision(superseded))
}

/// The key in `history` of one version of a key. Older versions of the key sort after it.
pub(super) fn history_key(key: &[u8], modified: Revision) -> Vec<u8> {
    let mut bytes = escaped(key, KEY_END);
    bytes.extend_from_slice(&(!modified.get()).to_be_bytes());
    bytes
}

/// The lowest key in `history` that a version of `key` or of a higher one can have.
pub(super) fn history_start(key: &[u8]) -> Vec<u8> {
    escaped(key, KEY_END)
}

/// A key of `history` above every version of `key` and below every version of the next key.
pub(super) fn history_end(key: &[u8]) -> Vec<u8> {
    escaped(key, AFTER_KEY_END)
}

/// Splits a key of `history`: writes the user key to `key` and returns the mod revision.
pub(super) fn split_history_key(
    bytes: &[u8],
    key: &mut Vec<u8>,
) -> Result<Revision, DamagedRecord> {
    let damaged = DamagedRecord { family: HISTORY, bytes: bytes.len() };
    key.clear();
    let mut rest = bytes;
    loop {
        let zero = rest.iter().position(|byte| *byte == ESCAPE).ok_or(damaged)?;
        let (plain, tail) = rest.split_at(zero);
        key.extend_from_slice(plain);
        match tail {
            [ESCAPE, ESCAPED_ZERO, tail @ ..] => {
                key.push(0);
                rest = tail;
            }
            [ESCAPE, KEY_END, tail @ ..] => {
                return match number(tail) {
                    Some((inverted, [])) => Ok(Revision(!inverted)),
                    Some(_) | None => Err(damaged),
                };
            }
            _ => return Err(damaged),
        }
    }
}

/// The record of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SessionRecord<'a> {
    /// The serial of its last command.
    pub(super) serial: u64,
    /// The log index of that command: the sessions with the lowest are evicted first.
    pub(super) used_at: LogIndex,
    /// The encoded output of that command.
    pub(super) output: &'a [u8],
}

impl<'a> SessionRecord<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * NUMBER_BYTES + self.output.len());
        bytes.extend_from_slice(&self.serial.to_be_bytes());
        bytes.extend_from_slice(&self.used_at.get().to_be_bytes());
        bytes.extend_from_slice(self.output);
        bytes
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, DamagedRecord> {
        let damaged = DamagedRecord { family: SESSIONS, bytes: bytes.len() };
        let (serial, rest) = number(bytes).ok_or(damaged)?;
        let (used_at, output) = number(rest).ok_or(damaged)?;
        Ok(Self { serial, used_at: LogIndex(used_at), output })
    }
}

/// The key of a session.
pub(super) const fn session_key(session: u64) -> [u8; NUMBER_BYTES] {
    session.to_be_bytes()
}

/// Decodes the key of a session.
pub(super) fn decode_session_key(bytes: &[u8]) -> Result<u64, DamagedRecord> {
    match number(bytes) {
        Some((session, [])) => Ok(session),
        Some(_) | None => Err(DamagedRecord { family: SESSIONS, bytes: bytes.len() }),
    }
}

fn escaped(key: &[u8], end: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 2 + NUMBER_BYTES);
    let mut rest = key;
    while let Some(zero) = rest.iter().position(|byte| *byte == ESCAPE) {
        bytes.extend_from_slice(&rest[..zero]);
        bytes.extend_from_slice(&[ESCAPE, ESCAPED_ZERO]);
        rest = &rest[zero + 1..];
    }
    bytes.extend_from_slice(rest);
    bytes.extend_from_slice(&[ESCAPE, end]);
    bytes
}

fn record(numbers: [u64; 3], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + value.len());
    for number in numbers {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(value);
    bytes
}

fn head(bytes: &[u8]) -> Option<([u64; 3], &[u8])> {
    let (first, rest) = number(bytes)?;
    let (second, rest) = number(rest)?;
    let (third, rest) = number(rest)?;
    Some(([first, second, third], rest))
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Past reads merge two column families by user key: they must agree on the order.
    #[test]
    fn history_keys_sort_by_user_key_then_newest_first() {
        let keys: [&[u8]; 9] =
            [b"", &[0], &[0, 0], &[0, 1], &[0, 0xff], &[1], b"a", b"a\0", &[0xff, 0xff]];
        let mut last = Vec::new();
        for key in keys {
            for modified in [u64::MAX, 300, 2, 1] {
                let next = history_key(key, Revision(modified));
                assert!(last < next, "{key:?} at {modified}");
                assert!(history_start(key) < next);
                assert!(history_end(key) > next);
                last = next;
            }
        }
    }

    /// A key may contain the escape byte itself.
    #[test]
    fn split_history_key_returns_the_encoded_key_and_revision() {
        let mut key = Vec::new();
        for original in [&b""[..], b"\0", b"\0\x01", b"a\0\xffb", b"plain", b"\xff\0"] {
            let bytes = history_key(original, Revision(7));
            assert_eq!(split_history_key(&bytes, &mut key), Ok(Revision(7)));
            assert_eq!(key, original);
            for cut in 0..bytes.len() {
                assert!(split_history_key(&bytes[..cut], &mut key).is_err());
            }
        }
    }

    /// Damaged records must be reported, not read as numbers.
    #[test]
    fn truncated_records_are_damaged() {
        let state = State { revision: Revision(3), ..State::default() };
        let bytes = state.encode();
        assert_eq!(State::decode(&bytes), Ok(state));
        assert!(State::decode(&bytes[1..]).is_err());
        assert!(Version::decode_current(&[0; 23]).is_err());
        assert!(Version::decode_history(Revision(1), &[0; 23]).is_err());
        assert!(SessionRecord::decode(&[0; 15]).is_err());
        assert!(decode_session_key(&[0; 9]).is_err());
    }
}
