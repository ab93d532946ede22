//! The way from committed to applied.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::ApplyFailurePolicy;
use crate::effect::{CommittedEntry, Effect, HaltReason, Outcome};
use crate::entry::Entry;
use crate::event::Event;
use crate::input::{ApplyFailure, EntriesFetched};
use crate::ports::BrokenMark;
use crate::state::NodeState;
use crate::types::{FetchId, LogIndex, RequestId, Timestamp};

/// The first retry of a failed entry is due at once, the second after this delay; the delay doubles
/// with each further failure.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(50);
/// The longest delay between a failure and the next retry.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// What was handed to the state machine, what waits for it, and who waits for the result.
///
/// `applied <= handed <= min(commit, persisted)`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApplyQueue {
    applied: LogIndex,
    dispatched: LogIndex,
    /// Batches handed out and not applied yet: (last index, bytes).
    outstanding: VecDeque<(LogIndex, u64)>,
    outstanding_bytes: u64,
    /// The request to the store that is not answered yet.
    fetching: Option<FetchId>,
    /// The store could not deliver; it is asked again when the next append or heartbeat goes by.
    fetch_failed: bool,
    /// The entry at which the state machine failed; nothing is handed out until it is retried.
    failed: Option<LogIndex>,
    /// When the failed entry is retried.
    retry_at: Timestamp,
    /// The delay of the retry after the next failure; zero after each success.
    retry_delay: Duration,
    /// Requests of this node whose entries are in the log and not applied, ascending by index.
    requests: VecDeque<ProposedEntry>,
    /// The sum of their weights.
    requests_bytes: u64,
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

impl ApplyQueue {
    pub(crate) const fn applied(&self) -> LogIndex {
        self.applied
    }

    pub(crate) const fn dispatched(&self) -> LogIndex {
        self.dispatched
    }

    pub(crate) const fn failed(&self) -> Option<LogIndex> {
        self.failed
    }

    /// The weight of the entries that were proposed at this node and wait to be applied here.
    pub(crate) const fn unapplied_bytes(&self) -> u64 {
        self.requests_bytes
    }

    /// Remembers the request that waits for an entry. Called in ascending order of index.
    pub(crate) fn register_request(&mut self, entry: &Entry, request: RequestId) {
        let weight_bytes = entry.weight_bytes();
        self.requests.push_back(ProposedEntry { index: entry.index(), request, weight_bytes });
        self.requests_bytes += weight_bytes;
    }

    /// The request that waits for this entry.
    fn request_at(&self, index: LogIndex) -> Option<RequestId> {
        let at = self.requests.partition_point(|proposed| proposed.index < index);
        let proposed = self.requests.get(at).filter(|proposed| proposed.index == index)?;
        Some(proposed.request)
    }

    fn remove_requests_to(&mut self, index: LogIndex) {
        let done = self.requests.partition_point(|proposed| proposed.index <= index);
        let done_bytes: u64 = self.requests.drain(..done).map(|done| done.weight_bytes).sum();
        self.requests_bytes -= done_bytes;
    }

    /// Takes the requests for entries after `index`.
    fn remove_requests_after(&mut self, index: LogIndex) -> Vec<RequestId> {
        let first = self.requests.partition_point(|proposed| proposed.index <= index);
        let taken = self.requests.split_off(first);
        self.requests_bytes -= taken.iter().map(|proposed| proposed.weight_bytes).sum::<u64>();
        taken.into_iter().map(|proposed| proposed.request).collect()
    }
}

impl NodeState {
    /// Hands committed and durable entries to the state machine, within its budget.
    pub(crate) fn dispatch_committed(&mut self) {
        let limit = self.config.limits.apply_bytes_max;
        loop {
            let target = self.commit_index().min(self.log.persisted());
            let queue = &self.apply;
            let stalled = queue.failed.is_some() || queue.fetching.is_some() || queue.fetch_failed;
            if stalled || queue.dispatched >= target || queue.outstanding_bytes >= limit {
                return;
            }
            let from = queue.dispatched.next();
            let room = limit - queue.outstanding_bytes;
            match self.log.slice(from, target, usize::MAX, room) {
                Some(entries) => self.dispatch(entries),
                None => {
                    let last = target.min(self.log.tail_first().previous());
                    self.apply.fetching = Some(self.fetch(from, last, room));
                    return;
                }
            }
        }
    }

    fn dispatch(&mut self, entries: Vec<Entry>) {
        let Some(last) = entries.last().map(Entry::index) else { return };
        let bytes = entries.iter().map(Entry::weight_bytes).sum();
        let queue = &mut self.apply;
        let batch = entries
            .into_iter()
            .map(|entry| CommittedEntry { request: queue.request_at(entry.index()), entry })
            .collect();
        queue.dispatched = last;
        queue.outstanding.push_back((last, bytes));
        queue.outstanding_bytes += bytes;
        self.effects.push(Effect::Apply(batch));
    }

