//! Frames of a peer are arbitrary bytes: the decoder returns a message or an error.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::message::BODY_KINDS;
use super::{DecodeError, ENVELOPE_BYTES_MAX, decode, decode_payload, encode, encode_payload};
use crate::config::{ClusterSettings, CommitNotification, LeasePolicy, LeaseSettings};
use crate::entry::{Entry, Payload};
use crate::membership::{MemberInfo, Membership, Priority};
use crate::message::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, DeclineReason, InstallSnapshot,
    InvalidMessage, LogSlice, Message, PreVote, PreVoteResponse, ReadIndex, ReadIndexResponse,
    RequestVote, RequestVoteResponse, Rpc, TimeoutNow, TimeoutNowResponse,
};
use crate::prng::Prng;
use crate::types::{
    ClusterId, GroupId, Incarnation, LogId, LogIndex, NodeId, ReadIndexId, Round, Term,
};

fn id(index: u64, term: u64) -> LogId {
    LogId::new(Term(term), LogIndex(index))
}

fn message(body: Body) -> Message {
    Message {
        cluster: ClusterId(0x0123_4567_89ab_cdef),
        group: GroupId(3),
        from: NodeId(1),
        from_incarnation: Incarnation(4),
        to: NodeId(2),
        to_incarnation: Some(Incarnation(1)),
        rpc: Rpc::new(Term(7), body).expect("a consistent message"),
    }
}

/// A joint configuration with all that it may carry.
fn joint() -> Membership {
    let info = MemberInfo {
        incarnation: Some(Incarnation(9)),
        peer_address: "peer:1".into(),
        client_address: "client:2".into(),
        priority: Priority(7),
    };
    let settings = ClusterSettings {
        election_timeout_min: Some(Duration::from_millis(1500)),
        heartbeat_interval: Some(Duration::from_millis(250)),
        pre_vote: Some(false),
        lease: Some(LeasePolicy::On(LeaseSettings { clock_drift_max: Duration::from_nanos(9) })),
        commit_notification: Some(CommitNotification::Immediate),
        append_entries_max: Some(100),
        command_bytes_max: Some(1 << 40),
        ..ClusterSettings::NONE
    };
    Membership {
        voters: [NodeId(1), NodeId(2)].into(),
        outgoing: [NodeId(2), NodeId(3)].into(),
        learners: [NodeId(3)].into(),
        nodes: [(NodeId(1), info), (NodeId(3), MemberInfo::default())].into(),
        settings: settings.into(),
    }
}

fn samples() -> Vec<Message> {
    let entries = vec![
        Entry::empty(id(4, 6)),
        Entry::command(id(5, 7), Bytes::from_static(b"add 1")),
        Entry::membership(id(6, 7), joint()),
    ];
    let matched = AppendOutcome::Matched { match_index: LogIndex(6) };
    let mismatched = AppendOutcome::Rejected {
        prev_index: LogIndex(9),
        last_index: LogIndex(6),
        hint: id(6, 5),
    };
    let bodies = vec![
        Body::PreVote(PreVote { campaign_term: Term(8), last_log: id(3, 5) }),
        Body::PreVoteResponse(PreVoteResponse { campaign_term: Term(8), granted: true }),
        Body::RequestVote(RequestVote { last_log: id(3, 5), leadership_transfer: false }),
        Body::RequestVoteResponse(RequestVoteResponse { granted: false }),
        Body::AppendEntries(AppendEntries {
            slice: LogSlice::new(id(3, 5), entries).expect("contiguous entries"),
            commit: LogIndex(3),
            round: Round(12),
        }),
        Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(1), outcome: matched }),
        Body::AppendEntriesResponse(AppendEntriesResponse { round: Round(1), outcome: mismatched }),
        Body::TimeoutNow(TimeoutNow { last_log: id(6, 7) }),
        Body::TimeoutNowResponse(TimeoutNowResponse { reason: DeclineReason::StorageStalled }),
        Body::ReadIndex(ReadIndex { id: ReadIndexId(1 << 60) }),
        Body::ReadIndexResponse(ReadIndexResponse { id: ReadIndexId(5), read_index: None }),
        Body::ReadIndexResponse(ReadIndexResponse {
            id: ReadIndexId(1 << 60),
            read_index: Some(LogIndex(6)),
        }),
        Body::InstallSnapshot(InstallSnapshot {
            last: id(9, 6),
            membership_index: LogIndex(4),
            membership: Membership::of_voters([NodeId(1), NodeId(2)]),
            round: Round(3),
        }),
    ];
    bodies.into_iter().map(message).collect()
}

