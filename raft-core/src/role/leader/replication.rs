//! Replication of the log to each follower (Raft §5.3).

mod members;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::snapshots;
use crate::config::Limits;
use crate::entry::Entry;
use crate::event::Event;
use crate::input::{EntriesFetched, SnapshotSent};
use crate::message::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, LogSlice, MessageRefusal,
};
use crate::progress::{Departure, Progress, ReplicationMode};
use crate::state::{NodeState, Retention};
use crate::types::{LogId, LogIndex, NodeId, Round};

/// The progress of each other member, and the round that every append carries.
#[derive(Clone, Debug)]
pub(super) struct Replication {
    progress: BTreeMap<NodeId, Progress>,
    /// Counts heartbeats and the beginnings of replication sessions, from 1.
    round: Round,
}

/// What the leader derives from the progress of its followers.
impl Replication {
    /// Every follower is probed from the end of the log on. So are the nodes that the configuration
    /// in force has removed: they may not know of it yet.
    pub(super) fn begin(state: &NodeState) -> Self {
        let next_index = state.log().last().index.next();
        let (now, round) = (state.now(), Round(1));
        let new_progress = || Progress::new(next_index, round, now);
        let mut progress: BTreeMap<_, _> =
            state.peers().map(|peer| (peer, new_progress())).collect();
        if let Some(previous) = state.previous_membership() {
            for node in previous.members() {
                if node != state.id() && !state.membership().contains(node) {
                    let departure = Some(Departure::new(state.membership_version()));
                    progress.insert(node, Progress { departure, ..new_progress() });
                }
            }
        }
        Self { progress, round }
    }

    pub(super) const fn progress(&self) -> &BTreeMap<NodeId, Progress> {
        &self.progress
    }

    /// The current round.
    pub(super) const fn round(&self) -> Round {
        self.round
    }

    /// The last entry that is known to be durable at this peer.
    pub(super) fn match_index(&self, peer: NodeId) -> LogIndex {
        self.progress.get(&peer).map_or(LogIndex::ZERO, |progress| progress.match_index)
    }

    /// Whether a quorum has responded to this round or a later one.
    pub(super) fn is_acknowledged_by_quorum(&self, state: &NodeState, round: Round) -> bool {
        self.is_quorum(state, |progress| progress.round_acknowledged >= round)
    }

    /// Whether a quorum whose members durably hold the entry at `index` has responded to this round
    /// or a later one.
    pub(super) fn is_acknowledged_by_holders(
        &self,
        state: &NodeState,
        round: Round,
        index: LogIndex,
    ) -> bool {
        self.is_quorum(state, |progress| {
            progress.round_acknowledged >= round && progress.match_index >= index
        })
    }

    /// Whether a quorum has responded within the last election timeout (thesis §6.2).
    pub(super) fn has_recent_contact_with_quorum(&self, state: &NodeState) -> bool {
        self.is_quorum(state, |progress| state.is_recent(progress.last_contact))
    }

    /// Whether this peer has responded within the last election timeout.
    pub(super) fn has_recent_contact_with(&self, state: &NodeState, peer: NodeId) -> bool {
        self.progress.get(&peer).is_some_and(|progress| state.is_recent(progress.last_contact))
    }

    /// Whether the peer keeps up with the log (thesis §4.2.1).
    pub(super) fn is_caught_up(&self, state: &NodeState, peer: NodeId) -> bool {
        let (now, timeout) = (state.now(), state.config().election_timeout_min);
        self.progress
            .get(&peer)
            .is_some_and(|progress| progress.catch_up.is_caught_up(now, timeout))
    }

    /// The number of rounds of catching up that the peer has completed.
    pub(super) fn rounds_completed(&self, peer: NodeId) -> u64 {
        self.progress.get(&peer).map_or(0, |progress| progress.catch_up.completed())
    }

    /// Whether this node and the peers for which `agrees` holds are a quorum.
    fn is_quorum(&self, state: &NodeState, agrees: impl Fn(&Progress) -> bool) -> bool {
        state.membership().is_quorum(|voter| {
            voter == state.id() || self.progress.get(&voter).is_some_and(&agrees)
        })
    }
}

/// Sending.
impl Replication {
    /// Sends every follower what its window has room for.
    pub(super) fn send_to_all(&mut self, state: &mut NodeState) {
        for (&peer, progress) in &mut self.progress {
            replicate_to(state, peer, progress, self.round);
        }
    }

