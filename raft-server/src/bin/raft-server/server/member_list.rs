//! Compares `members` of the configuration with the membership in the log.

use std::collections::BTreeSet;

use raft_core::{Membership, NodeId};

use crate::config::Config;
use crate::exit::{Exit, Failure};

/// Checks that a list of members was not edited in order to change the membership: that would have
/// no effect on this node, and other nodes would not follow it.
///
/// The list of the last start is accepted, although the cluster may have changed since: it names
/// addresses to try. A new list must name the nodes that are members now.
///
/// # Errors
/// A list that contradicts the membership; the message names both.
pub(super) fn check(
    config: &Config,
    last_start: &BTreeSet<NodeId>,
    membership: Option<&Membership>,
) -> Result<(), Failure> {
    let listed = config.member_ids();
    let Some(membership) = membership else { return Ok(()) };
    let members = membership.members();
    if listed == *last_start || listed == members {
        return Ok(());
    }
    let message = format!(
        "members lists the nodes {}, but the members of the cluster are {}, and the list of the \
         last start was {}: members of a running cluster are changed with `raft-server members \
         add`, `remove` and `replace`, not with this setting; list the nodes {} and use these \
         commands",
        text(&listed),
        text(&members),
        text(last_start),
        text(&members),
    );
    Err(Failure::new(Exit::Config, message))
}

fn text(nodes: &BTreeSet<NodeId>) -> String {
    let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    nodes.join(", ")
}
