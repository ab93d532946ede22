//! Entries as bytes, for messages and for stores.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use crate::entry::{Entry, Payload};
use crate::membership::Membership;
use crate::types::LogId;

/// [`Payload`] with the command borrowed from the frame.
#[derive(Serialize, Deserialize)]
pub(super) enum WirePayload<'a> {
    Empty,
    Command(#[serde(borrow, serialize_with = "as_bytes")] &'a [u8]),
    Membership(Box<Membership>),
}

/// Serializes a slice in one piece. The derived code would write the same bytes one by one.
fn as_bytes<S: serde::Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// [`Entry`] with the command borrowed from the frame.
#[derive(Serialize, Deserialize)]
pub(super) struct WireEntry<'a> {
    id: LogId,
    #[serde(borrow)]
    payload: WirePayload<'a>,
}

impl<'a> From<&'a Payload> for WirePayload<'a> {
    fn from(payload: &'a Payload) -> Self {
        match payload {
            Payload::Empty => Self::Empty,
            Payload::Command(command) => Self::Command(command),
            Payload::Membership(membership) => Self::Membership(membership.clone()),
        }
    }
}

impl WirePayload<'_> {
    /// Turns the command into a slice of `frame`, from which it was decoded.
    fn into_payload(self, frame: &Bytes) -> Payload {
        match self {
            Self::Empty => Payload::Empty,
            Self::Command(command) => Payload::Command(frame.slice_ref(command)),
            Self::Membership(membership) => Payload::Membership(membership),
        }
    }
}

impl<'a> From<&'a Entry> for WireEntry<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self { id: entry.id, payload: WirePayload::from(&entry.payload) }
    }
}

impl WireEntry<'_> {
    pub(super) fn into_entry(self, frame: &Bytes) -> Entry {
        Entry { id: self.id, payload: self.payload.into_payload(frame) }
    }
}

/// Appends an entry's payload to a buffer, in the form that [`decode_payload`] reads. Its length
/// is not written: the enclosing record carries it.
pub fn encode_payload(payload: &Payload, buffer: &mut Vec<u8>) {
    let bytes = core::mem::take(buffer);
    *buffer = postcard::to_extend(&WirePayload::from(payload), bytes)
        .expect("a payload always serializes into a growing buffer");
}

/// Decodes a payload; its command is a slice of `bytes`.
///
/// # Errors
/// When the bytes are not exactly one payload.
pub fn decode_payload(bytes: &Bytes) -> Result<Payload, DecodeError> {
    match postcard::take_from_bytes::<WirePayload<'_>>(bytes)? {
        (payload, []) => Ok(payload.into_payload(bytes)),
        (_, rest) => Err(DecodeError::TrailingBytes { bytes: rest.len() }),
    }
}

/// Decodes a payload into an entry with this log id.
///
/// # Errors
/// Those of [`decode_payload`].
pub fn decode_entry(id: LogId, bytes: &Bytes) -> Result<Entry, DecodeError> {
    Ok(Entry { id, payload: decode_payload(bytes)? })
}
