//! Feeding the followers.

use alloc::vec::Vec;

use super::Leader;
use crate::config::Limits;
use crate::entry::Entry;
use crate::input::EntriesFetched;
use crate::message::validate::InvalidMessage;
use crate::message::{AppendEntries, AppendEntriesResponse, AppendOutcome, Body};
use crate::progress::{Progress, ReplicationMode};
use crate::state::NodeState;
use crate::types::{LogId, LogIndex, NodeId, Round};

impl Leader {
    /// Sends every follower what its window has room for.
    pub(super) fn replicate_to_all(&mut self, state: &mut NodeState) {
        for (&peer, progress) in &mut self.progress {
            replicate_to(state, peer, progress, self.round);
        }
    }

    /// Begins a new round with a heartbeat to everyone.
    pub(super) fn begin_round(&mut self, state: &mut NodeState) {
        self.round = self.round.next();
        self.send_heartbeats(state);
    }

    /// Sends everyone an append without entries whose prev is this node's last entry.
    pub(super) fn send_heartbeats(&mut self, state: &mut NodeState) {
        for (&peer, progress) in &mut self.progress {
            let prev = state.log.last();
            progress.heartbeats.record(self.round, prev.index, progress.next_index.previous());
            send_append(state, peer, prev, Vec::new(), self.round);
        }
    }

    /// A follower answered an append.
    ///
    /// # Errors
    /// When it claims what cannot be; the answer has no effect then.
    pub(crate) fn on_append_response(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        response: AppendEntriesResponse,
    ) -> Result<(), InvalidMessage> {
        let Some(progress) = self.progress.get_mut(&from) else { return Ok(()) };
        if response.round > self.round {
            return Err(InvalidMessage::UnexpectedResponse);
        }
        if response.round == Round::NONE {
            // It answers an append of an earlier term in which this node led.
            return Ok(());
        }
        match response.outcome {
            AppendOutcome::Matched { match_index } => {
                if match_index > state.log.last().index {
                    return Err(InvalidMessage::UnexpectedResponse);
                }
                progress.on_matched(match_index);
            }
            AppendOutcome::Rejected { prev_index, last_index, hint } => {
                if prev_index > state.log.last().index {
                    return Err(InvalidMessage::UnexpectedResponse);
                }
                // Below the hint the logs may agree; above it they cannot (Raft §5.3).
                let agreeing = state.log.terms().highest_at_most(hint.index, hint.term);
                let agrees_to = if agreeing == hint { hint.index } else { LogIndex::ZERO };
                let rejection =
                    classify_rejection(progress, response.round, prev_index, last_index, agrees_to);
                match rejection {
                    Rejection::Mismatch => progress.probe_from(agreeing.index.next()),
                    Rejection::UpToDate { sent } => {
                        request_durable_index(state, from, progress, sent, self.round);
                    }
                    Rejection::Stale => {}
                }
            }
        }
        progress.last_contact = state.now;
        progress.round_acknowledged = progress.round_acknowledged.max(response.round);
        progress.heartbeats.remove_before(response.round);
        replicate_to(state, from, progress, self.round);
        self.advance_commit(state);
        self.check_confirmation(state);
        Ok(())
    }