    /// Begins a new round with a heartbeat to every follower.
    pub(super) fn begin_round(&mut self, state: &mut NodeState) {
        self.round = self.round.next();
        self.send_heartbeats(state);
    }

    /// Sends every follower an append without entries whose prev is this node's last entry.
    pub(super) fn send_heartbeats(&mut self, state: &mut NodeState) {
        for (&peer, progress) in &mut self.progress {
            let prev = state.log().last();
            progress.heartbeats.record(self.round, prev.index, progress.next_index.previous());
            send_append(state, peer, prev, Vec::new(), self.round);
        }
    }

    /// A heartbeat is due: entries that the store did not return are requested again, and snapshots
    /// that failed are sent again once their pause has passed.
    pub(super) fn retry_failures(&mut self, state: &mut NodeState) {
        for (&peer, progress) in &mut self.progress {
            let needs_snapshot = matches!(progress.mode, ReplicationMode::Snapshot(_));
            if core::mem::take(&mut progress.fetch_failed) || needs_snapshot {
                replicate_to(state, peer, progress, self.round);
            }
        }
    }
}

/// Receiving.
impl Replication {
    /// A follower responded to an append.
    ///
    /// # Errors
    /// When the response cannot be one to an append of this term; it has no effect then.
    pub(super) fn on_append_response(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        response: AppendEntriesResponse,
    ) -> Result<(), MessageRefusal> {
        let Some(progress) = self.progress.get_mut(&from) else { return Ok(()) };
        if response.round > self.round {
            return Err(MessageRefusal::UnexpectedResponse);
        }
        if response.round < progress.first_round {
            // It responds to an append of an earlier replication session, or, with `Round::NONE`,
            // to one of an earlier term in which this node led.
            return Ok(());
        }
        let mut knows_its_removal = false;
        match response.outcome {
            AppendOutcome::Matched { match_index } => {
                if match_index > state.log().last().index {
                    return Err(MessageRefusal::UnexpectedResponse);
                }
                let (base, last) = (state.log().base().index, state.log().last().index);
                progress.on_matched(match_index, base, last, self.round);
                let now = state.now();
                progress.catch_up.on_matched(progress.match_index, last, now);
                knows_its_removal = progress
                    .departure
                    .as_ref()
                    .is_some_and(|departure| departure.is_known(match_index, response.round));
            }
            AppendOutcome::Rejected { prev_index, last_index, hint } => {
                if prev_index > state.log().last().index {
                    return Err(MessageRefusal::UnexpectedResponse);
                }
                report_lost_entries(state, from, progress, response.round, last_index);
                // Above the hint the logs cannot agree; at or below it they may (Raft §5.3).
                let agreeing = state.log().terms().highest_at_most(hint.index, hint.term);
                let agrees_to = if agreeing == hint { hint.index } else { LogIndex::ZERO };
                let base = state.log().base().index;
                let rejection =
                    Rejection { round: response.round, prev_index, last_index, agrees_to, base };
                match rejection_cause(progress, &rejection) {
                    // It lacks the base of this log, so that no append can match.
                    RejectionCause::Mismatch if prev_index <= base || hint.index < base => {
                        progress.begin_snapshot();
                    }
                    RejectionCause::Mismatch => progress.probe_from(agreeing.index.next()),
                    RejectionCause::PrevNotSent { sent } => {
                        request_durable_index(state, from, progress, sent, self.round);
                    }
                    RejectionCause::SnapshotInVain => {
                        snapshots::on_delivered_in_vain(state, progress, hint.index);
                    }
                    RejectionCause::Outdated => {}
                }
            }
        }
        let was_away = !state.is_recent(progress.last_contact);
        progress.last_contact = state.now();
        if was_away {
            snapshots::on_contact_regained(progress);
        }
        if core::mem::take(&mut progress.is_silent) {
            state.event(Event::FollowerResponds { follower: from });
        }
        progress.round_acknowledged = progress.round_acknowledged.max(response.round);
        progress.heartbeats.remove_before(response.round);
        if knows_its_removal {
            self.progress.remove(&from);
        } else {
            replicate_to(state, from, progress, self.round);
        }
        Ok(())
    }

