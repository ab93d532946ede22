//! Requests to change the membership.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use super::configuration::{MemberInfo, Membership};
use super::priority::Priority;
use super::refusal::MembershipRefusal;
use crate::config::ClusterSettings;
use crate::types::{Incarnation, LogIndex, NodeId, RequestId};

/// A request to change the membership. It ends with an [`Effect::Respond`](crate::Effect::Respond):
/// [`Outcome::MembershipChanged`](crate::Outcome::MembershipChanged) once the final configuration
/// is committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MembershipRequest {
    /// Identifies the request in the response.
    pub id: RequestId,
    /// The change.
    pub change: MembershipChange,
    /// The version that the membership must have, which is the index of its entry: if it has
    /// another one, the request is refused. `None` accepts every version.
    pub if_version: Option<LogIndex>,
}

/// A change of the membership.
///
/// Voters that differ by at most one node change in one step (thesis §4.2); others change through a
/// joint configuration (thesis §4.3), which the leader leaves without a further request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MembershipChange {
    /// Adds a node that receives the log and does not vote.
    AddLearner {
        /// The node, which is not a member.
        node: NodeId,
        /// Its addresses, and its incarnation if it is known.
        info: MemberInfo,
    },
    /// Makes a learner a voter.
    Promote {
        /// The learner.
        node: NodeId,
        /// Whether to wait for a learner that lags.
        when: PromoteWhen,
    },
    /// Makes a voter a learner.
    Demote {
        /// The voter.
        node: NodeId,
    },
    /// Removes a member.
    Remove {
        /// The member.
        node: NodeId,
    },
    /// Admits a later incarnation of a member that has lost its data. It enters as a learner, in
    /// one step, and a voter is to be promoted again: the vote and the entries of its predecessor
    /// are lost.
    Replace {
        /// The member.
        node: NodeId,
        /// Its incarnation, as the new node reports it. Later than the one that is pinned.
        incarnation: Incarnation,
    },
    /// Sets the addresses of a member.
    UpdateAddresses {
        /// The member.
        node: NodeId,
        /// Where the other nodes reach it.
        peer_address: String,
        /// Where clients reach it.
        client_address: String,
    },
    /// Sets the priority of a member.
    SetPriority {
        /// The member.
        node: NodeId,
        /// Its priority.
        priority: Priority,
    },
    /// Sets the settings of the cluster, all of them: a value that is absent is that of each node.
    UpdateSettings {
        /// The settings.
        settings: Box<ClusterSettings>,
    },
    /// Sets voters and learners. Nodes that become voters are not waited for: add them as learners
    /// first, so that the cluster stays available.
    Set {
        /// The voters.
        voters: BTreeSet<NodeId>,
        /// The learners.
        learners: BTreeSet<NodeId>,
        /// What is known of new members, and what changes of the others. An incarnation of `None`
        /// keeps the pinned one; a member without an entry stays as it is.
        nodes: BTreeMap<NodeId, MemberInfo>,
    },
}

/// Whether a promotion waits for the learner (thesis §4.2.1).
///
/// Replication to a learner is divided into rounds: each replicates the entries that the leader's
/// log held when the round began. A learner has caught up when its last round, and the one in
/// progress, took less than an election timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PromoteWhen {
    /// Promote now, or refuse if the learner lags.
    Now,
    /// Promote when the learner has caught up. Refused after ten rounds in which it did not, or if
    /// it does not respond for an election timeout. Other changes are refused meanwhile.
    CaughtUp,
}

