//! Why there is no leader.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::Serialize;

use super::words::{Nodes, Span};
use crate::membership::Participation;
use crate::message::MessageRefusal;
use crate::types::{LogId, NodeId};

/// Why there is no leader, or why it may be lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeaderFinding {
    /// The node has halted: it takes part in nothing until it is restarted.
    Halted,
    /// The log names no members: the store was not bootstrapped, and no leader has sent it a log.
    NoMembership,
    /// The node never campaigns.
    WithoutVote {
        /// What the configuration in force makes of it.
        participation: Participation,
    },
    /// The voters with which the node has contact are no majority.
    QuorumOutOfContact {
        /// The set of voters, of which a majority is needed.
        voters: VoterSet,
        /// The number of voters.
        voter_count: usize,
        /// The number of voters that make a majority.
        needed: usize,
        /// Those with contact within an election timeout, this node included.
        in_contact: Vec<NodeId>,
        /// The others.
        silent: Vec<SilentNode>,
    },
    /// A follower receives nothing from its leader.
    LeaderSilent {
        /// The leader.
        leader: NodeId,
        /// The time since its last append.
        since_contact: Duration,
    },
    /// The node campaigns when this time has passed, unless a leader is found before.
    ElectionDue {
        /// The remaining time.
        remaining: Duration,
    },
    /// The node campaigns, and the votes do not decide it yet.
    CampaignUndecided {
        /// Whether pre-votes are counted (thesis §9.6), or votes.
        is_pre_vote: bool,
        /// The voters that granted it.
        granted: Vec<NodeId>,
        /// The voters that refused it.
        refused: Vec<NodeId>,
        /// The voters without a response.
        pending: Vec<NodeId>,
    },
    /// Neither a vote nor a campaign is possible before the node's own vote is durable.
    VoteNotDurable {
        /// The candidate that it voted for.
        candidate: NodeId,
    },
    /// The node refused a candidate, the last one that requested its vote.
    CandidateRefused {
        /// The candidate.
        candidate: NodeId,
        /// Why.
        reason: VoteRefusal,
        /// How long ago.
        ago: Duration,
    },
    /// Messages of a member are refused; the last one for this reason.
    MessagesRefused {
        /// The member.
        from: NodeId,
        /// Why.
        reason: MessageRefusal,
        /// How long ago.
        ago: Duration,
    },
}

/// A set of voters, of which a majority is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VoterSet {
    /// The voters; in a joint configuration those of the new one.
    Incoming,
    /// The voters of the old configuration of a joint one.
    Outgoing,
}

/// A voter without recent contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct SilentNode {
    /// The voter.
    pub node: NodeId,
    /// The time since its last message; `None` if none was received since the start.
    pub since_contact: Option<Duration>,
}

/// Why a node refused its vote or pre-vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VoteRefusal {
    /// The node has contact with a leader, or had it a short time ago.
    LeaderInContact,
    /// The log of the candidate is less up to date (Raft §5.4.1).
    LogBehind {
        /// The last entry of the candidate.
        candidate: LogId,
        /// The last entry of the node.
        own: LogId,
    },
    /// The node voted for another candidate in the term.
    VotedFor(NodeId),
    /// The disk of the node is stalled, so that its vote would not become durable.
    DiskStalled,
    /// The configuration in force does not admit this incarnation of the node.
    NotAdmitted,
    /// The node is in the term of the campaign, or in a later one.
    TermNotLater,
}

impl fmt::Display for LeaderFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halted => f.write_str("the node has halted"),
            Self::NoMembership => f.write_str(
                "the log names no members: the node waits for a leader that adds it, or for a \
                 bootstrap",
            ),
            Self::WithoutVote { participation } => write_participation(f, *participation),
            Self::QuorumOutOfContact { voters, voter_count, needed, in_contact, silent } => {
                let set = match voters {
                    VoterSet::Incoming => "",
                    VoterSet::Outgoing => " of the outgoing configuration",
                };
                write!(f, "{needed} of {voter_count} voters{set} are needed, ")?;
                write!(f, "contact with {} only", Nodes(in_contact))?;
                silent.iter().try_for_each(|silent| write!(f, "; {silent}"))
            }
            Self::LeaderSilent { leader, since_contact } => {
                write!(f, "the last append of node {leader} was {} ago", Span(*since_contact))
            }
            Self::ElectionDue { remaining } => write!(
                f,
                "the node campaigns in {}, unless a leader is found before",
                Span(*remaining)
            ),
            Self::CampaignUndecided { is_pre_vote, granted, refused, pending } => {
                let votes = if *is_pre_vote { "pre-votes" } else { "votes" };
                write!(f, "{votes}: granted by {}, ", Nodes(granted))?;
                write!(f, "refused by {}, no response of {}", Nodes(refused), Nodes(pending))
            }
            Self::VoteNotDurable { candidate } => {
                write!(f, "the vote for node {candidate} is not durable yet")
            }
            Self::CandidateRefused { candidate, reason, ago } => {
                write!(f, "candidate {candidate} was refused {} ago: {reason}", Span(*ago))
            }
            Self::MessagesRefused { from, reason, ago } => {
                write!(f, "a message of node {from} was refused {} ago: {reason}", Span(*ago))
            }
        }
    }
}

impl fmt::Display for SilentNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.since_contact {
            Some(since) => write!(f, "the last message of {} was {} ago", self.node, Span(since)),
            None => write!(f, "no message of {} since the start", self.node),
        }
    }
}

impl fmt::Display for VoteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaderInContact => f.write_str("this node has recent contact with a leader"),
            Self::LogBehind { candidate, own } => write!(
                f,
                "its log is behind: it ends in entry {} of term {}, the log of this node in entry \
                 {} of term {}",
                candidate.index, candidate.term, own.index, own.term
            ),
            Self::VotedFor(node) => write!(f, "this node voted for node {node} in the same term"),
            Self::DiskStalled => f.write_str("the disk of this node is stalled"),
            Self::NotAdmitted => f.write_str("this incarnation of the node is not admitted"),
            Self::TermNotLater => f.write_str("the term of its campaign is not later"),
        }
    }
}

fn write_participation(f: &mut fmt::Formatter<'_>, participation: Participation) -> fmt::Result {
    match participation {
        Participation::Voter => f.write_str("this node votes"),
        Participation::Learner => f.write_str("this node is a learner and never campaigns"),
        Participation::Removed => f.write_str("this node was removed and never campaigns"),
        Participation::NotAMember => f.write_str(
            "the membership does not name this node: it waits for a leader that adds it",
        ),
        Participation::NotAdmitted { admitted } => write!(
            f,
            "the membership names incarnation {admitted} of this node, whose data it lacks: it \
             never campaigns until it is replaced"
        ),
    }
}
