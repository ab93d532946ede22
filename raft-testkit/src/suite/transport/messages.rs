//! The messages of a transport test.

use bytes::Bytes;
use raft_core::{
    AppendEntries, Body, ClusterId, Entry, GroupId, Incarnation, LogId, LogIndex, LogSlice,
    Message, NodeId, PreVoteResponse, RequestVoteResponse, Round, Rpc, Term,
};

use super::inbox::PROBES;

pub(super) fn message(
    cluster: ClusterId,
    from: NodeId,
    to: NodeId,
    term: u64,
    body: Body,
) -> Message {
    Message {
        cluster,
        group: GroupId(3),
        from,
        from_incarnation: Incarnation(1),
        to,
        to_incarnation: Some(Incarnation(2)),
        rpc: Rpc::new(Term(term), body).expect("a consistent message"),
    }
}

pub(super) fn vote(cluster: ClusterId, from: NodeId, to: NodeId, term: u64) -> Message {
    let body = Body::RequestVoteResponse(RequestVoteResponse { granted: true });
    message(cluster, from, to, term, body)
}

pub(super) fn append(
    cluster: ClusterId,
    from: NodeId,
    to: NodeId,
    index: u64,
    command: Bytes,
) -> Message {
    let term = Term(1);
    let prev = LogId::new(term, LogIndex(index - 1));
    let entry = Entry::command(LogId::new(term, LogIndex(index)), command);
    let body = Body::AppendEntries(AppendEntries {
        slice: LogSlice::new(prev, vec![entry]).expect("one entry after prev"),
        commit: LogIndex(0),
        round: Round(index),
    });
    message(cluster, from, to, term.get(), body)
}

/// A message that a recording inbox counts and does not record.
pub(super) fn probe(cluster: ClusterId, from: NodeId, to: NodeId) -> Message {
    let body = Body::PreVoteResponse(PreVoteResponse { campaign_term: Term(1), granted: false });
    Message { group: PROBES, ..message(cluster, from, to, 0, body) }
}