    /// Entries read back for the state machine.
    pub(crate) fn on_fetched_for_apply(&mut self, fetched: &EntriesFetched) {
        if self.apply.fetching != Some(fetched.id) {
            return;
        }
        let from = fetched.from;
        self.apply.fetching = None;
        let target = self.commit_index().min(self.log.persisted());
        let usable: Vec<Entry> = fetched
            .entries
            .iter()
            .take_while(|entry| entry.index() <= target && self.log.terms().contains(entry.id))
            .cloned()
            .collect();
        if from != self.apply.dispatched.next() {
            return;
        }
        if usable.first().is_some_and(|entry| entry.index() == from) {
            self.dispatch(usable);
        } else {
            self.apply.fetch_failed = true;
        }
    }

    /// The state machine has applied everything up to here.
    pub(crate) fn on_applied(&mut self, index: LogIndex) {
        let last = self.log.last().index;
        assert!(index <= last, "the state machine never runs ahead of its own log");
        if index <= self.apply.applied {
            return;
        }
        self.commit_to(index);
        let queue = &mut self.apply;
        queue.applied = index;
        queue.retry_delay = Duration::ZERO;
        queue.dispatched = queue.dispatched.max(index);
        while let Some(&(last, bytes)) = queue.outstanding.front()
            && last <= index
        {
            queue.outstanding_bytes -= bytes;
            queue.outstanding.pop_front();
        }
        queue.remove_requests_to(index);
        self.complete_ready_reads();
    }

    /// The state machine failed at an entry.
    pub(crate) fn on_apply_failed(&mut self, failure: ApplyFailure) -> Option<HaltReason> {
        let ApplyFailure { index, reason } = failure;
        let expected = index > self.apply.applied && index <= self.apply.dispatched;
        if !expected {
            return None;
        }
        self.on_applied(index.previous());
        let queue = &mut self.apply;
        // The caller of the failed entry was answered by the shell.
        queue.remove_requests_to(index);
        queue.outstanding.clear();
        queue.outstanding_bytes = 0;
        queue.dispatched = index.previous();
        queue.failed = Some(index);
        queue.retry_at = self.now.after(queue.retry_delay);
        queue.retry_delay = (queue.retry_delay * 2).clamp(RETRY_DELAY_MIN, RETRY_DELAY_MAX);
        self.event(Event::ApplyFailed { index, reason: reason.clone() });
        match self.config.apply_failure {
            ApplyFailurePolicy::Retry => None,
            ApplyFailurePolicy::Halt => {
                self.mark_broken(BrokenMark { index, reason: reason.clone() });
                Some(HaltReason::ApplyFailed { index, reason })
            }
        }
    }

    /// Retries the entry at which the state machine failed, once its delay has passed.
    pub(crate) fn retry_failed_apply(&mut self) {
        if self.now >= self.apply.retry_at
            && let Some(index) = self.apply.failed.take()
        {
            self.event(Event::ApplyRetried { index });
        }
    }

    /// When the entry at which the state machine failed is retried, if it is to be retried at all.
    pub(crate) fn apply_retry_deadline(&self) -> Option<Timestamp> {
        match self.config.apply_failure {
            ApplyFailurePolicy::Retry => self.apply.failed.map(|_| self.apply.retry_at),
            ApplyFailurePolicy::Halt => None,
        }
    }

    /// An append or a heartbeat went by: entries that the store could not deliver are requested
    /// again.
    pub(crate) fn retry_failed_fetch(&mut self) {
        self.apply.fetch_failed = false;
    }

    /// A confirmed read may be answered once the state machine has come this far.
    pub(crate) fn complete_reads_at(&mut self, index: LogIndex, requests: Vec<RequestId>) {
        self.apply.reads.push_back((index, requests));
        self.complete_ready_reads();
    }

    /// Leadership ends because the disk makes no progress: what it has not made durable is not
    /// applied here, even if it is committed. The outcome of such commands is unknown, and reads
    /// behind them are refused.
    pub(crate) fn end_requests_that_wait_for_storage(&mut self) {
        let durable = self.log.persisted();
        for id in self.apply.remove_requests_after(durable) {
            self.respond(id, Outcome::Unknown { leader: None });
        }
        let refusal = self.not_leader();
        let first = self.apply.reads.partition_point(|&(index, _)| index <= durable);
        for (_, requests) in self.apply.reads.split_off(first) {
            for id in requests {
                self.refuse(id, refusal);
            }
        }
    }

    fn complete_ready_reads(&mut self) {
        while let Some((read_index, requests)) = self.apply.reads.pop_front() {
            if read_index > self.apply.applied {
                self.apply.reads.push_front((read_index, requests));
                return;
            }
            for id in requests {
                self.respond(id, Outcome::ReadReady { read_index });
            }
        }
    }

    /// Leadership is lost: requests whose entries are not known to be committed have an unknown
    /// end. The others will be applied here, so their callers still get the true answer.
    pub(crate) fn end_uncommitted_requests(&mut self) {
        let commit = self.commit_index();
        let leader = self.leader.filter(|&leader| leader != self.id());
        for id in self.apply.remove_requests_after(commit) {
            self.respond(id, Outcome::Unknown { leader });
        }
    }
}
