//! How much memory responses may take up, from before they are produced until they are written.
//!
//! A request whose response may be large is charged the most that the response can hold before
//! anything is read or proposed for it, and what it does hold as soon as that is known; a single
//! key that is in memory is charged what it holds when it is read. The charge ends when the
//! response is written to the stream. A request that finds no room waits. Waiting
//! requests keep their places among the requests in flight, so that a connection whose client
//! takes no responses is soon read no further.
//!
//! Small responses are not charged: the number of requests in flight bounds them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_transport_quic::tls::PeerIdentity;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::kv::protocol::ResponseBody;
use crate::kv::state_machine::{
    Command, KeyRange, KeyValue, Limits, Op, Outcome, Projection, QueryResultBody, RangeRequest,
    Rules, TxnOp, TxnOpResult,
};

/// The largest response that is not charged, in bytes of keys and values.
const UNCHARGED_BYTES_MAX: u64 = 1 << 10;

/// The budgets of all connections of a client port.
#[derive(Debug)]
pub(super) struct ResponseBudgets {
    connection_bytes_max: u32,
    identity_bytes_max: u32,
    identities: Mutex<HashMap<PeerIdentity, IdentityBudget>>,
    usage: Arc<ResponseUsage>,
}

/// The budget of one identity, kept while it has connections.
#[derive(Debug)]
struct IdentityBudget {
    budget: Arc<Semaphore>,
    connections: usize,
}

/// A budget has no room for a response at present.
#[derive(Debug)]
pub(super) struct BudgetExhausted;

/// How much is charged at present, and how often requests had to wait.
#[derive(Debug, Default)]
pub(super) struct ResponseUsage {
    pub(super) charged_bytes: AtomicU64,
    pub(super) charged_bytes_peak: AtomicU64,
    pub(super) waits: AtomicU64,
}

/// The budgets that the responses of one connection are charged to: its own, and that of its
/// client, which all connections with the same certificate identity share.
#[derive(Debug)]
pub(super) struct ConnectionBudget<'a> {
    budgets: &'a ResponseBudgets,
    identity: PeerIdentity,
    own: Semaphore,
    shared: Arc<Semaphore>,
}

/// Room that a response takes up in both budgets until this is dropped.
#[derive(Debug)]
pub(super) struct Charge<'a> {
    own: SemaphorePermit<'a>,
    shared: SemaphorePermit<'a>,
    bytes: u32,
    usage: &'a ResponseUsage,
}

impl ResponseBudgets {
    /// Budgets above 4 GiB count as that.
    pub(super) fn new(connection_bytes_max: usize, identity_bytes_max: usize) -> Self {
        let bounded = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        Self {
            connection_bytes_max: bounded(connection_bytes_max),
            identity_bytes_max: bounded(identity_bytes_max),
            identities: Mutex::default(),
            usage: Arc::default(),
        }
    }

    pub(super) const fn usage(&self) -> &Arc<ResponseUsage> {
        &self.usage
    }

