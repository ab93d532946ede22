//! Keys, and the encoding of the small records.

use raft_core::LogIndex;
use raft_core::ports::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The column family that holds the entries.
pub(super) const LOG_FAMILY: &str = "log";

/// Format and identity.
pub(super) const IDENTITY: &[u8] = b"identity";
/// The hard state.
pub(super) const HARD_STATE: &[u8] = b"hard_state";
/// The base and the newest membership at or before it.
pub(super) const BASE: &[u8] = b"base";
/// The terms and memberships of the log up to an entry.
pub(super) const SUMMARY: &[u8] = b"summary";
/// The broken mark.
pub(super) const BROKEN: &[u8] = b"broken";

const CRC_BYTES: usize = 4;

/// The key of the record that begins with this index. Keys have the order of indexes.
pub(super) const fn log_key(first: LogIndex) -> [u8; 8] {
    first.get().to_be_bytes()
}

/// The index that a record begins with.
pub(super) fn index_of(key: &[u8]) -> Result<LogIndex, StoreError> {
    let bytes = key.try_into().map_err(|_| StoreError::Corrupt {
        what: "a key of the log".to_owned(),
        detail: format!("{} bytes long instead of 8", key.len()),
    })?;
    Ok(LogIndex(u64::from_be_bytes(bytes)))
}

/// Encodes a small record: its checksum, then the payload.
pub(super) fn encode<T: Serialize>(key: &[u8], value: &T) -> Vec<u8> {
    let mut bytes = postcard::to_extend(value, vec![0; CRC_BYTES])
        .expect("a small record always serializes into a growing buffer");
    let crc = checksum(key, &bytes[CRC_BYTES..]);
    bytes[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Decodes a small record and verifies its checksum.
pub(super) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |detail: String| StoreError::Corrupt {
        what: format!("the record `{}`", key.escape_ascii()),
        detail: format!("{detail}; empty the data directory and join as a new incarnation"),
    };
    let Some((crc, payload)) = bytes.split_first_chunk::<CRC_BYTES>() else {
        return Err(corrupt(format!("it has only {} bytes", bytes.len())));
    };
    if checksum(key, payload) != u32::from_le_bytes(*crc) {
        return Err(corrupt("its checksum does not match".to_owned()));
    }
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(corrupt(format!("{} bytes follow its end", rest.len()))),
        Err(error) => Err(corrupt(error.to_string())),
    }
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), payload)
}

#[cfg(test)]
mod tests {
    use raft_core::{HardState, NodeId, Term};

    use super::*;

    #[test]
    fn keys_have_the_order_of_indexes() {
        let keys = [0, 1, 255, 256, u64::MAX].map(|index| log_key(LogIndex(index)));
        assert!(keys.is_sorted());
        assert_eq!(index_of(&keys[3]).unwrap(), LogIndex(256));
        assert!(index_of(b"short").is_err());
    }

    #[test]
    fn every_flipped_bit_in_a_small_record_is_detected() {
        let value = HardState { term: Term(7), voted_for: Some(NodeId(2)), commit: LogIndex(300) };
        let bytes = encode(HARD_STATE, &value);
        assert_eq!(decode::<HardState>(HARD_STATE, &bytes).unwrap(), value);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<HardState>(HARD_STATE, &damaged).is_err(), "bit {bit}");
        }
        assert!(decode::<HardState>(BASE, &bytes).is_err(), "under another key");
        assert!(decode::<HardState>(HARD_STATE, &bytes[..2]).is_err(), "cut short");
    }
}
