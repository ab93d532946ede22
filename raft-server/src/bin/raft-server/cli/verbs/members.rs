//! `members`: lists and changes the members of the cluster.

use std::time::Duration;

use clap::{Args, Subcommand};
use raft_core::{Incarnation, LogIndex, NodeId};
use raft_server::kv::client::{Client, Error};
use raft_server::kv::protocol::MemberChange;
use tokio::time::Instant;

use super::cluster_args::ClusterArgs;
use super::outcome::{Ended, VerbError};
use crate::config::{Member, check_advertised};

/// The pause between two attempts to promote a learner that lags.
const PROMOTION_PAUSE: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct MembersArgs {
    #[command(subcommand)]
    command: Option<MembersCommand>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Subcommand, Debug)]
enum MembersCommand {
    /// List the members and the version of the membership
    List(ClusterArgs),
    /// Add a node as a learner: it receives the log and does not vote
    Add(AddArgs),
    /// Make a learner a voter
    Promote(PromoteArgs),
    /// Make a voter a learner
    Demote(NodeArgs),
    /// Remove a member
    Remove(NodeArgs),
    /// Admit the new data directory of a member that has lost its data, as a learner
    Replace(ReplaceArgs),
    /// Change the addresses of a member
    Update(UpdateArgs),
}

/// The arguments of every change.
#[derive(Args, Debug)]
struct ChangeArgs {
    /// Change the membership only if it has this version, which `members list` shows
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Whether a learner becomes a voter, and how long to wait for it.
#[derive(Args, Debug)]
struct WaitArgs {
    /// How long to wait until the learner has caught up, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

#[derive(Args, Debug)]
struct AddArgs {
    /// The node and its addresses: ID=PEER/CLIENT, such as 4=10.0.0.4:7000/10.0.0.4:7001
    member: Member,
    /// The incarnation to admit, which the node logs [default: the first one that responds]
    #[arg(long, value_name = "N")]
    incarnation: Option<u64>,
    /// Wait until the node has caught up, and make it a voter
    #[arg(long)]
    promote: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
struct PromoteArgs {
    /// The learner
    node: u64,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
struct NodeArgs {
    /// The member
    node: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
struct ReplaceArgs {
    /// The member
    node: u64,
    /// The incarnation of the new data directory, which the node logs
    #[arg(long, value_name = "N")]
    incarnation: u64,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args, Debug)]
struct UpdateArgs {
    /// The member and its addresses: ID=PEER/CLIENT
    member: Member,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) async fn run(args: MembersArgs) -> Result<Ended, VerbError> {
    let node = NodeId;
    match args.command {
        None => list(&args.cluster).await,
        Some(MembersCommand::List(cluster)) => list(&cluster).await,
        Some(MembersCommand::Add(args)) => add(args).await,
        Some(MembersCommand::Promote(args)) => promote(args).await,
        Some(MembersCommand::Demote(args)) => {
            change(&args.change, MemberChange::Demote { node: node(args.node) }).await
        }
        Some(MembersCommand::Remove(args)) => {
            change(&args.change, MemberChange::Remove { node: node(args.node) }).await
        }
        Some(MembersCommand::Replace(args)) => {
            let (node, incarnation) = (node(args.node), Incarnation(args.incarnation));
            change(&args.change, MemberChange::Replace { node, incarnation }).await
        }
        Some(MembersCommand::Update(args)) => {
            let Member { id, peer, client } = checked(args.member)?;
            let (peer_address, client_address) = (peer, client);
            let update = MemberChange::Update { node: node(id), peer_address, client_address };
            change(&args.change, update).await
        }
    }
}

async fn list(cluster: &ClusterArgs) -> Result<Ended, VerbError> {
    let (client, printer) = cluster.client()?;
    printer.membership(&client.membership().await?).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

async fn change(args: &ChangeArgs, change: MemberChange) -> Result<Ended, VerbError> {
    let (client, printer) = args.cluster.client()?;
    let version = client.change_membership(change, args.if_version.map(LogIndex)).await?;
    printer.membership_changed(version).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

async fn add(args: AddArgs) -> Result<Ended, VerbError> {
    let Member { id, peer, client: client_address } = checked(args.member)?;
    let node = NodeId(id);
    let add = MemberChange::Add {
        node,
        peer_address: peer,
        client_address,
        incarnation: args.incarnation.map(Incarnation),
    };
    let (client, printer) = args.change.cluster.client()?;
    let if_version = args.change.if_version.map(LogIndex);
    let mut version = client.change_membership(add, if_version).await?;
    if args.promote {
        // The leader pins the incarnation of the new member, which is another version.
        version = promoted(&client, node, None, &args.wait).await?;
    }
    printer.membership_changed(version).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

async fn promote(args: PromoteArgs) -> Result<Ended, VerbError> {
    let (client, printer) = args.change.cluster.client()?;
    let if_version = args.change.if_version.map(LogIndex);
    let version = promoted(&client, NodeId(args.node), if_version, &args.wait).await?;
    printer.membership_changed(version).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

/// Promotes a learner as soon as it has caught up, and shows how far it is meanwhile.
async fn promoted(
    client: &Client,
    node: NodeId,
    if_version: Option<LogIndex>,
    args: &WaitArgs,
) -> Result<LogIndex, VerbError> {
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    let mut shown = None;
    loop {
        let promote = MemberChange::Promote { node };
        match client.change_membership(promote, if_version).await {
            Err(Error::Lagging { match_index, last_index, .. }) if Instant::now() < deadline => {
                if shown.replace(match_index) != Some(match_index) {
                    eprintln!("node {node} has entry {match_index} of {last_index}");
                }
                tokio::time::sleep(PROMOTION_PAUSE).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// A member whose addresses other machines can connect to.
fn checked(member: Member) -> Result<Member, VerbError> {
    for address in [&member.peer, &member.client] {
        if let Err(fault) = check_advertised(address) {
            return Err(VerbError::Usage(format!("`{address}` {fault}")));
        }
    }
    Ok(member)
}
