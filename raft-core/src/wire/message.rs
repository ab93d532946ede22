//! Messages as bytes.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use bytes::Bytes;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::entry::WireEntry;
use super::error::DecodeError;
use super::format::FORMAT_VERSION;
use crate::entry::Entry;
use crate::message::{
    AppendEntries, AppendEntriesResponse, Body, InstallSnapshot, InvalidMessage, LogSlice, Message,
    PreVote, PreVoteResponse, ReadIndex, ReadIndexResponse, RequestVote, RequestVoteResponse, Rpc,
    TimeoutNow, TimeoutNowResponse,
};
use crate::types::{ClusterId, GroupId, Incarnation, LogId, LogIndex, NodeId, Round, Term};

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
    TimeoutNow(TimeoutNow),
    TimeoutNowResponse(TimeoutNowResponse),
    ReadIndex(ReadIndex),
    ReadIndexResponse(ReadIndexResponse),
    InstallSnapshot(InstallSnapshot),
}

/// How many kinds of bodies there are.
pub(super) const BODY_KINDS: u32 = 11;

/// A message up to the number of its body's kind.
type WireHead = (ClusterId, GroupId, NodeId, Incarnation, NodeId, Option<Incarnation>, Term, u32);

/// Entries to encode (borrowed) or as decoded (commands borrowed from the frame).
enum WireEntries<'a> {
    Encode(&'a [Entry]),
    Decoded(Vec<WireEntry<'a>>),
}

impl Serialize for WireEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Encode(entries) => {
                let mut sequence = serializer.serialize_seq(Some(entries.len()))?;
                for entry in *entries {
                    sequence.serialize_element(&WireEntry::from(entry))?;
                }
                sequence.end()
            }
            Self::Decoded(entries) => entries.serialize(serializer),
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
                // The claimed length is not trusted: the list grows with the entries that exist.
                const TRUSTED_LENGTH_MAX: usize = 64;
                let claimed = seq.size_hint().unwrap_or(0);
                let mut entries = Vec::with_capacity(claimed.min(TRUSTED_LENGTH_MAX));
                while let Some(entry) = seq.next_element()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(Entries(PhantomData)).map(WireEntries::Decoded)
    }
}

impl<'a> From<&'a Message> for WireMessage<'a> {
    fn from(message: &'a Message) -> Self {
        let body = match message.body() {
            Body::PreVote(request) => WireBody::PreVote(*request),
            Body::PreVoteResponse(response) => WireBody::PreVoteResponse(*response),
            Body::RequestVote(request) => WireBody::RequestVote(*request),
            Body::RequestVoteResponse(response) => WireBody::RequestVoteResponse(*response),
            Body::AppendEntries(append) => WireBody::AppendEntries {
                prev: append.prev(),
                entries: WireEntries::Encode(append.entries()),
                commit: append.commit,
                round: append.round,
            },
            Body::AppendEntriesResponse(response) => WireBody::AppendEntriesResponse(*response),
            Body::TimeoutNow(request) => WireBody::TimeoutNow(*request),
            Body::TimeoutNowResponse(response) => WireBody::TimeoutNowResponse(*response),
            Body::ReadIndex(request) => WireBody::ReadIndex(*request),
            Body::ReadIndexResponse(response) => WireBody::ReadIndexResponse(*response),
            Body::InstallSnapshot(install) => WireBody::InstallSnapshot(install.clone()),
        };
        Self {
            cluster: message.cluster,
            group: message.group,
            from: message.from,
            from_incarnation: message.from_incarnation,
            to: message.to,
            to_incarnation: message.to_incarnation,
            term: message.term(),
            body,
        }
    }
}

impl WireMessage<'_> {
    fn into_message(self, frame: &Bytes) -> Result<Message, InvalidMessage> {
        let body = match self.body {
            WireBody::PreVote(request) => Body::PreVote(request),
            WireBody::PreVoteResponse(response) => Body::PreVoteResponse(response),
            WireBody::RequestVote(request) => Body::RequestVote(request),
            WireBody::RequestVoteResponse(response) => Body::RequestVoteResponse(response),
            WireBody::AppendEntries { prev, entries, commit, round } => {
                let entries = match entries {
                    WireEntries::Encode(entries) => entries.to_vec(),
                    WireEntries::Decoded(entries) => {
                        entries.into_iter().map(|entry| entry.into_entry(frame)).collect()
                    }
                };
                let slice = LogSlice::new(prev, entries)?;
                Body::AppendEntries(AppendEntries { slice, commit, round })
            }
            WireBody::AppendEntriesResponse(response) => Body::AppendEntriesResponse(response),
            WireBody::TimeoutNow(request) => Body::TimeoutNow(request),
            WireBody::TimeoutNowResponse(response) => Body::TimeoutNowResponse(response),
            WireBody::ReadIndex(request) => Body::ReadIndex(request),
            WireBody::ReadIndexResponse(response) => Body::ReadIndexResponse(response),
            WireBody::InstallSnapshot(install) => Body::InstallSnapshot(install),
        };
        Ok(Message {
            cluster: self.cluster,
            group: self.group,
            from: self.from,
            from_incarnation: self.from_incarnation,
            to: self.to,
            to_incarnation: self.to_incarnation,
            rpc: Rpc::new(self.term, body)?,
        })
    }
}

/// Appends a message to a buffer. Its length is not written: the enclosing frame carries it.
pub fn encode(message: &Message, buffer: &mut Vec<u8>) {
    buffer.push(FORMAT_VERSION);
    let bytes = core::mem::take(buffer);
    *buffer = postcard::to_extend(&WireMessage::from(message), bytes)
        .expect("a message always serializes into a growing buffer");
}

/// Decodes and checks a message; its commands are slices of `frame`.
///
/// # Errors
/// When the frame is not exactly one consistent message of a supported version.
pub fn decode(frame: &Bytes) -> Result<Message, DecodeError> {
    let Some((&version, bytes)) = frame.split_first() else {
        return Err(DecodeError::Empty);
    };
    if version != FORMAT_VERSION {
        return Err(DecodeError::UnknownVersion { found: version });
    }
    match postcard::take_from_bytes::<WireMessage<'_>>(bytes) {
        Ok((message, [])) => Ok(message.into_message(frame)?),
        Ok((_, rest)) => Err(DecodeError::TrailingBytes { bytes: rest.len() }),
        Err(error) => Err(match postcard::take_from_bytes::<WireHead>(bytes) {
            Ok(((.., kind), _)) if kind >= BODY_KINDS => DecodeError::UnknownKind { kind },
            Ok(_) | Err(_) => DecodeError::Malformed(error),
        }),
    }
}