    /// The store reported the result of the request of these followers. The request may be from an
    /// earlier leadership, and a follower may have advanced since: entries are used as far as they
    /// are still in the log.
    pub(super) fn on_entries_fetched(
        &mut self,
        state: &mut NodeState,
        followers: &[NodeId],
        fetched: &EntriesFetched,
    ) {
        let expected = (0..).map(|at| fetched.from + at);
        let in_log = fetched.entries.iter().zip(expected).take_while(|(entry, index)| {
            entry.index() == *index && state.log().terms().contains(entry.id)
        });
        let count = in_log.count();
        for &peer in followers {
            if let Some(progress) = self.progress.get_mut(&peer) {
                progress.fetch_failed = count == 0;
                replicate_fetched(state, peer, progress, &fetched.entries[..count], self.round);
                replicate_to(state, peer, progress, self.round);
            }
        }
    }

    /// Messages to this follower may be lost: it is probed from its match index on.
    pub(super) fn on_peer_unreachable(&mut self, peer: NodeId) {
        if let Some(progress) = self.progress.get_mut(&peer) {
            match progress.mode {
                ReplicationMode::Replicate { .. } => {
                    progress.probe_from(progress.match_index.next());
                }
                // The host reports the end of a transfer on its own.
                ReplicationMode::Probe { .. } | ReplicationMode::Snapshot(_) => {}
            }
        }
    }

    /// A snapshot can be sent, or there is none.
    pub(super) fn on_snapshot_taken(&mut self, state: &mut NodeState, can_be_sent: bool) {
        for (&peer, progress) in &mut self.progress {
            if can_be_sent {
                replicate_to(state, peer, progress, self.round);
            } else {
                snapshots::on_no_snapshot(state, progress);
            }
        }
    }

    /// A transfer has ended.
    pub(super) fn on_snapshot_sent(&mut self, state: &mut NodeState, sent: SnapshotSent) {
        if let Some(progress) = self.progress.get_mut(&sent.to) {
            snapshots::on_sent(state, progress, sent, self.round);
            replicate_to(state, sent.to, progress, self.round);
        }
    }

    /// The entries that followers need.
    pub(super) fn retentions(&self, state: &NodeState) -> Vec<Retention> {
        let followers = self.progress.values();
        followers.filter_map(|progress| snapshots::retention_for(state, progress)).collect()
    }
}

/// Reports a follower that has lost entries which it had acknowledged: its log is shorter than its
/// match index, in a response to a round that began after that index was known here.
fn report_lost_entries(
    state: &mut NodeState,
    follower: NodeId,
    progress: &mut Progress,
    round: Round,
    last_index: LogIndex,
) {
    let lost = last_index < progress.match_index && round > progress.matched_in;
    if lost && !progress.acknowledgement_fell {
        progress.acknowledgement_fell = true;
        let (from, to) = (progress.match_index, last_index);
        state.event(Event::AcknowledgementFell { follower, from, to });
    }
}

/// Why a follower rejected an append.
enum RejectionCause {
    /// An append was lost, or the logs disagree.
    Mismatch,
    /// The follower has every entry that was sent; the prev of the heartbeat is an entry that was
    /// not sent yet.
    PrevNotSent {
        /// The last entry that had been sent when the heartbeat was.
        sent: LogIndex,
    },
    /// The follower has handled the snapshot that was delivered to it, and needs another one.
    SnapshotInVain,
    /// None that matters: the logs are known to agree at this index by now, or a probe is
    /// outstanding.
    Outdated,
}

/// The rejection of an append.
struct Rejection {
    round: Round,
    prev_index: LogIndex,
    last_index: LogIndex,
    /// The hint, if it is an entry of the leader's log; else zero.
    agrees_to: LogIndex,
    /// The base of the leader's log.
    base: LogIndex,
}

fn rejection_cause(progress: &Progress, rejection: &Rejection) -> RejectionCause {
    let &Rejection { round, prev_index, last_index, agrees_to, base } = rejection;
    if prev_index <= progress.match_index {
        return RejectionCause::Outdated;
    }
    match &progress.mode {
        ReplicationMode::Replicate { .. } if last_index < progress.match_index => {
            // A log is never shorter than what its node has acknowledged.
            RejectionCause::Outdated
        }
        ReplicationMode::Replicate { .. } => {
            match progress.heartbeats.last_sent_at(round, prev_index) {
                Some(sent) if agrees_to >= sent => RejectionCause::PrevNotSent { sent },
                Some(_) | None => RejectionCause::Mismatch,
            }
        }
        // Messages keep their order: a response to a heartbeat that was sent after the probe shows
        // that the probe is lost or was rejected.
        ReplicationMode::Probe { outstanding: Some(probe) } => {
            if prev_index == progress.next_index.previous() || round > *probe {
                RejectionCause::Mismatch
            } else {
                RejectionCause::Outdated
            }
        }
        ReplicationMode::Probe { outstanding: None } => RejectionCause::Mismatch,
        // The follower rejects every heartbeat until it has the snapshot. Once its log reaches the
        // leader's, it needs no snapshot any more.
        ReplicationMode::Snapshot(_) if agrees_to >= base => RejectionCause::Mismatch,
        ReplicationMode::Snapshot(snapshot) if snapshot.is_handled(round) => {
            RejectionCause::SnapshotInVain
        }
        ReplicationMode::Snapshot(_) => RejectionCause::Outdated,
    }
}

