//! Following: the log agrees with the leader's, and a missing leader is noticed.

mod insight;

use alloc::vec::Vec;

use super::follower_reads::ForwardedReads;
use super::transition::Transition;
use crate::event::{Event, RoleCause};
use crate::input::ReadConsistency;
use crate::message::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, InstallSnapshot, MessageRefusal,
    ReadIndexResponse,
};
use crate::state::{DependsOn, NodeState};
use crate::types::{LogId, NodeId, RequestId, Round, Timestamp};

/// Responds to requests and sends none (Raft §5.1).
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    election_deadline: Timestamp,
    /// When an append of the leader of this term was last received.
    last_contact: Option<Timestamp>,
    reads: ForwardedReads,
}

impl Follower {
    /// A follower that has not received from a leader yet.
    pub(crate) fn new(state: &mut NodeState) -> Self {
        Self {
            election_deadline: state.draw_campaign_deadline(),
            last_contact: None,
            reads: ForwardedReads::default(),
        }
    }

    /// When a tick is next useful.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.reads
            .deadline()
            .map_or(self.election_deadline, |reads| reads.min(self.election_deadline))
    }

    /// Whether an append of the leader was received within the shortest election timeout.
    pub(crate) fn has_recent_contact(&self, state: &NodeState) -> bool {
        state.leader().is_some()
            && self.last_contact.is_some_and(|contact| {
                state.now().since(contact) < state.config().election_timeout_min
            })
    }

    pub(crate) fn on_tick(&mut self, state: &mut NodeState) -> Option<Transition> {
        self.reads.on_tick(state);
        if state.now() < self.election_deadline {
            return None;
        }
        // While its last vote is not durable, the node can neither send that vote nor cast another:
        // the election timeout begins again when it is.
        let may_campaign =
            state.campaigns() && state.hard_state_is_durable() && !state.storage_is_stalled();
        if !may_campaign {
            self.election_deadline = state.draw_campaign_deadline();
            return None;
        }
        Some(Transition::campaign(state, RoleCause::ElectionTimeout))
    }

    /// Other settings are in force: the election timeout begins again.
    pub(crate) fn restart_timer(&mut self, state: &mut NodeState) {
        self.election_deadline = state.draw_campaign_deadline();
    }

    /// Requests the read index from the leader, or refuses the reads.
    pub(crate) fn on_read(
        &mut self,
        state: &mut NodeState,
        requests: Vec<RequestId>,
        consistency: ReadConsistency,
    ) {
        self.reads.on_read(state, requests, consistency);
    }

    /// Requests the read index, to learn how recent the own state is.
    pub(crate) fn confirm_freshness(&mut self, state: &mut NodeState) {
        self.reads.confirm_freshness(state);
    }

    /// A node responded to a request for the read index. Only the response of the leader of the
    /// current term counts.
    pub(crate) fn on_read_index_response(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        response: ReadIndexResponse,
    ) {
        if state.leader() == Some(from) {
            self.reads.on_response(state, response);
        }
    }

    /// The node leaves the role or the term: the reads that wait for its leader are refused.
    pub(crate) fn refuse_reads(&mut self, state: &mut NodeState) {
        self.reads.refuse_all(state);
    }

    /// The node voted: the candidate has an election timeout to become the leader.
    pub(crate) fn on_vote_granted(&mut self, state: &mut NodeState) {
        self.election_deadline = state.draw_campaign_deadline();
    }

    /// The node's term and vote became durable. Its response to a candidate is sent only now, so
    /// that the candidate's election timeout begins now.
    pub(crate) fn on_hard_state_durable(&mut self, state: &mut NodeState) {
        if state.leader().is_none() && state.voted_for().is_some() {
            self.election_deadline = state.draw_campaign_deadline();
        }
    }

    /// The leader of the current term sent an append: the election timeout begins again, and the
    /// entries are appended to the log (Raft §5.3).
    ///
    /// # Errors
    /// When another node leads this term, or when the append contradicts the committed log. The log
    /// does not change then, and there is no response.
    pub(crate) fn on_append_entries(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        append: AppendEntries,
    ) -> Result<(), MessageRefusal> {
        self.on_contact(state, from)?;
        append_to_log(state, from, append)?;
        // For the settings that the append may have put in force.
        state.withhold_vote();
        Ok(())
    }

    /// The leader of the current term sent a snapshot, and this node holds its data: the election
    /// timeout begins again, and the snapshot replaces the log up to its last entry (Raft §7).
    ///
    /// # Errors
    /// When another node leads this term, or when the snapshot contradicts the committed log. The
    /// log does not change then, and there is no response.
    pub(crate) fn on_install_snapshot(
        &mut self,
        state: &mut NodeState,
        from: NodeId,
        install: InstallSnapshot,
    ) -> Result<(), MessageRefusal> {
        self.on_contact(state, from)?;
        install_snapshot(state, from, install)?;
        state.withhold_vote();
        Ok(())
    }

    /// A node sent a message that only the leader of the current term sends.
    fn on_contact(&mut self, state: &mut NodeState, from: NodeId) -> Result<(), MessageRefusal> {
        match state.leader() {
            Some(leader) if leader != from => return Err(MessageRefusal::SecondLeader),
            Some(_) => {}
            None => {
                state.set_leader(Some(from));
                state.event(Event::LeaderDiscovered { leader: from, term: state.term() });
            }
        }
        self.last_contact = Some(state.now());
        state.withhold_vote();
        self.election_deadline = state.draw_campaign_deadline();
        state.retry_failed_apply();
        state.retry_failed_fetch();
        Ok(())
    }
}