impl MembershipChange {
    /// The final configuration that this change makes of `current`, which is not joint.
    ///
    /// # Errors
    /// When the change does not fit the configuration, or makes an invalid one of it.
    pub(crate) fn target(&self, current: &Membership) -> Result<Membership, MembershipRefusal> {
        let mut target = current.clone();
        match self {
            Self::AddLearner { node, info } => {
                if current.contains(*node) {
                    return Err(MembershipRefusal::AlreadyAMember(*node));
                }
                target.learners.insert(*node);
                target.nodes.insert(*node, info.clone());
            }
            Self::Promote { node, when: _ } => {
                if !target.learners.remove(node) {
                    return Err(MembershipRefusal::NotALearner(*node));
                }
                target.voters.insert(*node);
            }
            Self::Demote { node } => {
                if !target.voters.remove(node) {
                    return Err(MembershipRefusal::NotAVoter(*node));
                }
                target.learners.insert(*node);
            }
            Self::Remove { node } => {
                known_member(current, *node)?;
                target.voters.remove(node);
                target.learners.remove(node);
            }
            Self::Replace { node, incarnation } => replace(&mut target, *node, *incarnation)?,
            Self::UpdateAddresses { node, peer_address, client_address } => {
                known_member(current, *node)?;
                let info = target.nodes.entry(*node).or_default();
                info.peer_address.clone_from(peer_address);
                info.client_address.clone_from(client_address);
            }
            Self::SetPriority { node, priority } => {
                known_member(current, *node)?;
                target.nodes.entry(*node).or_default().priority = *priority;
            }
            Self::UpdateSettings { settings } => target.settings.clone_from(settings),
            Self::Set { voters, learners, nodes } => {
                target.voters.clone_from(voters);
                target.learners.clone_from(learners);
                for (&node, info) in nodes {
                    let incarnation = info.incarnation.or_else(|| current.incarnation(node));
                    target.nodes.insert(node, MemberInfo { incarnation, ..info.clone() });
                }
            }
        }
        target.check_described(self)?;
        check_incarnations(current, &target)?;
        Ok(target)
    }
}

impl Membership {
    /// Drops what is known of nodes that left, and checks the rules. Nodes that a request describes
    /// must be members.
    fn check_described(&mut self, change: &MembershipChange) -> Result<(), MembershipRefusal> {
        if let MembershipChange::Set { nodes, .. } = change
            && let Some(&other) = nodes.keys().find(|&&node| !self.contains(node))
        {
            return Err(MembershipRefusal::NotAMember(other));
        }
        self.retain_members();
        Ok(self.check()?)
    }
}

fn known_member(current: &Membership, node: NodeId) -> Result<(), MembershipRefusal> {
    if current.contains(node) { Ok(()) } else { Err(MembershipRefusal::NotAMember(node)) }
}

fn replace(
    target: &mut Membership,
    node: NodeId,
    incarnation: Incarnation,
) -> Result<(), MembershipRefusal> {
    known_member(target, node)?;
    let info = target.nodes.entry(node).or_default();
    if let Some(admitted) = info.incarnation.filter(|&admitted| admitted >= incarnation) {
        return Err(MembershipRefusal::IncarnationNotLater { node, admitted });
    }
    info.incarnation = Some(incarnation);
    target.voters.remove(&node);
    target.learners.insert(node);
    Ok(())
}