/// The follower has every entry that was sent and has not acknowledged all of them: its responses
/// are lost, or wait for its disk. An append without entries makes it respond again; without that a
/// full window would never have room again.
fn request_durable_index(
    state: &mut NodeState,
    peer: NodeId,
    progress: &Progress,
    sent: LogIndex,
    round: Round,
) {
    if sent > progress.match_index
        && let Some(term) = state.log().term_at(sent)
    {
        send_append(state, peer, LogId::new(term, sent), Vec::new(), round);
    }
}

/// Sends a follower what its window has room for.
fn replicate_to(state: &mut NodeState, peer: NodeId, progress: &mut Progress, round: Round) {
    if snapshots::replicate_by_snapshot(state, peer, progress, round) {
        return;
    }
    let limits = state.config().limits;
    loop {
        let last = state.log().last().index;
        let from = progress.next_index;
        if !progress.window_has_room(&limits) || from > last {
            return;
        }
        let slice =
            state.log().slice(from, last, limits.append_entries_max, limits.append_bytes_max);
        match slice {
            Some(entries) => {
                if !send_entries(state, peer, progress, entries, round) {
                    return;
                }
            }
            None => {
                if !progress.fetch_failed {
                    state.fetch_for_follower(peer, from);
                }
                return;
            }
        }
    }
}

/// Sends entries that came from the store, from the follower's next entry on, in as many appends
/// as the limits of one append and the follower's window allow.
fn replicate_fetched(
    state: &mut NodeState,
    peer: NodeId,
    progress: &mut Progress,
    entries: &[Entry],
    round: Round,
) {
    let Some(first) = entries.first().map(Entry::index) else { return };
    let limits = state.config().limits;
    while progress.next_index >= first && progress.window_has_room(&limits) {
        let skip = progress.next_index.distance_from(first);
        let rest = usize::try_from(skip).ok().and_then(|skip| entries.get(skip..));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else { return };
        let append = entries_of_one_append(rest, &limits).to_vec();
        if !send_entries(state, peer, progress, append, round) {
            return;
        }
    }
}

/// As many of these entries as one append may carry; at least one.
fn entries_of_one_append<'a>(entries: &'a [Entry], limits: &Limits) -> &'a [Entry] {
    let mut bytes = 0;
    let fitting = entries.iter().take(limits.append_entries_max).take_while(|entry| {
        bytes += entry.weight_bytes();
        bytes <= limits.append_bytes_max
    });
    let count = fitting.count().max(1).min(entries.len());
    &entries[..count]
}

/// Sends one append with entries and records it in the progress. Returns false, without effect, if
/// there are no entries or the term of the entry before them is not known.
fn send_entries(
    state: &mut NodeState,
    peer: NodeId,
    progress: &mut Progress,
    entries: Vec<Entry>,
    round: Round,
) -> bool {
    let prev_index = progress.next_index.previous();
    let Some(prev_term) = state.log().term_at(prev_index) else { return false };
    let Some(last) = entries.last().map(Entry::index) else { return false };
    match &mut progress.mode {
        ReplicationMode::Probe { outstanding } => *outstanding = Some(round),
        ReplicationMode::Replicate { inflights } => {
            inflights.push(last, entries.iter().map(Entry::weight_bytes).sum());
            progress.next_index = last.next();
        }
        ReplicationMode::Snapshot(_) => return false,
    }
    send_append(state, peer, LogId::new(prev_term, prev_index), entries, round);
    true
}

fn send_append(
    state: &mut NodeState,
    peer: NodeId,
    prev: LogId,
    entries: Vec<Entry>,
    round: Round,
) {
    let slice = LogSlice::of_own_log(prev, entries);
    let commit = state.commit_index();
    state.send(peer, Body::AppendEntries(AppendEntries { slice, commit, round }));
}