    /// The budgets of a new connection of a client.
    pub(super) fn connection(&self, identity: PeerIdentity) -> ConnectionBudget<'_> {
        let shared = {
            let mut identities = self.identities();
            let known = identities.entry(identity.clone()).or_insert_with(|| IdentityBudget {
                budget: Arc::new(Semaphore::new(self.identity_bytes_max as usize)),
                connections: 0,
            });
            known.connections += 1;
            Arc::clone(&known.budget)
        };
        let own = Semaphore::new(self.connection_bytes_max as usize);
        ConnectionBudget { budgets: self, identity, own, shared }
    }

    fn identities(&self) -> MutexGuard<'_, HashMap<PeerIdentity, IdentityBudget>> {
        // Nothing panics while it is held.
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionBudget<'_> {
    /// Waits until both budgets have room for a response of that size; requests are served in the
    /// order in which they began to wait. A response larger than a budget waits until it has that
    /// budget for itself. `None` if it is small.
    pub(super) async fn charge(&self, bytes: u64) -> Option<Charge<'_>> {
        let bytes = self.chargeable(bytes)?;
        // In this order everywhere: a request that has room in the shared budget waits for
        // nothing else.
        let own = self.take(&self.own, bytes).await?;
        let shared = self.take(&self.shared, bytes).await?;
        Some(self.charged(own, shared, bytes))
    }

    /// Charges a response of that size if both budgets have room for it. `None` if it is small.
    pub(super) fn try_charge(&self, bytes: u64) -> Result<Option<Charge<'_>>, BudgetExhausted> {
        let Some(bytes) = self.chargeable(bytes) else { return Ok(None) };
        let own = self.own.try_acquire_many(bytes).map_err(|_| BudgetExhausted)?;
        let shared = self.shared.try_acquire_many(bytes).map_err(|_| BudgetExhausted)?;
        Ok(Some(self.charged(own, shared, bytes)))
    }

    /// What is charged for a response of that size, if it is not small.
    fn chargeable(&self, bytes: u64) -> Option<u32> {
        let bytes_max = self.budgets.connection_bytes_max.min(self.budgets.identity_bytes_max);
        (bytes > UNCHARGED_BYTES_MAX)
            .then(|| u32::try_from(bytes).unwrap_or(u32::MAX).min(bytes_max))
    }

    /// `None` never happens: the semaphores are not closed.
    async fn take<'b>(&self, budget: &'b Semaphore, bytes: u32) -> Option<SemaphorePermit<'b>> {
        if let Ok(permit) = budget.try_acquire_many(bytes) {
            return Some(permit);
        }
        self.budgets.usage.waits.fetch_add(1, Ordering::Relaxed);
        budget.acquire_many(bytes).await.ok()
    }

    fn charged<'b>(
        &'b self,
        own: SemaphorePermit<'b>,
        shared: SemaphorePermit<'b>,
        bytes: u32,
    ) -> Charge<'b> {
        let usage = &*self.budgets.usage;
        let charged = u64::from(bytes);
        let total = usage.charged_bytes.fetch_add(charged, Ordering::Relaxed) + charged;
        usage.charged_bytes_peak.fetch_max(total, Ordering::Relaxed);
        Charge { own, shared, bytes, usage }
    }
}

impl Drop for ConnectionBudget<'_> {
    fn drop(&mut self) {
        let mut identities = self.budgets.identities();
        if let Some(known) = identities.get_mut(&self.identity) {
            known.connections -= 1;
            if known.connections == 0 {
                identities.remove(&self.identity);
            }
        }
    }
}

impl Charge<'_> {
    /// Gives back what the response does not need. A response that is larger than was expected
    /// keeps its charge.
    pub(super) fn correct(&mut self, bytes: u64) {
        let needed = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Some(excess) = self.bytes.checked_sub(needed) else { return };
        self.usage.charged_bytes.fetch_sub(u64::from(excess), Ordering::Relaxed);
        drop(self.own.split(excess as usize));
        drop(self.shared.split(excess as usize));
        self.bytes = needed;
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.usage.charged_bytes.fetch_sub(u64::from(self.bytes), Ordering::Relaxed);
    }
}

/// The most that the output of a command can hold, in bytes of keys and values.
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

/// The most that the answer to a range can hold, in bytes of keys and values.
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
    // The first key is part of the answer even if it is larger than an answer may be.
    each.saturating_mul(keys).min(Rules::CURRENT.range.bytes_max.max(each))
}

const fn key_value_bytes_max(limits: &Limits) -> u64 {
    (limits.key_bytes_max + limits.value_bytes_max) as u64 + Rules::weight(&[], &[])
}

