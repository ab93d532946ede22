//! The path of an entry from committed to applied.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::fetches::Fetches;
use crate::effect::{CommittedEntry, Effect};
use crate::entry::Entry;
use crate::input::EntriesFetched;
use crate::log::Log;
use crate::types::{FetchId, LogIndex, RequestId, Timestamp};

/// The first retry of a failed entry is due immediately, the second after this delay; the delay
/// doubles with each further failure.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(50);
/// The longest delay between a failure and the next retry.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// The entries that the state machine has yet to apply, and the requests that wait for it.
///
/// `applied <= dispatched <= min(commit, persisted)`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApplyQueue {
    applied: LogIndex,
    /// The last entry that was dispatched to the state machine.
    dispatched: LogIndex,
    /// The last entry whose effect does not depend on the log after a crash: it is durable in the
    /// state machine or in a snapshot. Ahead of `applied` only while a snapshot is installed.
    durable: LogIndex,
    /// The last entry of the snapshot to which the state machine is being restored.
    restoring: Option<LogIndex>,
    /// Batches that are dispatched and not applied yet: (last index, bytes).
    outstanding: VecDeque<(LogIndex, u64)>,
    outstanding_bytes: u64,
    /// The pending request to the store for the next entries.
    pending_fetch: Option<FetchId>,
    /// The store returned no usable entries; they are requested again with the next append or
    /// heartbeat.
    fetch_failed: bool,
    /// The entry at which the state machine failed; nothing is dispatched until it is retried.
    failed: Option<LogIndex>,
    /// When the failed entry is retried.
    retry_at: Timestamp,
    /// The delay of the retry after the next failure; zero after each success.
    retry_delay: Duration,
    /// Requests of this node whose entries are in the log and not applied, ascending by index.
    proposed: VecDeque<ProposedEntry>,
    /// The sum of their weights.
    proposed_bytes: u64,
    /// Confirmed reads that wait for the state machine to reach an index, ascending.
    reads: VecDeque<(LogIndex, Vec<RequestId>)>,
}

/// An entry that was proposed at this node and whose caller waits.
#[derive(Clone, Copy, Debug)]
struct ProposedEntry {
    index: LogIndex,
    request: RequestId,
    weight_bytes: u64,
}

/// Entries: committed, dispatched, applied.
impl ApplyQueue {
    /// The queue of a node whose log begins after `base`: the state machine has applied as much.
    pub(crate) fn starting_after(base: LogIndex) -> Self {
        Self { applied: base, dispatched: base, durable: base, ..Self::default() }
    }

    /// The last entry that the state machine has applied.
    #[inline]
    pub(crate) const fn applied(&self) -> LogIndex {
        self.applied
    }

    /// The last entry that was dispatched to the state machine.
    #[inline]
    pub(crate) const fn dispatched(&self) -> LogIndex {
        self.dispatched
    }

    /// The next batch for the state machine, or the request for entries that are no longer in
    /// memory. `ready` is the last entry that is committed and durable here. `None` if there is
    /// nothing to do now, or if batches of `bytes_max` are outstanding.
    pub(crate) fn next_effect(
        &mut self,
        log: &Log,
        ready: LogIndex,
        bytes_max: u64,
        fetches: &mut Fetches,
    ) -> Option<Effect> {
        let waits = self.failed.is_some() || self.pending_fetch.is_some() || self.fetch_failed;
        if waits || self.dispatched >= ready || self.outstanding_bytes >= bytes_max {
            return None;
        }
        let from = self.dispatched.next();
        let remaining_bytes = bytes_max - self.outstanding_bytes;
        match log.slice(from, ready, usize::MAX, remaining_bytes) {
            Some(entries) => self.dispatch(entries),
            None => {
                let last = ready.min(log.tail_first().previous());
                let request = fetches.request(from, last, remaining_bytes);
                self.pending_fetch = Some(request.id);
                Some(Effect::FetchEntries(request))
            }
        }
    }

    /// The store reported the result of a fetch. Returns a batch for the state machine if the
    /// entries are those that it needs next.
    pub(crate) fn on_entries_fetched(
        &mut self,
        log: &Log,
        ready: LogIndex,
        fetched: &EntriesFetched,
    ) -> Option<Effect> {
        if self.pending_fetch != Some(fetched.id) {
            return None;
        }
        self.pending_fetch = None;
        if fetched.from != self.dispatched.next() {
            return None;
        }
        let usable: Vec<Entry> = fetched
            .entries
            .iter()
            .take_while(|entry| entry.index() <= ready && log.terms().contains(entry.id))
            .cloned()
            .collect();
        if usable.first().is_some_and(|entry| entry.index() == fetched.from) {
            self.dispatch(usable)
        } else {
            self.fetch_failed = true;
            None
        }
    }

