//! What a node records to explain itself. Nothing is decided by it.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::explain::VoteRefusal;
use crate::membership::Membership;
use crate::message::MessageRefusal;
use crate::quorum::MEMBERS_MAX;
use crate::types::{LogIndex, NodeId, Timestamp};

/// Contacts with the members, refusals, and the progress of the state machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Observations {
    /// When a message of each member was last accepted.
    contacts: BTreeMap<NodeId, Timestamp>,
    /// The last message of each member that was refused.
    refused_messages: BTreeMap<NodeId, (Timestamp, MessageRefusal)>,
    /// The candidate that was refused last.
    refused_candidate: Option<RefusedCandidate>,
    /// While entries are dispatched and not applied: the applied index, and since when it stands.
    applying: Option<(LogIndex, Timestamp)>,
}

/// A candidate that did not get the vote of this node.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedCandidate {
    pub(super) candidate: NodeId,
    pub(super) reason: VoteRefusal,
    pub(super) at: Timestamp,
}

impl Observations {
    /// A message was accepted. Others than members are not recorded: they must not make the map
    /// grow.
    pub(super) fn on_message(&mut self, from: NodeId, membership: &Membership, now: Timestamp) {
        if let Some(last) = self.contacts.get_mut(&from) {
            *last = now;
        } else if membership.contains(from) {
            self.contacts.insert(from, now);
        }
    }

    /// A message was refused.
    pub(super) fn on_refused_message(
        &mut self,
        from: NodeId,
        membership: &Membership,
        reason: MessageRefusal,
        now: Timestamp,
    ) {
        // A node without a membership cannot know the members.
        let is_unknown = membership.voters.is_empty() && self.refused_messages.len() < MEMBERS_MAX;
        if membership.contains(from) || is_unknown {
            self.refused_messages.insert(from, (now, reason));
        }
    }

    /// A candidate was refused.
    pub(super) const fn on_refused_candidate(
        &mut self,
        candidate: NodeId,
        reason: VoteRefusal,
        at: Timestamp,
    ) {
        self.refused_candidate = Some(RefusedCandidate { candidate, reason, at });
    }

    /// Another configuration is in force. Nodes that are not its members do not matter.
    pub(super) fn on_membership(&mut self, membership: &Membership) {
        self.contacts.retain(|&node, _| membership.contains(node));
        self.refused_messages.retain(|&node, _| membership.contains(node));
    }

    /// A step ends with these indexes.
    pub(super) fn on_step(&mut self, applied: LogIndex, dispatched: LogIndex, now: Timestamp) {
        if applied == dispatched {
            self.applying = None;
        } else if self.applying.is_none_or(|(before, _)| before != applied) {
            self.applying = Some((applied, now));
        }
    }

    /// The time since the last message of a member, if there was one.
    pub(super) fn since_contact(&self, node: NodeId, now: Timestamp) -> Option<Duration> {
        self.contacts.get(&node).map(|&last| now.since(last))
    }

    /// The last refused message of each member, and how long ago it was refused.
    pub(super) fn refused_messages(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (NodeId, MessageRefusal, Duration)> {
        self.refused_messages
            .iter()
            .map(move |(&from, &(at, reason))| (from, reason, now.since(at)))
    }

    /// The candidate that was refused last.
    pub(super) const fn refused_candidate(&self) -> Option<RefusedCandidate> {
        self.refused_candidate
    }

    /// How long the state machine has made no progress.
    pub(super) fn applying_for(&self, now: Timestamp) -> Duration {
        self.applying.map_or(Duration::ZERO, |(_, since)| now.since(since))
    }
}