/// Replaces the log up to the last entry of a snapshot, unless that entry is committed already, and
/// responds.
fn install_snapshot(
    state: &mut NodeState,
    leader: NodeId,
    install: InstallSnapshot,
) -> Result<(), MessageRefusal> {
    let InstallSnapshot { last, membership_index, membership, round } = install;
    let commit = state.commit_index();
    if last.index <= commit {
        if state.log().term_at(last.index).is_some_and(|term| term != last.term) {
            return Err(MessageRefusal::ConflictsWithCommitted);
        }
        state.event(Event::SnapshotDiscarded { last });
        // Committed entries are in the leader's log, so that the logs agree up to here.
        let match_index = commit.min(state.log().persisted());
        let outcome = AppendOutcome::Matched { match_index };
        respond_to_append(state, leader, round, outcome, DependsOn::HardState);
        return Ok(());
    }
    if state.log().term_at(commit).is_none_or(|committed| committed > last.term) {
        return Err(MessageRefusal::ConflictsWithCommitted);
    }
    state.install_snapshot(last, (membership_index, membership));
    state.on_leader_commit(last.index);
    let outcome = AppendOutcome::Matched { match_index: last.index };
    respond_to_append(state, leader, round, outcome, DependsOn::HardStateAndLog);
    Ok(())
}

/// Checks that the log agrees with the leader's up to the new entries, appends those that are
/// missing, and responds.
fn append_to_log(
    state: &mut NodeState,
    leader: NodeId,
    append: AppendEntries,
) -> Result<(), MessageRefusal> {
    let AppendEntries { slice, commit, round } = append;
    let (prev, last_new) = (slice.prev(), slice.last_index());
    let mut entries = slice.into_entries();
    let base = state.log().terms().base();
    if prev.index < base.index {
        // Compacted entries are committed, so they agree; only those after them are compared.
        if entries.iter().any(|entry| entry.index() == base.index && entry.id != base) {
            return Err(MessageRefusal::ConflictsWithCommitted);
        }
        entries.retain(|entry| entry.index() > base.index);
    } else if !state.log().terms().contains(prev) {
        state.on_leader_commit(commit);
        reject_append(state, leader, prev, round);
        return Ok(());
    }
    let known = entries.iter().take_while(|entry| state.log().terms().contains(entry.id)).count();
    if let Some(first_new) = entries.get(known) {
        let from = first_new.index();
        if from <= state.commit_index() {
            return Err(MessageRefusal::ConflictsWithCommitted);
        }
        if state.log().term_at(from.previous()).is_none_or(|before| before > first_new.term()) {
            return Err(MessageRefusal::ConflictsWithCommitted);
        }
        if from <= state.log().last().index {
            state.truncate_from(from);
        }
    }
    state.on_leader_commit(commit);
    let appends_anything = known < entries.len();
    for entry in entries.drain(known..) {
        state.append(entry);
    }
    // A delayed append may end before the commit index or before the end of the log.
    state.commit_to(commit.min(last_new).min(state.log().last().index));
    let (match_index, depends_on) = if appends_anything {
        (last_new, DependsOn::HardStateAndLog)
    } else {
        // Only entries that are durable by now, so that the response to a heartbeat never waits for
        // the disk. Entries that are still being persisted are acknowledged by the response to the
        // append that carried them.
        let agreed = last_new.max(base.index.min(state.commit_index()));
        (agreed.min(state.log().persisted()), DependsOn::HardState)
    };
    respond_to_append(state, leader, round, AppendOutcome::Matched { match_index }, depends_on);
    Ok(())
}

/// Responds that the log has no entry like `prev`, with a hint where the logs may agree.
fn reject_append(state: &mut NodeState, leader: NodeId, prev: LogId, round: Round) {
    let agreeing = state.log().terms().highest_at_most(prev.index, prev.term);
    // Only a request of an older term is rejected although its prev is before the base. Nothing is
    // known then of the logs, and a hint is never after the rejected index.
    let hint = if agreeing.index > prev.index { LogId::ORIGIN } else { agreeing };
    let outcome = AppendOutcome::Rejected {
        prev_index: prev.index,
        last_index: state.log().last().index,
        hint,
    };
    respond_to_append(state, leader, round, outcome, DependsOn::HardState);
}

/// Responds to an append of an older term: the term of the response deposes its sender. The
/// response carries no round, because its receiver may lead the current term by now and must not
/// mistake it for a response to a round of that term.
pub(crate) fn reject_stale_append(state: &mut NodeState, from: NodeId, append: &AppendEntries) {
    reject_append(state, from, append.prev(), Round::NONE);
}

/// Responds to a snapshot of an older term, as to an append.
pub(crate) fn reject_stale_snapshot(
    state: &mut NodeState,
    from: NodeId,
    install: &InstallSnapshot,
) {
    reject_append(state, from, install.last, Round::NONE);
}

fn respond_to_append(
    state: &mut NodeState,
    leader: NodeId,
    round: Round,
    outcome: AppendOutcome,
    depends_on: DependsOn,
) {
    let response = Body::AppendEntriesResponse(AppendEntriesResponse { round, outcome });
    state.send_when_durable(leader, response, depends_on);
}
