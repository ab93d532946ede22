//! Changes of the membership of a cluster of processes.

use std::time::Duration;

use raft_core::{LogIndex, NodeId};
use raft_server::kv::client::{Client, Error};
use raft_server::kv::protocol::{MemberChange, MemberRole, MembershipReport};

use super::cluster::Cluster;
use super::poll::{until, until_within};

/// The deadline of a change. A learner that receives the whole log under load catches up slowly.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(120);

/// Waits until the membership, as a node reports it, fulfils a condition.
pub(super) async fn until_membership(
    client: &Client,
    wanted: impl Fn(&MembershipReport) -> bool,
) -> MembershipReport {
    let request = async || client.membership().await.ok().filter(&wanted);
    until(request, || "the membership does not become as expected".to_owned()).await
}

/// Waits until the incarnation of every member is pinned.
pub(super) async fn until_pinned(client: &Client) {
    let is_pinned = |report: &MembershipReport| {
        report.is_final && report.members.iter().all(|member| member.incarnation.is_some())
    };
    until_membership(client, is_pinned).await;
}

/// Replaces the data directory of a member by a new one, of a node that runs on it.
pub(super) async fn replace(cluster: &Cluster, client: &Client, node: u64) {
    let identity = async || cluster.try_identity(node);
    let failure = || format!("node {node} creates no data directory: {}", cluster.log(node));
    let incarnation = until(identity, failure).await.incarnation;
    let node = NodeId(node);
    change(client, MemberChange::Replace { node, incarnation }).await;
    promote(client, node.get()).await;
}

/// Makes a learner a voter once it has caught up.
pub(super) async fn promote(client: &Client, node: u64) {
    change(client, MemberChange::Promote { node: NodeId(node) }).await;
    let is_voter = |report: &MembershipReport| {
        let found = report.members.iter().find(|member| member.node == NodeId(node));
        report.is_final && found.is_some_and(|member| member.role == MemberRole::Voter)
    };
    until_membership(client, is_voter).await;
}

/// Makes a change, again if its outcome is unknown or the learner lags. A repeated change that was
/// made before is refused, which is a success.
pub(super) async fn change(client: &Client, change: MemberChange) {
    let mut repeated = false;
    let attempt = async || -> Option<LogIndex> {
        match client.change_membership(change.clone(), None).await {
            Ok(version) => Some(version),
            Err(Error::MembershipNotChanged { .. }) if repeated => Some(LogIndex::ZERO),
            Err(Error::Unknown { .. }) => {
                repeated = true;
                None
            }
            Err(Error::Lagging { .. } | Error::Unavailable { .. }) => None,
            Err(error) => panic!("{change:?}: {error}"),
        }
    };
    until_within(CHANGE_TIME_MAX, attempt, || format!("{change:?} is not made")).await;
}
