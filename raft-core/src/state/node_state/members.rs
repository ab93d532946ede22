//! The configuration in force: what it makes of this node, and which senders and candidates it admits.

use alloc::vec::Vec;

use super::NodeState;
use crate::event::Event;
use crate::membership::{Membership, Participation};
use crate::message::{Body, Message, MessageRefusal};
use crate::state::incarnations::{IncarnationChange, SenderConfiguration};
use crate::types::{Incarnation, LogId, LogIndex, NodeId};

impl NodeState {
    /// A configuration is appended, or in force again after a truncation.
    pub(in crate::state) fn on_membership_in_force(&mut self) {
        let membership = self.memberships.current();
        self.incarnations.on_membership(membership);
        self.observations.on_membership(membership);
        let (version, membership) = (self.memberships.version(), membership.clone());
        self.event(Event::MembershipInForce { version, membership });
        self.on_settings_in_force();
    }

    /// The configuration in force.
    #[inline]
    pub(crate) fn membership(&self) -> &Membership {
        self.memberships.current()
    }

    /// The index of the configuration in force: its version.
    pub(crate) fn membership_version(&self) -> LogIndex {
        self.memberships.version()
    }

    /// Whether the configuration in force is committed.
    pub(crate) fn membership_is_committed(&self) -> bool {
        self.membership_version() <= self.commit_index()
    }

    /// The configuration before the one in force, if it is known.
    pub(crate) fn previous_membership(&self) -> Option<&Membership> {
        self.memberships.previous()
    }

    /// The part of this node in the cluster.
    pub(crate) fn participation(&self) -> Participation {
        let (membership, id) = (self.membership(), self.id());
        let incarnation = self.config.identity.incarnation;
        match membership.incarnation(id) {
            Some(admitted) if admitted != incarnation => {
                return Participation::NotAdmitted { admitted };
            }
            Some(_) | None => {}
        }
        if membership.is_voter(id) {
            Participation::Voter
        } else if membership.contains(id) {
            Participation::Learner
        } else if self.memberships.named_before(id) && self.membership_is_committed() {
            Participation::Removed
        } else {
            Participation::NotAMember
        }
    }

    /// Whether the configuration in force admits this incarnation of the node, or does not name
    /// one. Otherwise it does not campaign, and votes only for candidates that may hold a later
    /// configuration: it has lost the vote and the entries that the admitted one has acknowledged.
    pub(crate) fn is_admitted(&self) -> bool {
        match self.participation() {
            Participation::NotAdmitted { .. } => false,
            Participation::Voter
            | Participation::Learner
            | Participation::Removed
            | Participation::NotAMember => true,
        }
    }

    /// Whether this node may start an election.
    ///
    /// A voter whose removal is not committed may: it may be the only node that can become the
    /// leader, since the others lack the entry that removes it (thesis §4.2.2). It does not count
    /// itself then. A node that knows that its removal is committed never campaigns.
    pub(crate) fn may_campaign(&self) -> bool {
        self.memberships.is_voter_from(self.commit_index(), self.id()) && self.is_admitted()
    }

    /// Whether this node may vote for a candidate whose log ends with `last_log`.
    ///
    /// The log must be at least as up to date as this one (Raft §5.4.1). If it is more up to date,
    /// the candidate may hold a later configuration that this node lacks. That one may make the
    /// candidate a voter, and may admit this incarnation of the node; the votes of both may be
    /// needed for an election (thesis §4.2.2). If the logs are equal, so are the configurations: a
    /// candidate that is no voter here was removed or never added (hashicorp/raft #526).
    ///
    /// This is safe because a vote decides nothing on its own: the candidate counts it only if its
    /// configuration names this node, in this incarnation, as a voter. A removed node cannot pass for
    /// one that is not known yet: every log that is more up to date than one with a committed removal
    /// contains the removal. An incarnation that is not admitted has lost the votes of its
    /// predecessor, which count for other configurations than its own.
    pub(crate) fn may_vote_for(&self, candidate: NodeId, last_log: LogId) -> bool {
        last_log >= self.log.last()
            && self.is_possible_voter(candidate, last_log)
            && (self.is_admitted() || last_log > self.log.last())
    }

    /// Whether a node whose log ends with `last_log` votes in the configuration in force, or may
    /// vote in a later one that is not in this log.
    pub(crate) fn is_possible_voter(&self, node: NodeId, last_log: LogId) -> bool {
        self.membership().is_voter(node) || last_log > self.log.last()
    }

    /// The peers whose incarnation changes when this configuration comes into force: what their
    /// predecessors acknowledged does not count.
    pub(crate) fn superseded_by(&self, membership: &Membership) -> Vec<NodeId> {
        self.incarnations.superseded_by(membership)
    }

    /// The incarnation of each member that is known and not pinned yet, this node's included.
    pub(crate) fn incarnations_to_pin(&self) -> Vec<(NodeId, Incarnation)> {
        let own = self.config.identity;
        let membership = self.membership();
        let unpinned = membership.members().into_iter().filter_map(|member| {
            let known = if member == own.node {
                Some(own.incarnation)
            } else {
                self.incarnations.current(member)
            };
            known.filter(|_| membership.incarnation(member).is_none()).map(|known| (member, known))
        });
        unpinned.collect()
    }

    /// The other members.
    pub(crate) fn peers(&self) -> impl Iterator<Item = NodeId> + use<> {
        let id = self.id();
        self.membership().members().into_iter().filter(move |&member| member != id)
    }

    /// Checks and records the incarnation of a sender.
    ///
    /// # Errors
    /// When the incarnation is superseded, or not admitted.
    pub(crate) fn record_incarnation(
        &mut self,
        message: &Message,
    ) -> Result<IncarnationChange, MessageRefusal> {
        let configuration = self.sender_configuration(message);
        let (from, incarnation) = (message.from, message.from_incarnation);
        self.incarnations.record(from, incarnation, self.memberships.current(), configuration)
    }

    /// Whether the sender of a message may have a later configuration than this node.
    ///
    /// A candidate may if its log is more up to date, and a leader if its term is later than the
    /// last entry here: then this log lacks the first entry of its term, and perhaps a configuration
    /// before that. A response depends on no configuration but that of its receiver.
    fn sender_configuration(&self, message: &Message) -> SenderConfiguration {
        let last = self.log.last();
        let may_be_later = match message.body() {
            Body::PreVote(request) => request.last_log > last,
            Body::RequestVote(request) => request.last_log > last,
            Body::AppendEntries(_) | Body::InstallSnapshot(_) | Body::TimeoutNow(_) => {
                message.term() > last.term
            }
            Body::PreVoteResponse(_)
            | Body::RequestVoteResponse(_)
            | Body::AppendEntriesResponse(_)
            | Body::TimeoutNowResponse(_)
            | Body::ReadIndex(_)
            | Body::ReadIndexResponse(_) => false,
        };
        if may_be_later { SenderConfiguration::MayBeLater } else { SenderConfiguration::NotLater }
    }
}