    /// An append or a heartbeat is processed: entries that the store did not return may be
    /// requested again.
    pub(crate) const fn retry_failed_fetch(&mut self) {
        self.fetch_failed = false;
    }

    fn dispatch(&mut self, entries: Vec<Entry>) -> Option<Effect> {
        let last = entries.last().map(Entry::index)?;
        let bytes = entries.iter().map(Entry::weight_bytes).sum();
        let batch = entries
            .into_iter()
            .map(|entry| CommittedEntry { request: self.request_at(entry.index()), entry })
            .collect();
        self.dispatched = last;
        self.outstanding.push_back((last, bytes));
        self.outstanding_bytes += bytes;
        Some(Effect::Apply(batch))
    }

    /// The state machine has applied every entry up to `index`, which is above the last one.
    pub(crate) fn on_applied(&mut self, index: LogIndex) {
        assert!(index > self.applied, "the applied index never falls");
        self.applied = index;
        self.retry_delay = Duration::ZERO;
        self.dispatched = self.dispatched.max(index);
        while let Some(&(last, bytes)) = self.outstanding.front()
            && last <= index
        {
            self.outstanding_bytes -= bytes;
            self.outstanding.pop_front();
        }
        self.remove_proposed_to(index);
        self.restoring = self.restoring.filter(|&restoring| restoring > index);
    }

    /// The last entry whose effect is durable in the state machine or in a snapshot.
    pub(crate) const fn durably_applied(&self) -> LogIndex {
        self.durable
    }

    /// The effect of every entry up to `index` is durable.
    pub(crate) fn on_durably_applied(&mut self, index: LogIndex) {
        self.durable = self.durable.max(index);
    }
}

/// For explanations.
impl ApplyQueue {
    /// Whether entries are requested from the store.
    pub(crate) const fn is_fetching(&self) -> bool {
        self.pending_fetch.is_some()
    }

    /// Whether the store did not return the entries that were requested.
    pub(crate) const fn fetch_has_failed(&self) -> bool {
        self.fetch_failed
    }

    /// The number of confirmed reads that wait, and the first index that they wait for.
    pub(crate) fn waiting_reads(&self) -> Option<(usize, LogIndex)> {
        let &(first, _) = self.reads.front()?;
        Some((self.reads.iter().map(|(_, requests)| requests.len()).sum(), first))
    }
}

/// Snapshots of the leader.
impl ApplyQueue {
    /// The last entry of the snapshot to which the state machine is being restored.
    pub(crate) const fn restoring(&self) -> Option<LogIndex> {
        self.restoring
    }

    /// The log is reset to a durable snapshot. Entries that the store was to return are gone.
    pub(crate) fn on_reset(&mut self, base: LogIndex) {
        self.pending_fetch = None;
        self.durable = self.durable.max(base);
    }

    /// The state machine is restored to a snapshot after the batches that are outstanding. Returns
    /// the requests for entries that the snapshot covers and that are not dispatched: their outputs
    /// are not known here.
    pub(crate) fn on_restore(&mut self, index: LogIndex) -> Vec<RequestId> {
        let skipped = self.remove_proposed_between(self.dispatched, index);
        self.dispatched = index;
        self.outstanding.push_back((index, 0));
        self.restoring = Some(index);
        self.fetch_failed = false;
        self.failed = None;
        self.retry_delay = Duration::ZERO;
        skipped
    }

    /// The state machine failed at an entry before the restore that follows it: nothing is retried,
    /// and the entries up to the restore are not applied. Returns the requests for them.
    pub(crate) fn on_apply_failed_before_restore(
        &mut self,
        index: LogIndex,
        restoring: LogIndex,
    ) -> Vec<RequestId> {
        self.remove_proposed_to(index);
        self.outstanding.retain(|&(last, _)| last >= restoring);
        self.outstanding_bytes = self.outstanding.iter().map(|&(_, bytes)| bytes).sum();
        self.remove_proposed_between(index, restoring)
    }
}

/// Entries at which the state machine fails.
impl ApplyQueue {
    /// The entry at which the state machine failed, while it is not applied.
    pub(crate) const fn failed(&self) -> Option<LogIndex> {
        self.failed
    }

    /// Whether `index` is dispatched and not applied.
    pub(crate) fn is_outstanding(&self, index: LogIndex) -> bool {
        index > self.applied && index <= self.dispatched
    }

