//! Budgets for the memory of responses, from before they are produced until they are written.
//!
//! A request whose response may be large is charged its largest possible response before anything
//! is read or proposed for it, and the size of its response as soon as that is known; a single key
//! that is in memory is charged its size when it is read. The charge ends when the response is
//! written to the stream. While a budget is exhausted, requests wait. Waiting requests count as
//! requests in flight, so that the node soon stops reading from a connection whose client does not
//! read its responses.
//!
//! Small responses are not charged: the number of requests in flight bounds them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_transport_quic::tls::PeerIdentity;
use tokio::sync::{Semaphore, SemaphorePermit};

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

/// A budget has no space for a response at present.
#[derive(Debug)]
pub(super) struct BudgetExhausted;

/// The bytes that are charged at present, and the number of requests that had to wait.
#[derive(Debug, Default)]
pub(super) struct ResponseUsage {
    pub(super) charged_bytes: AtomicU64,
    pub(super) charged_bytes_peak: AtomicU64,
    pub(super) waits: AtomicU64,
}

/// The budgets of one connection: its own, and that of its client, which all connections with the
/// same certificate identity share.
#[derive(Debug)]
pub(super) struct ConnectionBudget<'a> {
    budgets: &'a ResponseBudgets,
    identity: PeerIdentity,
    own: Semaphore,
    shared: Arc<Semaphore>,
}

/// The space of a response in both budgets, until this is dropped.
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
            let entry = identities.entry(identity.clone()).or_insert_with(|| IdentityBudget {
                budget: Arc::new(Semaphore::new(self.identity_bytes_max as usize)),
                connections: 0,
            });
            entry.connections += 1;
            Arc::clone(&entry.budget)
        };
        let own = Semaphore::new(self.connection_bytes_max as usize);
        ConnectionBudget { budgets: self, identity, own, shared }
    }

    fn identities(&self) -> MutexGuard<'_, HashMap<PeerIdentity, IdentityBudget>> {
        // No code panics while it holds the lock.
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionBudget<'_> {
    /// Waits until both budgets have space for a response of that size, in the order of the calls.
    /// A response larger than a budget waits until it has the whole budget. `None` if it is small.
    pub(super) async fn charge(&self, bytes: u64) -> Option<Charge<'_>> {
        let bytes = self.chargeable(bytes)?;
        // Every caller acquires in this order: a request that holds space of the shared budget
        // waits for nothing else.
        let own = self.take(&self.own, bytes).await?;
        let shared = self.take(&self.shared, bytes).await?;
        Some(self.charged(own, shared, bytes))
    }

    /// Charges a response of that size if both budgets have space for it. `None` if it is small.
    pub(super) fn try_charge(&self, bytes: u64) -> Result<Option<Charge<'_>>, BudgetExhausted> {
        let Some(bytes) = self.chargeable(bytes) else { return Ok(None) };
        let own = self.own.try_acquire_many(bytes).map_err(|_| BudgetExhausted)?;
        let shared = self.shared.try_acquire_many(bytes).map_err(|_| BudgetExhausted)?;
        Ok(Some(self.charged(own, shared, bytes)))
    }

    /// The bytes to charge for a response of that size; `None` if it is small.
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
        if let Some(entry) = identities.get_mut(&self.identity) {
            entry.connections -= 1;
            if entry.connections == 0 {
                identities.remove(&self.identity);
            }
        }
    }
}

impl Charge<'_> {
    /// Releases what the response does not need. The charge of a response that is larger than
    /// expected stays the same.
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use raft_core::ClusterId;

    use super::*;

    fn client(name: &str) -> PeerIdentity {
        PeerIdentity::Client { cluster: ClusterId(1), name: name.to_owned() }
    }

    fn charged(budgets: &ResponseBudgets) -> u64 {
        budgets.usage.charged_bytes.load(Ordering::Relaxed)
    }

    #[test]
    fn request_waits_until_its_connection_has_space() {
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

    /// A client does not get more space by opening more connections; other clients have their own.
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

    /// The connections of an identity are served in turn, whatever each of them requests.
    #[test]
    fn space_is_assigned_to_the_request_that_waits_longest() {
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
    fn response_above_the_budget_gets_the_whole_budget() {
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

    /// Most responses are small; they are never charged and never wait.
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
    fn identity_is_removed_with_its_last_connection() {
        let budgets = ResponseBudgets::new(100, 100);
        let (first, second) = (budgets.connection(client("a")), budgets.connection(client("a")));
        drop(first);
        assert_eq!(budgets.identities().len(), 1);
        drop(second);
        assert_eq!(budgets.identities().len(), 0);
    }
}
