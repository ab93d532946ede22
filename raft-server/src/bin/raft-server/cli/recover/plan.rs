//! What a recovery would do, and what may be lost. Pure: the reports are its only input.

use std::collections::BTreeSet;

use serde::Serialize;

use super::report::Report;

/// What a recovery does with one data directory, and what may be lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Plan {
    pub(super) part: Part,
    /// The epoch of the recovered cluster: nodes of earlier ones are refused.
    pub(super) epoch: u64,
    /// The voters of the recovered cluster.
    pub(super) members: Vec<u64>,
    /// Entries that become committed and of which this node does not know whether they are: the
    /// first and the last. Their commands take effect, although their callers may have no response.
    pub(super) uncertain: Option<(u64, u64)>,
    /// Voters without a report. They may hold later entries, also acknowledged ones: those are lost.
    pub(super) not_inspected: Vec<u64>,
}

/// What happens to the log of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// It is the most up to date: the new membership is appended to it.
    Leads {
        /// The index of the membership's entry.
        index: u64,
        /// Its term.
        term: u64,
    },
    /// It stays as it is: the node follows the one whose log is the most up to date.
    Follows {
        /// That node.
        node: u64,
    },
}

/// Why no plan is made. `--force` overrides some of them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Objection {
    #[error("the log names no members: this node was never part of a running cluster")]
    NoMembership,
    #[error(
        "the log is marked broken ({reason}): run `raft-server log mark-fixed --data-dir DIRECTORY` \
         after its cause is fixed"
    )]
    Broken { reason: String },
    #[error("the report of node {node} is of cluster {cluster}, this directory is of {own}")]
    OtherCluster { node: u64, cluster: String, own: String },
    #[error("there are two reports of node {0}; give one for each other node")]
    Repeated(u64),
    #[error(
        "--members does not name node {0}, whose data directory this is: name every survivor, or run \
         this on a node that is to survive"
    )]
    NotASurvivor(u64),
    #[error("--members names node {0}, of which there is no report: inspect it first")]
    NotInspected(u64),
    #[error(
        "{} of {voter_count} voters have their data (nodes {}): that is a majority; start them \
         instead, and replace the others with `raft-server members replace`",
        .present.len(),
        list(.present)
    )]
    QuorumExists { present: Vec<u64>, voter_count: usize },
    #[error(
        "node {node} has a more up-to-date log: it ends in entry {index} of term {term}, this one in \
         entry {own_index} of term {own_term}; entries would be lost; recover node {node}, or name \
         it in --members, too"
    )]
    Behind { node: u64, index: u64, term: u64, own_index: u64, own_term: u64 },
}

impl Objection {
    /// Whether `--force` overrides it: the plan is valid, but loses more than another one would.
    const fn can_be_overridden(&self) -> bool {
        match self {
            Self::QuorumExists { .. } | Self::Behind { .. } => true,
            Self::NoMembership
            | Self::Broken { .. }
            | Self::OtherCluster { .. }
            | Self::Repeated(_)
            | Self::NotASurvivor(_)
            | Self::NotInspected(_) => false,
        }
    }
}

/// Whether objections that can be overridden are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Force {
    No,
    Yes,
}

