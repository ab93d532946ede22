//! Feeding the followers.

use alloc::vec::Vec;

use super::Leader;
use crate::config::Limits;
use crate::core::Core;
use crate::entry::Entry;
use crate::input::EntriesFetched;
use crate::message::validate::InvalidMessage;
use crate::message::{AppendEntries, AppendEntriesResponse, AppendOutcome, Body};
use crate::progress::{Feed, Progress};
use crate::types::{LogId, LogIndex, NodeId, Round};

impl Leader {
    /// Sends every follower what its window has room for.
    pub(super) fn replicate_to_all(&mut self, core: &mut Core) {
        for (&peer, progress) in &mut self.progress {
            feed(core, peer, progress, self.round);
        }
    }

    /// Begins a new round with a heartbeat to everyone.
    pub(super) fn begin_round(&mut self, core: &mut Core) {
        self.round = self.round.next();
        self.send_heartbeats(core);
    }

    /// Sends everyone an append without entries whose prev is this node's last entry.
    pub(super) fn send_heartbeats(&mut self, core: &mut Core) {
        for (&peer, progress) in &mut self.progress {
            let prev = core.log.last();
            progress.heartbeats.sent(self.round, prev.index, progress.next_index.previous());
            send_append(core, peer, prev, Vec::new(), self.round);
        }
    }

    /// A follower answered an append.
    ///
    /// # Errors
    /// When it claims what cannot be; the answer has no effect then.
    pub(crate) fn on_append_response(
        &mut self,
        core: &mut Core,
        from: NodeId,
        answer: AppendEntriesResponse,
    ) -> Result<(), InvalidMessage> {
        let Some(progress) = self.progress.get_mut(&from) else { return Ok(()) };
        if answer.round > self.round {
            return Err(InvalidMessage::UnexpectedResponse);
        }
        if answer.round == Round::NONE {
            // It answers an append of an earlier term in which this node led.
            return Ok(());
        }
        match answer.outcome {
            AppendOutcome::Matched { match_index } => {
                if match_index > core.log.last().index {
                    return Err(InvalidMessage::UnexpectedResponse);
                }
                progress.on_matched(match_index);
            }
            AppendOutcome::Rejected { prev_index, last_index, hint } => {
                if prev_index > core.log.last().index {
                    return Err(InvalidMessage::UnexpectedResponse);
                }
                // Below the hint the logs may agree; above it they cannot (Raft §5.3).
                let agreeing = core.log.terms().highest_at_most(hint.index, hint.term);
                let agrees_to = if agreeing == hint { hint.index } else { LogIndex::ZERO };
                let meaning = meaning_of(progress, answer.round, prev_index, last_index, agrees_to);
                match meaning {
                    Rejection::Mismatch => progress.probe_from(agreeing.index.next()),
                    Rejection::SignOfLife { sent } => {
                        ask_what_is_durable(core, from, progress, sent, self.round);
                    }
                    Rejection::Echo => {}
                }
            }
        }
        progress.last_heard = core.now;
        progress.round_answered = progress.round_answered.max(answer.round);
        progress.heartbeats.forget_before(answer.round);
        feed(core, from, progress, self.round);
        self.advance_commit(core);
        self.check_confirmation(core);
        Ok(())
    }

    /// The store answered the request of these followers. It may have been made in an earlier
    /// leadership, and a follower may have moved on since: entries are used as far as they are
    /// still the log's.
    pub(crate) fn on_entries_fetched(
        &mut self,
        core: &mut Core,
        followers: &[NodeId],
        fetched: &EntriesFetched,
    ) {
        let expected = (0..).map(|at| fetched.from + at);
        let in_log = fetched.entries.iter().zip(expected).take_while(|(entry, index)| {
            entry.index() == *index && core.log.terms().contains(entry.id)
        });
        let count = in_log.count();
        for &peer in followers {
            if let Some(progress) = self.progress.get_mut(&peer) {
                progress.fetch_failed = count == 0;
                feed_fetched(core, peer, progress, &fetched.entries[..count], self.round);
                feed(core, peer, progress, self.round);
            }
        }
    }

    /// A heartbeat is due: what the store could not deliver is requested again.
    pub(super) fn retry_failed_fetches(&mut self, core: &mut Core) {
        for (&peer, progress) in &mut self.progress {
            if core::mem::take(&mut progress.fetch_failed) {
                feed(core, peer, progress, self.round);
            }
        }
    }

    /// What was sent to this follower may be lost: look again for the place where it stands.
    pub(crate) fn on_peer_unreachable(&mut self, peer: NodeId) {
        if let Some(progress) = self.progress.get_mut(&peer) {
            match progress.feed {
                Feed::Replicate { .. } => progress.probe_from(progress.match_index.next()),
                Feed::Probe { .. } => {}
            }
        }
    }

