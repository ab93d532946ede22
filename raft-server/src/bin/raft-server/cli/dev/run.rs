//! Runs a development cluster until a signal arrives.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::cluster::DevCluster;
use super::directory::ClusterOptions;
use super::nodes::Ended;
use super::{demo, instructions};
use crate::cli::output::show;
use crate::exit::{Exit, Failure};
use crate::signals::Signals;

/// The time between the end of a killed node and its restart.
const RESTART_DELAY: Duration = Duration::from_secs(3);

/// The arguments of `dev`.
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Number of nodes [default: 3, or the number in the directory]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Directory for certificates, configurations, data and logs
    #[arg(long, value_name = "DIRECTORY", default_value = "raft-dev")]
    dir: PathBuf,
    /// First port; each node uses three consecutive ports [default: chosen by the system, once]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Do not restart nodes that were killed
    #[arg(long)]
    no_restart: bool,
    /// First show that a write survives a crash of the leader
    #[arg(long)]
    demo: bool,
    /// Exit once the cluster is ready, after the demo if there is one
    #[arg(long)]
    exit: bool,
}

/// Runs a cluster until SIGINT or SIGTERM.
pub(crate) fn run(args: &DevArgs) -> Result<(), Failure> {
    // The system ends a node together with the thread that started it, so there is one thread.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot start the asynchronous runtime: {error}"))
        })?;
    runtime.block_on(async {
        let mut signals = Signals::install().map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot handle signals: {error}"))
        })?;
        let options = ClusterOptions { nodes: args.nodes, base_port: args.base_port };
        let mut cluster = DevCluster::start(&args.dir, options)?;
        let outcome = tokio::select! {
            outcome = supervise(&mut cluster, args) => outcome,
            signal = signals.next() => {
                show(&format!("{signal}: stopping all nodes"));
                Ok(())
            }
        };
        signals.exit_at_next();
        let directory = cluster.stop().await;
        show(&format!("all nodes have stopped; their data is in {}", directory.display()));
        outcome
    })
}

/// Waits until the cluster is ready, prints how to use it, and restarts nodes that are killed.
async fn supervise(cluster: &mut DevCluster, args: &DevArgs) -> Result<(), Failure> {
    let leader = cluster.ready().await?;
    show(&instructions::overview(cluster, leader));
    let leader = if args.demo { demo::run(cluster).await? } else { leader };
    if args.exit {
        show(&instructions::how_to_continue(cluster));
        return Ok(());
    }
    show(&instructions::next_commands(cluster, leader));
    loop {
        let ended = cluster.next_end().await;
        on_end(cluster, &ended, args).await?;
    }
}

/// Reports a node that has ended, and restarts it if it was killed. A node that stopped by itself
/// would stop again.
async fn on_end(cluster: &mut DevCluster, ended: &Ended, args: &DevArgs) -> Result<(), Failure> {
    let id = ended.id;
    let killed = ended.status.is_some_and(|status| status.signal().is_some());
    show(&cluster.end_report(ended));
    if killed && !args.no_restart {
        tokio::time::sleep(RESTART_DELAY).await;
        cluster.restart(id)?;
        show(&format!("node {id} is restarted"));
    }
    Ok(())
}