    /// The state machine failed at an entry; every entry before it is applied. The host responds to
    /// the caller of the failed entry.
    pub(crate) fn on_apply_failed(&mut self, index: LogIndex, now: Timestamp) {
        self.remove_proposed_to(index);
        self.outstanding.clear();
        self.outstanding_bytes = 0;
        self.dispatched = index.previous();
        self.failed = Some(index);
        self.retry_at = now.after(self.retry_delay);
        self.retry_delay = (self.retry_delay * 2).clamp(RETRY_DELAY_MIN, RETRY_DELAY_MAX);
    }

    /// When the failed entry may be retried, if there is one.
    pub(crate) fn retry_deadline(&self) -> Option<Timestamp> {
        self.failed.map(|_| self.retry_at)
    }

    /// Permits the retry of the failed entry once its delay has passed, and returns its index.
    pub(crate) fn retry_failed(&mut self, now: Timestamp) -> Option<LogIndex> {
        if now < self.retry_at {
            return None;
        }
        self.failed.take()
    }
}

/// Requests that wait for the state machine.
impl ApplyQueue {
    /// The weight of the entries that were proposed at this node and wait to be applied here.
    #[inline]
    pub(crate) const fn unapplied_bytes(&self) -> u64 {
        self.proposed_bytes
    }

    /// Registers the request that waits for an entry. Called in ascending order of index.
    pub(crate) fn register_proposed(&mut self, entry: &Entry, request: RequestId) {
        let weight_bytes = entry.weight_bytes();
        self.proposed.push_back(ProposedEntry { index: entry.index(), request, weight_bytes });
        self.proposed_bytes += weight_bytes;
    }

    /// Removes the requests for entries after `index`, and returns them.
    pub(crate) fn remove_proposed_after(&mut self, index: LogIndex) -> Vec<RequestId> {
        let first = self.proposed.partition_point(|proposed| proposed.index <= index);
        let removed = self.proposed.split_off(first);
        self.proposed_bytes -= removed.iter().map(|proposed| proposed.weight_bytes).sum::<u64>();
        removed.into_iter().map(|proposed| proposed.request).collect()
    }

    /// Removes the requests for the entries in `(after, last]`, and returns them.
    fn remove_proposed_between(&mut self, after: LogIndex, last: LogIndex) -> Vec<RequestId> {
        let first = self.proposed.partition_point(|proposed| proposed.index <= after);
        let end = self.proposed.partition_point(|proposed| proposed.index <= last).max(first);
        let removed: Vec<ProposedEntry> = self.proposed.drain(first..end).collect();
        self.proposed_bytes -= removed.iter().map(|proposed| proposed.weight_bytes).sum::<u64>();
        removed.into_iter().map(|proposed| proposed.request).collect()
    }

    fn remove_proposed_to(&mut self, index: LogIndex) {
        let count = self.proposed.partition_point(|proposed| proposed.index <= index);
        let removed_bytes: u64 =
            self.proposed.drain(..count).map(|proposed| proposed.weight_bytes).sum();
        self.proposed_bytes -= removed_bytes;
    }

    /// The request that waits for this entry.
    fn request_at(&self, index: LogIndex) -> Option<RequestId> {
        let at = self.proposed.partition_point(|proposed| proposed.index < index);
        let proposed = self.proposed.get(at).filter(|proposed| proposed.index == index)?;
        Some(proposed.request)
    }

    /// Registers confirmed reads that wait for the state machine to apply `index`. A round that
    /// began early may end after a lease has permitted reads at a later index: its reads wait for
    /// that one, too.
    pub(crate) fn register_reads(&mut self, index: LogIndex, requests: Vec<RequestId>) {
        let last = self.reads.back().map_or(LogIndex::ZERO, |&(last, _)| last);
        self.reads.push_back((index.max(last), requests));
    }

    /// Removes the next reads whose index is applied, and returns that index and the requests.
    pub(crate) fn pop_ready_reads(&mut self) -> Option<(LogIndex, Vec<RequestId>)> {
        let (index, _) = self.reads.front()?;
        if *index > self.applied { None } else { self.reads.pop_front() }
    }

    /// Removes the reads that wait for an entry after `index`, and returns their requests.
    pub(crate) fn remove_reads_after(&mut self, index: LogIndex) -> Vec<RequestId> {
        let first = self.reads.partition_point(|&(read_index, _)| read_index <= index);
        self.reads.split_off(first).into_iter().flat_map(|(_, requests)| requests).collect()
    }
}