/// A pinned incarnation is not exchanged while its node votes: the new one has lost the vote and
/// the entries that the old one has acknowledged. It never falls either.
fn check_incarnations(current: &Membership, target: &Membership) -> Result<(), MembershipRefusal> {
    for (&node, info) in &target.nodes {
        let (Some(admitted), Some(next)) = (current.incarnation(node), info.incarnation) else {
            continue;
        };
        if next < admitted {
            return Err(MembershipRefusal::IncarnationNotLater { node, admitted });
        }
        if next > admitted && target.voters.contains(&node) {
            return Err(MembershipRefusal::IncarnationOfVoter(node));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::MembershipError;

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    /// Voters 1, 2 and 3 and learner 4, each pinned to incarnation 5.
    fn current() -> Membership {
        let info = MemberInfo { incarnation: Some(Incarnation(5)), ..MemberInfo::default() };
        Membership {
            voters: ids(&[1, 2, 3]),
            learners: ids(&[4]),
            nodes: (1..=4).map(|node| (NodeId(node), info.clone())).collect(),
            ..Membership::default()
        }
    }

    fn target(change: &MembershipChange) -> (BTreeSet<NodeId>, BTreeSet<NodeId>) {
        let Membership { voters, learners, .. } = change.target(&current()).expect("permitted");
        (voters, learners)
    }

    #[test]
    fn changes_move_one_node() {
        use MembershipChange::{AddLearner, Demote, Promote, Remove, Replace};
        let add = AddLearner { node: NodeId(5), info: MemberInfo::default() };
        assert_eq!(target(&add), (ids(&[1, 2, 3]), ids(&[4, 5])));
        let promote = Promote { node: NodeId(4), when: PromoteWhen::Now };
        assert_eq!(target(&promote), (ids(&[1, 2, 3, 4]), ids(&[])));
        assert_eq!(target(&Demote { node: NodeId(3) }), (ids(&[1, 2]), ids(&[3, 4])));
        assert_eq!(target(&Remove { node: NodeId(3) }), (ids(&[1, 2]), ids(&[4])));
        let replace = Replace { node: NodeId(3), incarnation: Incarnation(6) };
        assert_eq!(target(&replace), (ids(&[1, 2]), ids(&[3, 4])));
        let replaced = replace.target(&current()).expect("permitted");
        assert_eq!(replaced.incarnation(NodeId(3)), Some(Incarnation(6)));
    }

    #[test]
    fn changes_that_do_not_fit_are_refused() {
        use MembershipChange::{AddLearner, Demote, Promote, Remove, Replace, Set};
        use MembershipRefusal as Refused;
        let describes = |node, incarnation| {
            let incarnation = Some(Incarnation(incarnation));
            let info = MemberInfo { incarnation, ..MemberInfo::default() };
            let nodes = BTreeMap::from([(NodeId(node), info)]);
            Set { voters: ids(&[1, 2, 3]), learners: ids(&[4]), nodes }
        };
        let (admitted, none) = (Incarnation(5), BTreeMap::new());
        for (change, refusal) in [
            (
                AddLearner { node: NodeId(3), info: MemberInfo::default() },
                Refused::AlreadyAMember(NodeId(3)),
            ),
            (Promote { node: NodeId(3), when: PromoteWhen::Now }, Refused::NotALearner(NodeId(3))),
            (Demote { node: NodeId(4) }, Refused::NotAVoter(NodeId(4))),
            (Remove { node: NodeId(9) }, Refused::NotAMember(NodeId(9))),
            (
                Replace { node: NodeId(3), incarnation: Incarnation(5) },
                Refused::IncarnationNotLater { node: NodeId(3), admitted },
            ),
            (describes(3, 6), Refused::IncarnationOfVoter(NodeId(3))),
            (describes(4, 4), Refused::IncarnationNotLater { node: NodeId(4), admitted }),
            (describes(7, 1), Refused::NotAMember(NodeId(7))),
            (
                Set { voters: ids(&[]), learners: ids(&[1]), nodes: none },
                Refused::Invalid(MembershipError::NoVoters),
            ),
        ] {
            assert_eq!(change.target(&current()), Err(refusal), "{change:?}");
        }
    }

    #[test]
    fn set_keeps_what_is_known_of_the_members_that_stay() {
        let info = MemberInfo { peer_address: "five".into(), ..MemberInfo::default() };
        let change = MembershipChange::Set {
            voters: ids(&[1, 5]),
            learners: ids(&[]),
            nodes: BTreeMap::from([(NodeId(5), info)]),
        };
        let target = change.target(&current()).expect("permitted");
        assert_eq!(target.incarnation(NodeId(1)), Some(Incarnation(5)));
        assert_eq!(target.incarnation(NodeId(5)), None);
        assert_eq!(target.nodes.keys().copied().collect::<BTreeSet<_>>(), ids(&[1, 5]));
    }
}
