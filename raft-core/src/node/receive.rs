//! Received messages: checked, sorted by term, and passed to the handler of the role.

use crate::event::{Event, RoleCause};
use crate::explain::VoteRefusal;
use crate::message::{
    AppendEntries, AppendEntriesResponse, Body, DeclineReason, InstallSnapshot, Message,
    MessageRefusal, PreVote, PreVoteResponse, ReadIndex, ReadIndexResponse, RequestVote,
    RequestVoteResponse, TimeoutNow, TimeoutNowResponse,
};
use crate::role::{Role, Transition, reject_stale_append, reject_stale_snapshot};
use crate::state::{DependsOn, IncarnationChange, NodeState};
use crate::types::{LogId, NodeId, Term};

/// Checks a message and passes it to its handler. A refused message is reported in an event. It
/// gets no response and does not change the log; if it passes `check`, its term may still take
/// effect.
pub(super) fn on_message(
    role: &mut Role,
    state: &mut NodeState,
    message: Message,
) -> Option<Transition> {
    let (from, kind) = (message.from, message.body().kind());
    match receive(role, state, message) {
        Ok(next) => next,
        Err(reason) => {
            state.observe_refused_message(from, reason);
            state.event(Event::MessageRefused { from, kind, reason });
            None
        }
    }
}

fn receive(
    role: &mut Role,
    state: &mut NodeState,
    message: Message,
) -> Result<Option<Transition>, MessageRefusal> {
    check(role, state, &message)?;
    let from = message.from;
    state.observe_message(from);
    let (term, body) = message.rpc.into_parts();
    let mut next = None;
    match body {
        Body::PreVote(request) => {
            check_candidate(state, from, request.last_log)?;
            on_pre_vote(role, state, from, term, request);
        }
        Body::PreVoteResponse(response) => {
            next = on_pre_vote_response(role, state, from, term, response);
        }
        Body::RequestVote(request) => {
            check_candidate(state, from, request.last_log)?;
            next = on_request_vote(role, state, from, term, request);
        }
        Body::RequestVoteResponse(response) => {
            next = on_request_vote_response(role, state, from, term, response);
        }
        Body::AppendEntries(append) => on_append_entries(role, state, from, term, append)?,
        Body::AppendEntriesResponse(response) => {
            next = on_append_response(role, state, from, term, response)?;
        }
        Body::TimeoutNow(request) => next = on_timeout_now(role, state, from, term, request)?,
        Body::TimeoutNowResponse(response) => {
            on_timeout_now_response(role, state, from, term, response);
        }
        Body::ReadIndex(request) => on_read_index(role, state, from, term, request),
        Body::ReadIndexResponse(response) => {
            on_read_index_response(role, state, from, term, response);
        }
        Body::InstallSnapshot(install) => on_install_snapshot(role, state, from, term, install)?,
    }
    Ok(next)
}

/// Checks that the message is addressed to this node, and that its sender runs with the latest
/// incarnation of that peer.
fn check(role: &mut Role, state: &mut NodeState, message: &Message) -> Result<(), MessageRefusal> {
    message.check_envelope(&state.config().identity)?;
    match state.record_incarnation(message)? {
        IncarnationChange::None => {}
        IncarnationChange::Superseded => {
            if let Role::Leader(leader) = role {
                leader.on_new_incarnation(state, message.from);
            }
        }
    }
    Ok(())
}

/// Checks that a candidate votes in the configuration in force, or may hold a later one (see
/// [`NodeState::may_vote_for`]). The term of another candidate has no effect either: a removed node
/// that does not know of its removal must not depose leaders.
fn check_candidate(
    state: &NodeState,
    candidate: NodeId,
    last_log: LogId,
) -> Result<(), MessageRefusal> {
    if state.is_possible_voter(candidate, last_log) {
        Ok(())
    } else {
        Err(MessageRefusal::CandidateNotAVoter { version: state.membership_version() })
    }
}