/// What a response holds, in bytes of keys and values.
pub(super) fn response_bytes(response: &ResponseBody) -> u64 {
    match response {
        ResponseBody::Output(output) => outcome_bytes(&output.outcome),
        ResponseBody::Range(answer) => match &answer.body {
            QueryResultBody::Range(result) => all_bytes(&result.kvs),
            QueryResultBody::Hash(_) | QueryResultBody::Refused(_) => 0,
        },
        ResponseBody::Status(_)
        | ResponseBody::Members(_)
        | ResponseBody::Pong
        | ResponseBody::Refused(_)
        | ResponseBody::Unknown { .. }
        | ResponseBody::Failed { .. } => 0,
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
    use futures_util::FutureExt;
    use raft_core::ClusterId;

    use super::*;
    use crate::kv::state_machine::{DeleteRange, Put, Txn};

    fn client(name: &str) -> PeerIdentity {
        PeerIdentity::Client { cluster: ClusterId(1), name: name.to_owned() }
    }

    fn charged(budgets: &ResponseBudgets) -> u64 {
        budgets.usage.charged_bytes.load(Ordering::Relaxed)
    }

    #[test]
    fn a_request_waits_until_its_connection_has_room() {
        let budgets = ResponseBudgets::new(10_000, 100_000);
        let connection = budgets.connection(client("a"));
        let mut first = connection.charge(8_000).now_or_never().unwrap().unwrap();
        let mut second = Box::pin(connection.charge(5_000));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(connection.try_charge(5_000).is_err());
        first.correct(3_000);
        let second = second.now_or_never().expect("3,000 of 10,000 are charged");
        assert_eq!(charged(&budgets), 8_000);
        drop((first, second));
        assert_eq!(charged(&budgets), 0);
        assert_eq!(connection.own.available_permits(), 10_000);
        assert_eq!(connection.shared.available_permits(), 100_000);
        assert_eq!(budgets.usage.charged_bytes_peak.load(Ordering::Relaxed), 8_000);
        assert_eq!(budgets.usage.waits.load(Ordering::Relaxed), 1);
    }

    /// A client does not get more room by opening more connections; other clients have their own.
    #[test]
    fn connections_of_an_identity_share_its_budget() {
        let budgets = ResponseBudgets::new(10_000, 15_000);
        let (first, second) = (budgets.connection(client("a")), budgets.connection(client("a")));
        let other = budgets.connection(client("b"));
        let _taken = first.charge(10_000).now_or_never().unwrap();
        assert!(second.charge(10_000).now_or_never().is_none());
        assert!(second.try_charge(10_000).is_err());
        assert!(second.charge(5_000).now_or_never().is_some());
        assert!(other.charge(10_000).now_or_never().is_some());
    }

    /// The connections of an identity are served in turn, whatever each of them asks for.
    #[test]
    fn room_goes_to_the_request_that_waits_longest() {
        let budgets = ResponseBudgets::new(10_000, 10_000);
        let (first, second) = (budgets.connection(client("a")), budgets.connection(client("a")));
        let taken = first.charge(6_000).now_or_never().unwrap();
        let mut large = Box::pin(second.charge(9_000));
        assert!(large.as_mut().now_or_never().is_none());
        let mut small = Box::pin(first.charge(2_000));
        assert!(small.as_mut().now_or_never().is_none(), "it does not overtake");
        drop(taken);
        let large = large.now_or_never().expect("it was first");
        assert!(small.as_mut().now_or_never().is_none());
        drop(large);
        assert!(small.now_or_never().is_some());
    }

    #[test]
    fn a_response_above_the_budget_has_it_alone() {
        let budgets = ResponseBudgets::new(10_000, 5_000);
        let connection = budgets.connection(client("a"));
        let mut alone = connection.charge(u64::MAX).now_or_never().unwrap().unwrap();
        assert_eq!(charged(&budgets), 5_000);
        assert!(connection.charge(2_000).now_or_never().is_none());
        alone.correct(1 << 40);
        assert_eq!(charged(&budgets), 5_000, "it is never charged more than the budget");
        drop(alone);
        assert!(connection.charge(2_000).now_or_never().is_some());
    }

    /// Most responses are small; they cost nothing here, and never wait.
    #[test]
    fn small_responses_are_not_charged() {
        let budgets = ResponseBudgets::new(10_000, 10_000);
        let connection = budgets.connection(client("a"));
        let _all = connection.charge(10_000).now_or_never().unwrap();
        assert!(connection.charge(UNCHARGED_BYTES_MAX).now_or_never().unwrap().is_none());
        assert!(connection.try_charge(UNCHARGED_BYTES_MAX).unwrap().is_none());
        assert!(connection.try_charge(UNCHARGED_BYTES_MAX + 1).is_err());
    }

    #[test]
    fn an_identity_is_forgotten_with_its_last_connection() {
        let budgets = ResponseBudgets::new(100, 100);
        let (first, second) = (budgets.connection(client("a")), budgets.connection(client("a")));
        drop(first);
        assert_eq!(budgets.identities().len(), 1);
        drop(second);
        assert_eq!(budgets.identities().len(), 0);
    }

    #[test]
    fn a_request_is_charged_the_most_that_its_response_can_hold() {
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
