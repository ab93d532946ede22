//! Who waits for which request.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;
use raft_core::ports::QueryError;
use raft_core::{LogIndex, NodeId, Outcome, Refusal, RequestId};

use super::error::{ProposeError, ReadError};
use super::mailbox::{ProposeAnswer, ReadAnswer};

/// The callers whose requests the driver has taken, by request. Each is answered once: an answer
/// takes the waiter out. A caller that went away stays until its request ends, so that what the
/// core holds is counted here.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: HashMap<RequestId, Counted, BuildHasherDefault<RequestHasher>>,
    /// The sum over all that wait.
    bytes: u64,
    last: u64,
}

/// A waiter and what it counts for, which stays the same until its request ends.
#[derive(Debug)]
struct Counted {
    waiter: Waiter,
    bytes: u64,
}

/// What a request takes beside its query: its place here, the channel for its answer, and what the
/// core and the threads hold of it.
const REQUEST_BYTES: u64 = 256;

/// One caller.
#[derive(Debug)]
pub(super) enum Waiter {
    /// Wants the state machine's output.
    Proposal(ProposeAnswer),
    /// Wants to know when the state machine is far enough.
    Barrier(ReadAnswer<LogIndex>),
    /// Wants the same, and then to ask this.
    Query { query: Bytes, answer: ReadAnswer<Bytes> },
    /// Has asked the state machine.
    Asked(ReadAnswer<Bytes>),
}

/// What is to be done after an outcome of the core.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing: the caller is answered, or has been before.
    Nothing,
    /// Nothing more: the caller heard that its proposal failed.
    ProposalFailed,
    /// Nothing more: the caller heard that its read failed.
    ReadFailed,
    /// The state machine is far enough for this query.
    Ask(Bytes),
}

impl Waiters {
    /// Takes in a waiter under a name that no request had before.
    pub(super) fn insert(&mut self, waiter: Waiter, query_bytes: u64) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.put(id, Counted { waiter, bytes: REQUEST_BYTES + query_bytes });
        id
    }

    fn put(&mut self, id: RequestId, counted: Counted) {
        self.bytes += counted.bytes;
        self.waiting.insert(id, counted);
    }

    fn take(&mut self, id: RequestId) -> Option<Counted> {
        let counted = self.waiting.remove(&id)?;
        self.bytes -= counted.bytes;
        Some(counted)
    }

    fn remove(&mut self, id: RequestId) -> Option<Waiter> {
        self.take(id).map(|counted| counted.waiter)
    }

    /// The bytes of everything that waits, and of one more request with such a query.
    pub(super) const fn bytes_with(&self, query_bytes: u64) -> u64 {
        self.bytes.saturating_add(REQUEST_BYTES).saturating_add(query_bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Answers a proposal with the state machine's output.
    pub(super) fn applied(&mut self, id: RequestId, output: Bytes) {
        if let Some(Waiter::Proposal(answer)) = self.remove(id) {
            // A caller that went away does not want to know.
            let _ = answer.send(Ok(output));
        }
    }

    /// Answers a proposal at whose entry the state machine failed.
    pub(super) fn apply_failed(&mut self, id: RequestId, index: LogIndex, reason: &str) {
        if let Some(Waiter::Proposal(answer)) = self.remove(id) {
            let _ =
                answer.send(Err(ProposeError::ApplyFailed { index, reason: reason.to_owned() }));
        }
    }

    /// Answers a query with what the state machine said; tells whether it was an answer.
    pub(super) fn answered(&mut self, id: RequestId, result: Result<Bytes, QueryError>) -> bool {
        let succeeded = result.is_ok();
        if let Some(Waiter::Asked(answer)) = self.remove(id) {
            let _ = answer.send(result.map_err(ReadError::Query));
        }
        succeeded
    }

    /// Passes on how the core ended a request.
    pub(super) fn ended(&mut self, id: RequestId, outcome: Outcome) -> Next {
        let Some(Counted { waiter, bytes }) = self.take(id) else { return Next::Nothing };
        match waiter {
            Waiter::Proposal(answer) => {
                let _ = answer.send(Err(match outcome {
                    Outcome::Refused(Refusal::Stopped) => ProposeError::Stopped,
                    Outcome::Refused(refusal) => ProposeError::Refused(refusal),
                    Outcome::Unknown { leader } => ProposeError::Unknown { leader },
                    Outcome::ReadReady { .. } => ProposeError::Unknown { leader: None },
                }));
                Next::ProposalFailed
            }
            Waiter::Barrier(answer) => match read_result(outcome) {
                Ok(index) => {
                    let _ = answer.send(Ok(index));
                    Next::Nothing
                }
                Err(error) => {
                    let _ = answer.send(Err(error));
                    Next::ReadFailed
                }
            },
            Waiter::Query { query, answer } => match read_result(outcome) {
                Ok(_) => {
                    self.put(id, Counted { waiter: Waiter::Asked(answer), bytes });
                    Next::Ask(query)
                }
                Err(error) => {
                    let _ = answer.send(Err(error));
                    Next::ReadFailed
                }
            },
            // Its outcome in the core came before; only the state machine's answer is missing.
            Waiter::Asked(answer) => {
                self.put(id, Counted { waiter: Waiter::Asked(answer), bytes });
                Next::Nothing
            }
        }
    }

    /// Answers everybody: the node stops, and what became of their requests stays open. Returns
    /// how many proposals and reads that were.
    pub(super) fn abandon(&mut self, leader: Option<NodeId>) -> (u64, u64) {
        let (mut proposals, mut reads) = (0, 0);
        self.bytes = 0;
        for (_, Counted { waiter, .. }) in self.waiting.drain() {
            match waiter {
                Waiter::Proposal(answer) => {
                    let _ = answer.send(Err(ProposeError::Unknown { leader }));
                    proposals += 1;
                    continue;
                }
                Waiter::Barrier(answer) => {
                    let _ = answer.send(Err(ReadError::Stopped));
                }
                Waiter::Query { answer, .. } | Waiter::Asked(answer) => {
                    let _ = answer.send(Err(ReadError::Stopped));
                }
            }
            reads += 1;
        }
        (proposals, reads)
    }
}

/// A read has no effects, so that whatever stood in its way it may be asked again.
fn read_result(outcome: Outcome) -> Result<LogIndex, ReadError> {
    match outcome {
        Outcome::ReadReady { read_index } => Ok(read_index),
        Outcome::Refused(Refusal::Stopped) => Err(ReadError::Stopped),
        Outcome::Refused(refusal) => Err(ReadError::Refused(refusal)),
        Outcome::Unknown { leader: Some(leader) } => {
            Err(ReadError::Refused(Refusal::NotLeader { leader }))
        }
        Outcome::Unknown { leader: None } => Err(ReadError::Refused(Refusal::NoLeader)),
    }
}

/// Spreads the consecutive numbers of requests; nobody outside chooses them, so no more is needed.
#[derive(Debug, Default)]
pub(super) struct RequestHasher(u64);

impl Hasher for RequestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}