fn vote_granted() -> Message {
    message(Body::RequestVoteResponse(RequestVoteResponse { granted: true }))
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    bytes
}

#[test]
fn every_message_is_decoded_as_it_was_encoded() {
    for message in samples() {
        assert_eq!(decode(&Bytes::from(encoded(&message))), Ok(message));
    }
}

#[test]
fn commands_are_slices_of_the_frame() {
    let frame = Bytes::from(encoded(&samples()[4]));
    let message = decode(&frame).expect("a sample");
    let Body::AppendEntries(append) = message.body() else {
        panic!("the fifth sample is an append");
    };
    let Payload::Command(command) = &append.entries()[1].payload else {
        panic!("its second entry is a command");
    };
    let frame_range = frame.as_ptr() as usize..frame.as_ptr() as usize + frame.len();
    assert!(frame_range.contains(&(command.as_ptr() as usize)), "no copy was made");
}

#[test]
fn every_truncation_is_an_error() {
    for message in samples() {
        let bytes = encoded(&message);
        for length in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..length]);
            assert!(decode(&cut).is_err(), "{} cut to {length} bytes", message.body().kind());
        }
    }
}

#[test]
fn trailing_bytes_are_an_error() {
    for message in samples() {
        let mut bytes = encoded(&message);
        bytes.extend([1, 2, 3]);
        assert_eq!(decode(&Bytes::from(bytes)), Err(DecodeError::TrailingBytes { bytes: 3 }));
    }
}

#[test]
fn unknown_version_is_reported() {
    let mut bytes = encoded(&samples()[0]);
    bytes[0] = 99;
    assert_eq!(decode(&Bytes::from(bytes)), Err(DecodeError::UnknownVersion { found: 99 }));
    assert_eq!(decode(&Bytes::new()), Err(DecodeError::Empty));
}

/// A newer peer may send kinds that this release does not know, and the receiver skips them. A
/// damaged message of a known kind must not pass for one of them.
#[test]
fn unknown_kind_is_distinguished_from_malformed_bytes() {
    let bytes = encoded(&vote_granted());
    let kind_at = bytes.len() - 2;
    assert_eq!(bytes[kind_at..], [3, 1]);
    let known_kinds = u8::try_from(BODY_KINDS).expect("a byte encodes every kind");
    for (kind, rest) in [(known_kinds, &[][..]), (known_kinds, &[1, 2, 3]), (127, &[0])] {
        let newer = [&bytes[..kind_at], &[kind], rest].concat();
        let unknown = DecodeError::UnknownKind { kind: u32::from(kind) };
        assert_eq!(decode(&Bytes::from(newer)), Err(unknown));
    }
    for kind in 0..known_kinds {
        let cut = [&bytes[..kind_at], &[kind]].concat();
        assert!(matches!(decode(&Bytes::from(cut)), Err(DecodeError::Malformed(_))), "{kind}");
    }
}

#[test]
fn claimed_length_reserves_no_memory() {
    // An append whose list claims 2^60 entries and holds none.
    let append = AppendEntries {
        slice: LogSlice::empty(LogId::ORIGIN),
        commit: LogIndex(0),
        round: Round(0),
    };
    let bytes = encoded(&message(Body::AppendEntries(append)));
    // The list's length byte is the third from the end: commit and round follow, a byte each.
    let at = bytes.len() - 3;
    assert_eq!(bytes[at], 0);
    let mut claims = bytes[..at].to_vec();
    claims.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert!(matches!(decode(&Bytes::from(claims)), Err(DecodeError::Malformed(_))));
}