impl Plan {
    /// The plan for the directory of `own`. `others` are the reports of other nodes; `survivors` the
    /// voters of the recovered cluster, this node alone if none are named.
    pub(super) fn make(
        own: &Report,
        others: &[Report],
        survivors: &[u64],
        force: Force,
    ) -> Result<Self, Objection> {
        check_reports(own, others)?;
        let members: BTreeSet<u64> = if survivors.is_empty() {
            [own.node].into()
        } else {
            survivors.iter().copied().collect()
        };
        if !members.contains(&own.node) {
            return Err(Objection::NotASurvivor(own.node));
        }
        let inspected: BTreeSet<u64> =
            others.iter().map(|report| report.node).chain([own.node]).collect();
        if let Some(&unknown) = members.difference(&inspected).next() {
            return Err(Objection::NotInspected(unknown));
        }
        let objections = [quorum_exists(own, &inspected), behind(own, others, &members)];
        let refused = |objection: &Objection| force == Force::No || !objection.can_be_overridden();
        if let Some(objection) = objections.into_iter().flatten().find(refused) {
            return Err(objection);
        }
        let all = || others.iter().chain([own]);
        let epoch = all().map(|report| report.epoch).max().unwrap_or(0) + 1;
        let term = all().map(|report| report.term).max().unwrap_or(0) + 1;
        let leader = all()
            .filter(|report| members.contains(&report.node))
            .max_by_key(|report| (report.last(), report.node))
            .map_or(own.node, |report| report.node);
        let part = if leader == own.node {
            Part::Leads { index: own.last_index + 1, term }
        } else {
            Part::Follows { node: leader }
        };
        let uncertain =
            (own.last_index > own.commit_index).then(|| (own.commit_index + 1, own.last_index));
        let not_inspected = voters(own).difference(&inspected).copied().collect();
        Ok(Self { part, epoch, members: members.into_iter().collect(), uncertain, not_inspected })
    }
}

fn check_reports(own: &Report, others: &[Report]) -> Result<(), Objection> {
    if own.voters.is_empty() {
        return Err(Objection::NoMembership);
    }
    if let Some(reason) = &own.broken {
        return Err(Objection::Broken { reason: reason.clone() });
    }
    let mut seen = BTreeSet::from([own.node]);
    for report in others {
        if report.cluster != own.cluster {
            let (node, cluster) = (report.node, report.cluster.clone());
            return Err(Objection::OtherCluster { node, cluster, own: own.cluster.clone() });
        }
        if !seen.insert(report.node) {
            return Err(Objection::Repeated(report.node));
        }
    }
    Ok(())
}

fn voters(own: &Report) -> BTreeSet<u64> {
    own.voters.iter().chain(&own.outgoing).copied().collect()
}

/// A majority of each set of voters has its data.
fn quorum_exists(own: &Report, inspected: &BTreeSet<u64>) -> Option<Objection> {
    let has_majority = |set: &[u64]| {
        let present = set.iter().filter(|voter| inspected.contains(voter)).count();
        present > set.len() / 2
    };
    let exists =
        has_majority(&own.voters) && (own.outgoing.is_empty() || has_majority(&own.outgoing));
    exists.then(|| {
        let voters = voters(own);
        let present = voters.intersection(inspected).copied().collect();
        Objection::QuorumExists { present, voter_count: voters.len() }
    })
}

/// A node that is not to survive has a more up-to-date log than every survivor.
fn behind(own: &Report, others: &[Report], members: &BTreeSet<u64>) -> Option<Objection> {
    let survivors = others.iter().chain([own]).filter(|report| members.contains(&report.node));
    let best = survivors.map(Report::last).max()?;
    let ahead = others.iter().filter(|report| report.last() > best).max_by_key(|it| it.last())?;
    Some(Objection::Behind {
        node: ahead.node,
        index: ahead.last_index,
        term: ahead.last_term,
        own_index: own.last_index,
        own_term: own.last_term,
    })
}

