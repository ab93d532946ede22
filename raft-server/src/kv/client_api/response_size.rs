//! How many bytes of keys and values a response contains, and how many it can contain.

use crate::kv::protocol::{ResponseBody, SnapshotResponse};
use crate::kv::state_machine::{
    Command, KeyRange, KeyValue, Limits, Op, Outcome, Projection, QueryResultBody, RangeRequest,
    Rules, TxnOp, TxnOpResult,
};

/// The largest possible output of a command, in bytes of keys and values.
pub(super) fn output_bytes_max(command: &Command, limits: &Limits) -> u64 {
    let bytes = match &command.op {
        Op::Put(put) if put.prev_kv => key_value_bytes_max(limits),
        Op::DeleteRange(delete) if delete.prev_kv => deleted_bytes_max(&delete.range, limits),
        Op::Txn(txn) => {
            let bytes_of =
                |ops: &[TxnOp]| -> u64 { ops.iter().map(|op| txn_op_bytes_max(op, limits)).sum() };
            u64::max(bytes_of(&txn.then), bytes_of(&txn.otherwise))
        }
        Op::Put(_) | Op::DeleteRange(_) | Op::Compact(_) | Op::OpenSession => 0,
    };
    bytes.min(Rules::CURRENT.output_bytes_max)
}

fn txn_op_bytes_max(op: &TxnOp, limits: &Limits) -> u64 {
    match op {
        TxnOp::Put(put) if put.prev_kv => key_value_bytes_max(limits),
        TxnOp::DeleteRange(delete) if delete.prev_kv => deleted_bytes_max(&delete.range, limits),
        TxnOp::Range(request) => range_bytes_max(request, limits),
        TxnOp::Put(_) | TxnOp::DeleteRange(_) => 0,
    }
}

fn deleted_bytes_max(range: &KeyRange, limits: &Limits) -> u64 {
    match range {
        KeyRange::Key(_) => key_value_bytes_max(limits),
        KeyRange::Prefix(_) | KeyRange::Span { .. } | KeyRange::From(_) => {
            Rules::CURRENT.output_bytes_max
        }
    }
}

/// The largest possible result of a range, in bytes of keys and values.
pub(super) fn range_bytes_max(request: &RangeRequest, limits: &Limits) -> u64 {
    let each = match request.projection {
        Projection::KeysAndValues => key_value_bytes_max(limits),
        Projection::KeysOnly => limits.key_bytes_max as u64 + Rules::weight(&[], &[]),
        Projection::CountOnly => return 0,
    };
    let keys = match &request.range {
        KeyRange::Key(_) => 1,
        KeyRange::Prefix(_) | KeyRange::Span { .. } | KeyRange::From(_) => {
            request.limit.unwrap_or(u64::MAX)
        }
    };
    // A range returns its first key even if that exceeds the bound.
    each.saturating_mul(keys).min(Rules::CURRENT.range.bytes_max.max(each))
}

const fn key_value_bytes_max(limits: &Limits) -> u64 {
    (limits.key_bytes_max + limits.value_bytes_max) as u64 + Rules::weight(&[], &[])
}

/// The size of a response, in bytes of keys and values.
pub(super) fn response_bytes(response: &ResponseBody) -> u64 {
    match response {
        ResponseBody::Output(output) => outcome_bytes(&output.outcome),
        ResponseBody::Range { result, .. } => match &result.body {
            QueryResultBody::Range(result) => all_bytes(&result.kvs),
            QueryResultBody::Hash(_) | QueryResultBody::Refused(_) => 0,
        },
        ResponseBody::Snapshot(SnapshotResponse::Part(part)) => part.len() as u64,
        ResponseBody::Snapshot(_)
        | ResponseBody::Status(_)
        | ResponseBody::Members(_)
        | ResponseBody::Pong
        | ResponseBody::Refused(_)
        | ResponseBody::Unknown { .. }
        | ResponseBody::Failed { .. }
        | ResponseBody::Transferred { .. }
        | ResponseBody::Explanation(_)
        | ResponseBody::Membership(_)
        | ResponseBody::MembershipChanged { .. } => 0,
    }
}

fn outcome_bytes(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Put { prev_kv } => all_bytes(prev_kv),
        Outcome::DeleteRange(deleted) => all_bytes(&deleted.prev_kvs),
        Outcome::Txn(result) => result
            .results
            .iter()
            .map(|result| match result {
                TxnOpResult::Put { prev_kv } => all_bytes(prev_kv),
                TxnOpResult::DeleteRange(deleted) => all_bytes(&deleted.prev_kvs),
                TxnOpResult::Range(result) => all_bytes(&result.kvs),
            })
            .sum(),
        Outcome::Compact
        | Outcome::SessionOpened { .. }
        | Outcome::OutputNotKept
        | Outcome::Refused(_) => 0,
    }
}

fn all_bytes<'a>(kvs: impl IntoIterator<Item = &'a KeyValue>) -> u64 {
    kvs.into_iter().map(|kv| Rules::weight(&kv.key, &kv.value)).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::kv::state_machine::{DeleteRange, Put, Txn};

    #[test]
    fn largest_possible_response_follows_from_the_request() {
        let limits = Limits::default();
        let put = |prev_kv| Op::Put(Put { key: Bytes::new(), value: Bytes::new(), prev_kv });
        let one = (limits.key_bytes_max + limits.value_bytes_max) as u64 + Rules::weight(&[], &[]);
        let delete = DeleteRange { range: KeyRange::all(), prev_kv: true };
        let key = KeyRange::Key(Bytes::from_static(b"k"));
        let delete_one = DeleteRange { range: key.clone(), prev_kv: true };
        let read = || TxnOp::Range(RangeRequest::new(KeyRange::all()));
        let txn = Txn { compare: vec![], then: vec![read()], otherwise: vec![] };
        let larger = Txn { otherwise: vec![read(), read(), read()], ..txn.clone() };
        for (op, expected) in [
            (Op::OpenSession, 0),
            (put(false), 0),
            (put(true), one),
            (Op::DeleteRange(delete_one), one),
            (Op::DeleteRange(delete), Rules::CURRENT.output_bytes_max),
            (Op::Txn(txn), Rules::CURRENT.range.bytes_max),
            (Op::Txn(larger), Rules::CURRENT.output_bytes_max),
        ] {
            let command = Command::without_session(op);
            assert_eq!(output_bytes_max(&command, &limits), expected, "{command:?}");
        }
        let all = RangeRequest::new(KeyRange::all());
        let names = RangeRequest { projection: Projection::KeysOnly, ..all.clone() };
        let name = limits.key_bytes_max as u64 + Rules::weight(&[], &[]);
        for (request, expected) in [
            (RangeRequest::new(key), one),
            (RangeRequest { limit: Some(1), ..all.clone() }, one),
            (RangeRequest { limit: Some(3), ..names.clone() }, 3 * name),
            (names, Rules::CURRENT.range.bytes_max),
            (RangeRequest { projection: Projection::CountOnly, ..all.clone() }, 0),
            (all, Rules::CURRENT.range.bytes_max),
        ] {
            assert_eq!(range_bytes_max(&request, &limits), expected, "{request:?}");
        }
    }
}