/// The decoder checks messages of peers: what it returns needs no further check.
#[test]
fn contradictory_messages_are_refused() {
    let refusal = |body: Body| {
        let message = Message { rpc: Rpc::of_this_node(Term(7), body), ..vote_granted() };
        match decode(&Bytes::from(encoded(&message))) {
            Err(DecodeError::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    let append = |ids: &[LogId], commit| {
        let entries = ids.iter().map(|&id| Entry::empty(id)).collect();
        let slice = LogSlice::unchecked(id(3, 5), entries);
        Body::AppendEntries(AppendEntries { slice, commit: LogIndex(commit), round: Round(0) })
    };
    let gap = append(&[id(4, 6), id(6, 6)], 0);
    assert_eq!(refusal(gap), InvalidMessage::EntriesNotContiguous);
    let falling = append(&[id(4, 6), id(5, 5)], 0);
    assert_eq!(refusal(falling), InvalidMessage::EntriesNotContiguous);
    let later_term = append(&[id(4, 8)], 0);
    assert_eq!(refusal(later_term), InvalidMessage::InconsistentTerms);
    let wrapping = append(&[id(4, 6)], u64::MAX);
    assert_eq!(refusal(wrapping), InvalidMessage::NumberTooLarge);
    let install = InstallSnapshot {
        last: id(9, 6),
        membership_index: LogIndex(10),
        membership: Membership::of_voters([NodeId(1)]),
        round: Round(3),
    };
    let later_membership = Body::InstallSnapshot(install.clone());
    assert_eq!(refusal(later_membership), InvalidMessage::InconsistentIndexes);
    let no_voters = InstallSnapshot {
        membership_index: LogIndex(9),
        membership: Membership::default(),
        ..install
    };
    assert_eq!(refusal(Body::InstallSnapshot(no_voters)), InvalidMessage::InvalidMembership);
    let vote = RequestVote { last_log: id(3, 7), leadership_transfer: false };
    assert_eq!(refusal(Body::RequestVote(vote)), InvalidMessage::InconsistentTerms);
}

/// Flips, cuts and splices valid messages. The decoder returns a message or an error; a message
/// survives another round of encoding and decoding.
#[test]
fn mutated_messages_never_panic() {
    let seed = 0x5eed;
    let mut prng = Prng::new(seed);
    let samples: Vec<Vec<u8>> = samples().iter().map(encoded).collect();
    let mut pick = |bound: usize| -> usize {
        usize::try_from(prng.below(bound as u64)).expect("below a usize")
    };
    for round in 0..200_000 {
        let mut bytes = samples[pick(samples.len())].clone();
        for _ in 0..=pick(4) {
            let at = pick(bytes.len());
            match pick(4) {
                0 => bytes[at] ^= 1 << pick(8),
                1 => bytes[at] = [0, 0x7f, 0x80, 0xff][pick(4)],
                2 => bytes.truncate(at.max(1)),
                _ => bytes.extend_from_slice(&samples[pick(samples.len())][..1]),
            }
        }
        if let Ok(message) = decode(&Bytes::from(bytes)) {
            let again = decode(&Bytes::from(encoded(&message)));
            assert_eq!(again, Ok(message), "seed {seed:#x}, round {round}");
        }
    }
}

#[test]
fn payloads_are_decoded_as_they_were_encoded() {
    let samples = samples();
    let Body::AppendEntries(append) = samples[4].body() else {
        panic!("the fifth sample is an append");
    };
    for entry in append.entries().to_vec() {
        let mut bytes = Vec::new();
        encode_payload(&entry.payload, &mut bytes);
        assert_eq!(decode_payload(&Bytes::from(bytes)), Ok(entry.payload));
    }
}

/// Transports drop longer messages, so the bound must hold for every message.
#[test]
fn bound_on_append_messages_holds_at_the_highest_numbers() {
    let highest = LogId::new(Term(u64::MAX), LogIndex(u64::MAX));
    for (count, bytes) in [(0, 0), (1, 0), (1, 300_000), (1_000, 0), (1_000, 200)] {
        let command = Bytes::from(vec![0xff; bytes]);
        let entries = vec![Entry::command(highest, command); count];
        let weight: u64 = entries.iter().map(Entry::weight_bytes).sum();
        let append = AppendEntries {
            slice: LogSlice::unchecked(highest, entries),
            commit: LogIndex(u64::MAX),
            round: Round(u64::MAX),
        };
        let message = Message {
            cluster: ClusterId(u128::MAX),
            group: GroupId(u64::MAX),
            from: NodeId(u64::MAX),
            from_incarnation: Incarnation(u64::MAX),
            to: NodeId(u64::MAX),
            to_incarnation: Some(Incarnation(u64::MAX)),
            rpc: Rpc::of_this_node(Term(u64::MAX), Body::AppendEntries(append)),
        };
        let encoded = encoded(&message).len() as u64;
        assert!(encoded <= weight + ENVELOPE_BYTES_MAX, "{count} of {bytes}: {encoded} bytes");
    }
}