    /// The follower lives on a new disk: nothing that it ever acknowledged counts any more.
    pub(crate) fn on_new_incarnation(&mut self, core: &Core, peer: NodeId) {
        if let Some(progress) = self.progress.get_mut(&peer) {
            *progress = Progress::new(core.log.last().index.next(), core.now);
        }
    }
}

/// What a rejection says.
enum Rejection {
    /// Something was lost, or the logs disagree.
    Mismatch,
    /// The follower has all that was sent, and the heartbeat's prev lies ahead of that.
    SignOfLife {
        /// The last entry that had been sent to it then.
        sent: LogIndex,
    },
    /// An old answer about what is settled.
    Echo,
}

fn meaning_of(
    progress: &Progress,
    round: Round,
    prev_index: LogIndex,
    last_index: LogIndex,
    agrees_to: LogIndex,
) -> Rejection {
    if prev_index <= progress.match_index {
        return Rejection::Echo;
    }
    match &progress.feed {
        // Nobody's log is shorter than what it acknowledged: this answer is an old one.
        Feed::Replicate { .. } if last_index < progress.match_index => Rejection::Echo,
        Feed::Replicate { .. } => match progress.heartbeats.find(round, prev_index) {
            Some(sent) if agrees_to >= sent => Rejection::SignOfLife { sent },
            Some(_) | None => Rejection::Mismatch,
        },
        // Messages keep their order: an answer to a heartbeat that left after the probe shows
        // that the probe is lost or was refused.
        Feed::Probe { outstanding: Some(probe) } => {
            if prev_index == progress.next_index.previous() || round > *probe {
                Rejection::Mismatch
            } else {
                Rejection::Echo
            }
        }
        Feed::Probe { outstanding: None } => Rejection::Mismatch,
    }
}

/// The follower has what was sent and has not acknowledged all of it: its answers are lost, or
/// wait for its disk. Without asking again a full window would stay full for good.
fn ask_what_is_durable(
    core: &mut Core,
    peer: NodeId,
    progress: &Progress,
    sent: LogIndex,
    round: Round,
) {
    if sent > progress.match_index
        && let Some(term) = core.log.term_at(sent)
    {
        send_append(core, peer, LogId::new(term, sent), Vec::new(), round);
    }
}

/// Sends a follower what its window has room for.
fn feed(core: &mut Core, peer: NodeId, progress: &mut Progress, round: Round) {
    let limits = core.config.limits;
    loop {
        let last = core.log.last().index;
        let from = progress.next_index;
        if !progress.window_has_room(&limits) || from > last {
            return;
        }
        let slice = core.log.slice(from, last, limits.append_entries_max, limits.append_bytes_max);
        match slice {
            Some(entries) => {
                if !send_entries(core, peer, progress, entries, round) {
                    return;
                }
            }
            None => {
                if !progress.fetch_failed {
                    core.fetch_for_follower(peer, from);
                }
                return;
            }
        }
    }
}

/// Sends entries that came from the store, from the follower's next entry on, in as many appends
/// as the limits of one append and the follower's window allow.
fn feed_fetched(
    core: &mut Core,
    peer: NodeId,
    progress: &mut Progress,
    entries: &[Entry],
    round: Round,
) {
    let Some(first) = entries.first().map(Entry::index) else { return };
    let limits = core.config.limits;
    while progress.next_index >= first && progress.window_has_room(&limits) {
        let skip = progress.next_index.distance_from(first);
        let rest = usize::try_from(skip).ok().and_then(|skip| entries.get(skip..));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else { return };
        let append = one_append(rest, &limits).to_vec();
        if !send_entries(core, peer, progress, append, round) {
            return;
        }
    }
}

/// As many of these entries as one append may carry; at least one.
fn one_append<'a>(entries: &'a [Entry], limits: &Limits) -> &'a [Entry] {
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
    core: &mut Core,
    peer: NodeId,
    progress: &mut Progress,
    entries: Vec<Entry>,
    round: Round,
) -> bool {
    let prev_index = progress.next_index.previous();
    let Some(prev_term) = core.log.term_at(prev_index) else { return false };
    let Some(last) = entries.last().map(Entry::index) else { return false };
    match &mut progress.feed {
        Feed::Probe { outstanding } => *outstanding = Some(round),
        Feed::Replicate { inflights } => {
            inflights.push(last, entries.iter().map(Entry::weight_bytes).sum());
            progress.next_index = last.next();
        }
    }
    send_append(core, peer, LogId::new(prev_term, prev_index), entries, round);
    true
}

fn send_append(core: &mut Core, peer: NodeId, prev: LogId, entries: Vec<Entry>, round: Round) {
    let commit = core.commit_index();
    core.send(peer, Body::AppendEntries(AppendEntries { prev, entries, commit, round }));
}