pub(super) fn list(nodes: &[u64]) -> String {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    nodes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The report of a voter of three whose log ends in this entry.
    fn report(node: u64, last_term: u64, last_index: u64) -> Report {
        Report {
            format: Report::format(),
            cluster: "07".to_owned(),
            node,
            incarnation: node,
            epoch: 0,
            term: last_term + 2,
            voted_for: None,
            first_index: 1,
            last_index,
            last_term,
            commit_index: last_index - 1,
            applied_index: last_index - 1,
            snapshots: Vec::new(),
            membership_version: 0,
            voters: vec![1, 2, 3, 4, 5],
            outgoing: Vec::new(),
            learners: Vec::new(),
            broken: None,
        }
    }

    fn make(own: &Report, others: &[Report], survivors: &[u64]) -> Result<Plan, Objection> {
        Plan::make(own, others, survivors, Force::No)
    }

    #[test]
    fn the_only_survivor_gets_the_membership_after_its_last_entry_in_a_later_term() {
        let plan = make(&report(3, 4, 10), &[], &[]).unwrap();
        assert_eq!(plan.part, Part::Leads { index: 11, term: 7 });
        assert_eq!((plan.epoch, plan.members), (1, vec![3]));
        assert_eq!(plan.uncertain, Some((10, 10)));
        assert_eq!(plan.not_inspected, [1, 2, 4, 5]);
    }

    /// The term is later than every term that is known, and so is the epoch.
    #[test]
    fn terms_and_epochs_of_all_reports_count() {
        let other = Report { term: 40, epoch: 6, ..report(2, 3, 12) };
        let plan = make(&report(3, 4, 10), &[other], &[]).unwrap();
        assert_eq!(plan.part, Part::Leads { index: 11, term: 41 });
        assert_eq!(plan.epoch, 7);
    }

    /// A longer log of an earlier term is less up to date (Raft §5.4.1).
    #[test]
    fn a_less_up_to_date_node_is_refused() {
        let refused = make(&report(3, 4, 10), &[report(2, 4, 11)], &[]).unwrap_err();
        let expected =
            Objection::Behind { node: 2, index: 11, term: 4, own_index: 10, own_term: 4 };
        assert_eq!(refused, expected);
        assert!(make(&report(3, 4, 10), &[report(2, 3, 99)], &[]).is_ok());
        let forced = Plan::make(&report(3, 4, 10), &[report(2, 4, 11)], &[], Force::Yes);
        assert_eq!(forced.unwrap().part, Part::Leads { index: 11, term: 7 });
    }

    /// Every survivor makes the same plan: one of them gets the membership.
    #[test]
    fn survivors_agree_on_the_one_that_leads() {
        let (two, three) = (report(2, 4, 11), report(3, 4, 10));
        let at_two = make(&two, std::slice::from_ref(&three), &[2, 3]).unwrap();
        let at_three = make(&three, std::slice::from_ref(&two), &[2, 3]).unwrap();
        assert_eq!(at_two.part, Part::Leads { index: 12, term: 7 });
        assert_eq!(at_three.part, Part::Follows { node: 2 });
        assert_eq!((at_two.epoch, &at_two.members), (at_three.epoch, &at_three.members));
        let equal = [report(2, 4, 10), report(3, 4, 10)];
        let at_two = make(&equal[0], &equal[1..], &[2, 3]).unwrap();
        assert_eq!(at_two.part, Part::Follows { node: 3 }, "of equal logs that of the last node");
    }

    #[test]
    fn a_majority_with_data_needs_no_recovery() {
        let others = [report(1, 4, 10), report(2, 4, 10)];
        let refused = make(&report(3, 4, 10), &others, &[]).unwrap_err();
        assert_eq!(refused, Objection::QuorumExists { present: vec![1, 2, 3], voter_count: 5 });
        assert!(Plan::make(&report(3, 4, 10), &others, &[], Force::Yes).is_ok());
    }

    #[test]
    fn reports_that_do_not_fit_are_refused_whatever_is_forced() {
        let own = report(3, 4, 10);
        let forced = |others: &[Report], survivors: &[u64]| {
            Plan::make(&own, others, survivors, Force::Yes).unwrap_err()
        };
        let other = Report { cluster: "08".to_owned(), ..report(2, 4, 10) };
        assert!(matches!(forced(&[other], &[]), Objection::OtherCluster { node: 2, .. }));
        assert_eq!(forced(&[report(3, 4, 10)], &[]), Objection::Repeated(3));
        assert_eq!(forced(&[], &[1]), Objection::NotASurvivor(3));
        assert_eq!(forced(&[], &[1, 3]), Objection::NotInspected(1));
        let broken = Report { broken: Some("x".to_owned()), ..own.clone() };
        assert!(matches!(make(&broken, &[], &[]), Err(Objection::Broken { .. })));
        let empty = Report { voters: Vec::new(), ..own.clone() };
        assert_eq!(make(&empty, &[], &[]), Err(Objection::NoMembership));
    }
}
