//! The arguments, and the order of the steps.

use std::path::PathBuf;

use clap::Args;
use raft_core::NodeId;
use serde_json::json;

use super::inspect::Inspected;
use super::plan::{Force, Plan};
use super::report::Report;
use super::{apply, text};
use crate::cli::data_dir_args::DataDirArgs;
use crate::cli::output::{self, Format};
use crate::config::{Member, Members};
use crate::exit::{Exit, Failure};

/// The data directory, the reports of other nodes, and what to do.
#[derive(Args, Debug)]
pub(in crate::cli) struct RecoverArgs {
    #[command(flatten)]
    directory: DataDirArgs,
    /// Report of another node: the output of this command with `--output json` on that node. Repeat
    /// it for every node whose data is left
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// The survivors, which are the voters of the recovered cluster, as ID=PEER/CLIENT separated by
    /// commas. The same list at each of them. Default: this node, with the addresses in its log
    #[arg(long, value_name = "MEMBERS")]
    members: Option<Members>,
    /// Carry out the plan. The node must be stopped and the other members lost for good
    #[arg(long)]
    apply: bool,
    /// Recover although a majority has its data, or another node has a more up-to-date log
    #[arg(long)]
    force: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Inspects a data directory, prints what it holds and the plan, and carries it out if requested.
pub(in crate::cli) fn run(args: &RecoverArgs) -> Result<(), Failure> {
    let data_dir = args.directory.resolve()?;
    let mut inspected = Inspected::open(&data_dir)?;
    let others: Vec<Report> =
        args.report.iter().map(|path| Report::read(path)).collect::<Result<_, _>>()?;
    let members = members(args, &inspected)?;
    let survivors: Vec<u64> = members.iter().map(|member| member.id).collect();
    let force = if args.force { Force::Yes } else { Force::No };
    let plan = Plan::make(&inspected.report, &others, &survivors, force);
    let objection = plan.as_ref().err().map(ToString::to_string);
    output::show(&match args.output {
        Format::Json => {
            let plan = plan.as_ref().ok();
            json!({ "report": inspected.report, "plan": plan, "objection": objection }).to_string()
        }
        Format::Table | Format::Raw => text::inspection(&inspected.report, plan.as_ref()),
    });
    match plan {
        Ok(plan) if args.apply => {
            apply::apply(&data_dir, &mut inspected, &plan, &members, &others)?;
            if args.output != Format::Json {
                output::show(text::APPLIED);
            }
            Ok(())
        }
        Err(objection) if args.apply => Err(Failure::new(Exit::Config, objection)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The survivors; this node alone if none are named.
fn members(args: &RecoverArgs, inspected: &Inspected) -> Result<Vec<Member>, Failure> {
    if let Some(Members(members)) = &args.members {
        let mut members = members.clone();
        members.sort_by_key(|member| member.id);
        return Ok(members);
    }
    let node = inspected.report.node;
    let info = inspected.membership().nodes.get(&NodeId(node)).cloned().unwrap_or_default();
    if info.peer_address.is_empty() || info.client_address.is_empty() {
        let message = format!(
            "the log has no addresses of node {node}: name them with --members \
             {node}=PEER/CLIENT"
        );
        return Err(Failure::new(Exit::Config, message));
    }
    Ok(vec![Member { id: node, peer: info.peer_address, client: info.client_address }])
}
