//! Messages as bytes.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use bytes::Bytes;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::entry::WireEntry;
use crate::entry::Entry;
use crate::message::validate::InvalidMessage;
use crate::message::{
    AppendEntries, AppendEntriesResponse, Body, Message, PreVote, PreVoteResponse, RequestVote,
    RequestVoteResponse,
};
use crate::types::{ClusterId, GroupId, Incarnation, LogId, LogIndex, NodeId, Round, Term};

/// The version of the message format: the first byte of every encoded message.
pub const FORMAT_VERSION: u8 = 1;

/// The most that an encoded append message takes beside its entries, in bytes.
pub const ENVELOPE_BYTES_MAX: u64 = 128;

/// Why bytes are no message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Nothing at all.
    #[error("the frame is empty")]
    Empty,
    /// A version that this build does not speak.
    #[error("message format {found}, but this build speaks format {FORMAT_VERSION}")]
    UnknownVersion {
        /// The version in the frame.
        found: u8,
    },
    /// A whole envelope around a body of a kind that this build does not know. A newer build may
    /// have sent it; the frame can be skipped.
    #[error("unknown kind of message: {kind}")]
    UnknownKind {
        /// The number of the kind.
        kind: u32,
    },
    /// Bytes that postcard cannot read.
    #[error("malformed: {0}")]
    Malformed(#[from] postcard::Error),
    /// More bytes than the message has.
    #[error("{bytes} bytes follow the end of the message")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// A message that contradicts itself.
    #[error("impossible message: {0}")]
    Invalid(#[from] InvalidMessage),
}

#[derive(Serialize, Deserialize)]
struct WireMessage<'a> {
    cluster: ClusterId,
    group: GroupId,
    from: NodeId,
    from_incarnation: Incarnation,
    to: NodeId,
    to_incarnation: Option<Incarnation>,
    term: Term,
    #[serde(borrow)]
    body: WireBody<'a>,
}

/// The variants' order is part of the format: add at the end.
#[derive(Serialize, Deserialize)]
enum WireBody<'a> {
    PreVote(PreVote),
    PreVoteResponse(PreVoteResponse),
    RequestVote(RequestVote),
    RequestVoteResponse(RequestVoteResponse),
    AppendEntries {
        prev: LogId,
        #[serde(borrow)]
        entries: WireEntries<'a>,
        commit: LogIndex,
        round: Round,
    },
    AppendEntriesResponse(AppendEntriesResponse),
}

/// How many kinds of bodies there are.
const BODY_KINDS: u32 = 6;

/// A message up to the number of its body's kind.
type WireHead = (ClusterId, GroupId, NodeId, Incarnation, NodeId, Option<Incarnation>, Term, u32);

/// Entries on their way out (borrowed) or in (decoded, commands borrowed from the frame).
enum WireEntries<'a> {
    Out(&'a [Entry]),
    In(Vec<WireEntry<'a>>),
}

impl Serialize for WireEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Out(entries) => {
                let mut sequence = serializer.serialize_seq(Some(entries.len()))?;
                for entry in *entries {
                    sequence.serialize_element(&WireEntry::from(entry))?;
                }
                sequence.end()
            }
            Self::In(entries) => entries.serialize(serializer),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for WireEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Entries<'a> {
            type Value = Vec<WireEntry<'a>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                // Grows with what is really there: a claimed length reserves little.
                const TRUSTED_LENGTH_MAX: usize = 64;
                let claimed = seq.size_hint().unwrap_or(0);
                let mut entries = Vec::with_capacity(claimed.min(TRUSTED_LENGTH_MAX));
                while let Some(entry) = seq.next_element()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(Entries(PhantomData)).map(WireEntries::In)
    }
}

impl<'a> From<&'a Message> for WireMessage<'a> {
    fn from(message: &'a Message) -> Self {
        let body = match &message.body {
            Body::PreVote(ask) => WireBody::PreVote(*ask),
            Body::PreVoteResponse(answer) => WireBody::PreVoteResponse(*answer),
            Body::RequestVote(ask) => WireBody::RequestVote(*ask),
            Body::RequestVoteResponse(answer) => WireBody::RequestVoteResponse(*answer),
            Body::AppendEntries(append) => WireBody::AppendEntries {
                prev: append.prev,
                entries: WireEntries::Out(&append.entries),
                commit: append.commit,
                round: append.round,
            },
            Body::AppendEntriesResponse(answer) => WireBody::AppendEntriesResponse(*answer),
        };
        Self {
            cluster: message.cluster,
            group: message.group,
            from: message.from,
            from_incarnation: message.from_incarnation,
            to: message.to,
            to_incarnation: message.to_incarnation,
            term: message.term,
            body,
        }
    }
}

impl WireMessage<'_> {
    fn into_message(self, frame: &Bytes) -> Message {
        let body = match self.body {
            WireBody::PreVote(ask) => Body::PreVote(ask),
            WireBody::PreVoteResponse(answer) => Body::PreVoteResponse(answer),
            WireBody::RequestVote(ask) => Body::RequestVote(ask),
            WireBody::RequestVoteResponse(answer) => Body::RequestVoteResponse(answer),
            WireBody::AppendEntries { prev, entries, commit, round } => {
                let entries = match entries {
                    WireEntries::Out(entries) => entries.to_vec(),
                    WireEntries::In(entries) => {
                        entries.into_iter().map(|entry| entry.into_entry(frame)).collect()
                    }
                };
                Body::AppendEntries(AppendEntries { prev, entries, commit, round })
            }
            WireBody::AppendEntriesResponse(answer) => Body::AppendEntriesResponse(answer),
        };
        Message {
            cluster: self.cluster,
            group: self.group,
            from: self.from,
            from_incarnation: self.from_incarnation,
            to: self.to,
            to_incarnation: self.to_incarnation,
            term: self.term,
            body,
        }
    }
}

/// Appends a message to a buffer. Its length is not written: the frame around it must tell.
pub fn encode(message: &Message, buffer: &mut Vec<u8>) {
    buffer.push(FORMAT_VERSION);
    let bytes = core::mem::take(buffer);
    *buffer = postcard::to_extend(&WireMessage::from(message), bytes)
        .expect("a message always serialises into a growing buffer");
}

/// Reads a message back; its commands are slices of `frame`.
///
/// # Errors
/// When the frame is not exactly one message of a known version that agrees with itself.
pub fn decode(frame: &Bytes) -> Result<Message, DecodeError> {
    let Some((&version, bytes)) = frame.split_first() else {
        return Err(DecodeError::Empty);
    };
    if version != FORMAT_VERSION {
        return Err(DecodeError::UnknownVersion { found: version });
    }
    let message = match postcard::take_from_bytes::<WireMessage<'_>>(bytes) {
        Ok((message, [])) => message.into_message(frame),
        Ok((_, rest)) => return Err(DecodeError::TrailingBytes { bytes: rest.len() }),
        Err(error) => {
            return Err(match postcard::take_from_bytes::<WireHead>(bytes) {
                Ok(((.., kind), _)) if kind >= BODY_KINDS => DecodeError::UnknownKind { kind },
                Ok(_) | Err(_) => DecodeError::Malformed(error),
            });
        }
    };
    message.validate_body()?;
    Ok(message)
}