/// Responds whether this node would vote for the sender (thesis §9.6). The only possible change is
/// that the node follows the sender into a later term.
fn on_pre_vote(role: &mut Role, state: &mut NodeState, from: NodeId, term: Term, request: PreVote) {
    let protected = role.protects_leader(state);
    if term > state.term() && !protected {
        // There is no leader, and the sender is in a later term. Without this a node with a later
        // term and a shorter log and one with an earlier term and a longer log block each other.
        role.follow_later_term(state, term);
    }
    // A vote of this node would not become durable while its disk is stalled.
    let granted = !protected
        && !state.storage_is_stalled()
        && request.campaign_term > state.term()
        && state.may_vote_for(from, request.last_log);
    if !granted {
        let reason = vote_refusal(state, from, request.last_log, protected);
        state.observe_refused_candidate(from, reason);
    }
    // A refusal carries this node's term: a sender in an earlier one follows.
    let response = PreVoteResponse { campaign_term: request.campaign_term, granted };
    state.send_when_durable(from, Body::PreVoteResponse(response), DependsOn::HardState);
}

fn on_pre_vote_response(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    response: PreVoteResponse,
) -> Option<Transition> {
    if term > state.term() {
        role.follow_later_term(state, term);
        return None;
    }
    // A response of an earlier term still shows how its sender would vote.
    match role {
        Role::PreCandidate(candidate) => candidate.on_pre_vote_response(state, from, response),
        // A grant that arrives after the election that it is for must not start another (openraft's
        // PR 1839).
        Role::Follower(_) | Role::Candidate(_) | Role::Leader(_) => None,
    }
}

fn on_request_vote(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    request: RequestVote,
) -> Option<Transition> {
    if term > state.term() {
        if role.protects_leader(state) && !request.leadership_transfer {
            // Neither term nor vote changes: the leader is not disturbed (thesis §4.2.3).
            state.observe_refused_candidate(from, VoteRefusal::LeaderInContact);
            return None;
        }
        role.follow_later_term(state, term);
    }
    let may_vote = match state.voted_for() {
        Some(voted) => voted == from,
        None => state.leader().is_none(),
    };
    let is_withheld = state.withholds_vote() && !request.leadership_transfer;
    let granted = term == state.term()
        && may_vote
        && !is_withheld
        && state.may_vote_for(from, request.last_log);
    let mut next = None;
    if granted {
        state.vote_for(from);
        match role {
            Role::Follower(follower) => follower.on_vote_granted(state),
            Role::PreCandidate(_) => {
                let cause = RoleCause::VoteGranted;
                next = Some(Transition::Follower { leader: None, cause });
            }
            // Both voted for themselves in this term.
            Role::Candidate(_) | Role::Leader(_) => {}
        }
    } else {
        let reason = vote_refusal(state, from, request.last_log, is_withheld);
        state.observe_refused_candidate(from, reason);
    }
    let response = Body::RequestVoteResponse(RequestVoteResponse { granted });
    state.send_when_durable(from, response, DependsOn::HardState);
    next
}

/// Why a vote or pre-vote was refused, for explanations. Nothing is decided by it.
fn vote_refusal(
    state: &NodeState,
    candidate: NodeId,
    last_log: LogId,
    is_protected: bool,
) -> VoteRefusal {
    let own = state.log().last();
    let voted_for_another = state.voted_for().filter(|&voted| voted != candidate);
    if is_protected {
        VoteRefusal::LeaderInContact
    } else if last_log < own {
        VoteRefusal::LogBehind { candidate: last_log, own }
    } else if !state.may_vote_for(candidate, last_log) {
        VoteRefusal::NotAdmitted
    } else if state.storage_is_stalled() {
        VoteRefusal::DiskStalled
    } else if let Some(voted) = voted_for_another {
        VoteRefusal::VotedFor(voted)
    } else {
        VoteRefusal::TermNotLater
    }
}

fn on_request_vote_response(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    response: RequestVoteResponse,
) -> Option<Transition> {
    if !is_current_response(role, state, term) {
        return None;
    }
    match role {
        Role::Candidate(candidate) => candidate.on_request_vote_response(state, from, response),
        Role::PreCandidate(candidate) => candidate.on_late_vote_response(state, from, response),
        Role::Follower(_) | Role::Leader(_) => None,
    }
}