    /// The store answered the request of these followers. It may have been made in an earlier
    /// leadership, and a follower may have moved on since: entries are used as far as they are
    /// still the log's.
    pub(crate) fn on_entries_fetched(
        &mut self,
        state: &mut NodeState,
        followers: &[NodeId],
        fetched: &EntriesFetched,
    ) {
        let expected = (0..).map(|at| fetched.from + at);
        let in_log = fetched.entries.iter().zip(expected).take_while(|(entry, index)| {
            entry.index() == *index && state.log.terms().contains(entry.id)
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

    /// A heartbeat is due: what the store could not deliver is requested again.
    pub(super) fn retry_failed_fetches(&mut self, state: &mut NodeState) {
        for (&peer, progress) in &mut self.progress {
            if core::mem::take(&mut progress.fetch_failed) {
                replicate_to(state, peer, progress, self.round);
            }
        }
    }

    /// What was sent to this follower may be lost: look again for the place where it stands.
    pub(crate) fn on_peer_unreachable(&mut self, peer: NodeId) {
        if let Some(progress) = self.progress.get_mut(&peer) {
            match progress.mode {
                ReplicationMode::Replicate { .. } => {
                    progress.probe_from(progress.match_index.next())
                }
                ReplicationMode::Probe { .. } => {}
            }
        }
    }

    /// The follower lives on a new disk: nothing that it ever acknowledged counts any more.
    pub(crate) fn on_new_incarnation(&mut self, state: &NodeState, peer: NodeId) {
        if let Some(progress) = self.progress.get_mut(&peer) {
            *progress = Progress::new(state.log.last().index.next(), state.now);
        }
    }
}

/// What a rejection says.
enum Rejection {
    /// Something was lost, or the logs disagree.
    Mismatch,
    /// The follower has all that was sent, and the heartbeat's prev lies ahead of that.
    UpToDate {
        /// The last entry that had been sent to it then.
        sent: LogIndex,
    },
    /// An old answer about what is settled.
    Stale,
}

fn classify_rejection(
    progress: &Progress,
    round: Round,
    prev_index: LogIndex,
    last_index: LogIndex,
    agrees_to: LogIndex,
) -> Rejection {
    if prev_index <= progress.match_index {
        return Rejection::Stale;
    }
    match &progress.mode {
        // Nobody's log is shorter than what it acknowledged: this answer is an old one.
        ReplicationMode::Replicate { .. } if last_index < progress.match_index => Rejection::Stale,
        ReplicationMode::Replicate { .. } => match progress.heartbeats.find(round, prev_index) {
            Some(sent) if agrees_to >= sent => Rejection::UpToDate { sent },
            Some(_) | None => Rejection::Mismatch,
        },
        // Messages keep their order: an answer to a heartbeat that left after the probe shows
        // that the probe is lost or was refused.
        ReplicationMode::Probe { outstanding: Some(probe) } => {
            if prev_index == progress.next_index.previous() || round > *probe {
                Rejection::Mismatch
            } else {
                Rejection::Stale
            }
        }
        ReplicationMode::Probe { outstanding: None } => Rejection::Mismatch,
    }
}

/// The follower has what was sent and has not acknowledged all of it: its answers are lost, or
/// wait for its disk. Without asking again a full window would stay full for good.
fn request_durable_index(
    state: &mut NodeState,
    peer: NodeId,
    progress: &Progress,
    sent: LogIndex,
    round: Round,
) {
    if sent > progress.match_index
        && let Some(term) = state.log.term_at(sent)
    {
        send_append(state, peer, LogId::new(term, sent), Vec::new(), round);
    }
}

/// Sends a follower what its window has room for.
fn replicate_to(state: &mut NodeState, peer: NodeId, progress: &mut Progress, round: Round) {
    let limits = state.config.limits;
    loop {
        let last = state.log.last().index;
        let from = progress.next_index;
        if !progress.window_has_room(&limits) || from > last {
            return;
        }
        let slice = state.log.slice(from, last, limits.append_entries_max, limits.append_bytes_max);
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
    let limits = state.config.limits;
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

/// Sends one append and books it. Returns false, without effect, if there are no entries or the
/// term of the entry before them is not known.
fn send_entries(
    state: &mut NodeState,
    peer: NodeId,
    progress: &mut Progress,
    entries: Vec<Entry>,
    round: Round,
) -> bool {
    let prev_index = progress.next_index.previous();
    let Some(prev_term) = state.log.term_at(prev_index) else { return false };
    let Some(last) = entries.last().map(Entry::index) else { return false };
    match &mut progress.mode {
        ReplicationMode::Probe { outstanding } => *outstanding = Some(round),
        ReplicationMode::Replicate { inflights } => {
            inflights.push(last, entries.iter().map(Entry::weight_bytes).sum());
            progress.next_index = last.next();
        }
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
    let commit = state.commit_index();
    state.send(peer, Body::AppendEntries(AppendEntries { prev, entries, commit, round }));
}
