//! Reports and plans in words.

use std::fmt::Write as _;

use super::plan::{Objection, Part, Plan, list};
use super::report::Report;

/// What is printed after a plan was carried out.
pub(super) const APPLIED: &str = "\
applied. Start the survivors, one after the other. Members of the old cluster are refused from now on:
remove their data directories, and add them again with `raft-server members add`";

/// What a directory holds, and what a recovery would do.
pub(super) fn inspection(report: &Report, plan: Result<&Plan, &Objection>) -> String {
    let mut text = held(report);
    match plan {
        Ok(plan) => planned(&mut text, report, plan),
        Err(objection) => {
            let _ = write!(text, "no plan: {objection}");
        }
    }
    text
}

fn held(report: &Report) -> String {
    let or_none = |nodes: &[u64]| if nodes.is_empty() { "none".to_owned() } else { list(nodes) };
    let voted_for = report.voted_for.map_or_else(|| "none".to_owned(), |node| node.to_string());
    format!(
        "cluster      {}\nnode         {}\nincarnation  {}\nepoch        {}\nterm         {}\n\
         voted for    {voted_for}\nfirst index  {}\nlast entry   {} of term {}\ncommitted    {} at \
         least\napplied      {}\nsnapshots    {}\nmembership   of entry {}: voters {}, outgoing {}, \
         learners {}\nbroken       {}\n\n",
        report.cluster,
        report.node,
        report.incarnation,
        report.epoch,
        report.term,
        report.first_index,
        report.last_index,
        report.last_term,
        report.commit_index,
        report.applied_index,
        or_none(&report.snapshots),
        report.membership_version,
        or_none(&report.voters),
        or_none(&report.outgoing),
        or_none(&report.learners),
        report.broken.as_deref().unwrap_or("no"),
    )
}

fn planned(text: &mut String, report: &Report, plan: &Plan) {
    let members = list(&plan.members);
    let _ = writeln!(text, "plan: epoch {}, voters {members}", plan.epoch);
    let _ = match plan.part {
        Part::Leads { index, term } => writeln!(
            text,
            "- the membership becomes entry {index} of term {term}, the last one of the log"
        ),
        Part::Follows { node } => writeln!(
            text,
            "- node {node} has the most up-to-date log and gets the membership; here only the epoch \
             changes"
        ),
    };
    if let Some((first, last)) = plan.uncertain {
        let _ = writeln!(
            text,
            "- entries {first} to {last} may or may not be committed: they take effect if they are \
             in the log of the node that leads"
        );
    }
    if !plan.not_inspected.is_empty() {
        let nodes = list(&plan.not_inspected);
        let _ = writeln!(
            text,
            "- nodes {nodes} are not inspected: if one of them has its data, inspect it first and \
             pass its output with --report. What only they hold is lost: writes that were \
             acknowledged after entry {}, if there are any",
            report.last_index
        );
    }
    let _ = write!(text, "nothing is changed without --apply");
}