fn on_append_entries(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    append: AppendEntries,
) -> Result<(), MessageRefusal> {
    if term < state.term() {
        reject_stale_append(state, from, &append);
        return Ok(());
    }
    if term > state.term() {
        role.follow_later_term(state, term);
    }
    let follower = role.follow_leader(state, from).ok_or(MessageRefusal::SecondLeader)?;
    follower.on_append_entries(state, from, append)
}

fn on_install_snapshot(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    install: InstallSnapshot,
) -> Result<(), MessageRefusal> {
    if term < state.term() {
        reject_stale_snapshot(state, from, &install);
        return Ok(());
    }
    if term > state.term() {
        role.follow_later_term(state, term);
    }
    let follower = role.follow_leader(state, from).ok_or(MessageRefusal::SecondLeader)?;
    follower.on_install_snapshot(state, from, install)
}

fn on_append_response(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    response: AppendEntriesResponse,
) -> Result<Option<Transition>, MessageRefusal> {
    if !is_current_response(role, state, term) {
        return Ok(None);
    }
    match role {
        Role::Leader(leader) => leader.on_append_response(state, from, response),
        Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => Ok(None),
    }
}

/// The leader transfers its leadership to this node (thesis §3.10). Only the leader of the current
/// term can: a late message of an earlier term has no effect, and neither has one whose term this
/// node has no leader in (it restarted, or campaigns already).
fn on_timeout_now(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    request: TimeoutNow,
) -> Result<Option<Transition>, MessageRefusal> {
    if term > state.term() {
        role.follow_later_term(state, term);
    }
    if term < state.term() {
        return Ok(None);
    }
    match state.leader() {
        Some(leader) if leader == from => {}
        Some(_) => return Err(MessageRefusal::SecondLeader),
        None => return Ok(None),
    }
    let reason = if !state.may_campaign() {
        DeclineReason::NotVoter
    } else if state.storage_is_stalled() {
        DeclineReason::StorageStalled
    } else if state.log().last() == request.last_log {
        // No pre-vote: the voters have recent contact with the leader and would refuse it.
        return Ok(Some(Transition::Candidate { cause: RoleCause::TransferRequested }));
    } else {
        // The leader gave up and accepts commands again, or this node lost entries at a restart.
        return Ok(None);
    };
    let response = Body::TimeoutNowResponse(TimeoutNowResponse { reason });
    state.send_when_durable(from, response, DependsOn::HardState);
    Ok(None)
}

fn on_timeout_now_response(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    response: TimeoutNowResponse,
) {
    if !is_current_response(role, state, term) {
        return;
    }
    match role {
        Role::Leader(leader) => leader.on_transfer_declined(state, from, response.reason),
        Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {}
    }
}

/// Only the leader of the sender's term responds: reads of a follower of an earlier leader end when
/// the follower learns of the next term.
fn on_read_index(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    request: ReadIndex,
) {
    if term > state.term() {
        role.follow_later_term(state, term);
    }
    match role {
        Role::Leader(leader) if term == state.term() => {
            leader.on_read_index(state, from, request.id);
        }
        Role::Leader(_) | Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {}
    }
}

fn on_read_index_response(
    role: &mut Role,
    state: &mut NodeState,
    from: NodeId,
    term: Term,
    response: ReadIndexResponse,
) {
    if !is_current_response(role, state, term) {
        return;
    }
    match role {
        Role::Follower(follower) => follower.on_read_index_response(state, from, response),
        Role::PreCandidate(_) | Role::Candidate(_) | Role::Leader(_) => {}
    }
}

/// Whether a response belongs to the current term. One of an older term has no effect; one of a
/// later term makes this node follow.
fn is_current_response(role: &mut Role, state: &mut NodeState, term: Term) -> bool {
    if term > state.term() {
        role.follow_later_term(state, term);
        return false;
    }
    term == state.term()
}
