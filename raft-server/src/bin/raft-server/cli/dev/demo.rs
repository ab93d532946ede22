//! The demo: a write survives a crash of the leader, shown with commands of this program.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;

use super::cluster::{DevCluster, POLL_INTERVAL, READY_TIME_MAX};
use super::instructions::quote;
use crate::cli::output::show;
use crate::exit::{Exit, Failure};

/// Writes, kills the leader, writes again, reads, and restarts the killed node. Returns the id of
/// the leader at the end.
pub(super) async fn run(cluster: &mut DevCluster) -> Result<u64, Failure> {
    explain("A write is acknowledged once a majority of the nodes has it on disk:");
    run_command(cluster, &["put", "greeting", "hello"]).await?;
    run_command(cluster, &["get", "greeting"]).await?;

    let leader = cluster.leader().await?;
    explain(&format!("Node {leader} is the leader. It is killed without warning (kill -9):"));
    let killed = Instant::now();
    cluster.kill(leader).await?;
    run_command(cluster, &["put", "after-the-crash", "still here"]).await?;
    let elapsed = killed.elapsed().as_millis();
    let successor = cluster.leader().await?;
    explain(&format!(
        "That took {elapsed} ms, the election of node {successor} included. The earlier write is \
         still there:"
    ));
    run_command(cluster, &["get", "greeting"]).await?;

    explain(&format!("Node {leader} restarts and catches up:"));
    cluster.restart(leader)?;
    caught_up(cluster, leader).await?;
    run_command(cluster, &["status"]).await?;
    show("");
    cluster.leader().await
}

/// Prints a command of this program and runs it. Its output goes to this process's stdout.
async fn run_command(cluster: &DevCluster, arguments: &[&str]) -> Result<(), Failure> {
    let quoted: Vec<_> = arguments.iter().map(|argument| quote(Path::new(argument))).collect();
    show(&format!("$ raft-server {}", quoted.join(" ")));
    let status = Command::new(cluster.program())
        .args(arguments)
        .env("RAFT_CLIENT", cluster.directory().client_file())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await;
    let failed = |how: String| Failure::new(Exit::Failure, format!("the demo failed: {how}"));
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Waits until a node has applied the entries that were committed when this was called.
async fn caught_up(cluster: &DevCluster, id: u64) -> Result<(), Failure> {
    let (directory, client) = (cluster.directory(), cluster.client());
    let mut wanted = None;
    for node in directory.nodes().iter().filter(|node| node.id != id) {
        if let Ok(report) = client.status_of(&node.client.to_string()).await {
            wanted = wanted.max(Some(report.commit_index));
        }
    }
    let address = directory.node(id).map(|node| node.client.to_string());
    let Some((address, wanted)) = address.zip(wanted) else { return Ok(()) };
    let waiting = async {
        loop {
            match client.status_of(&address).await {
                Ok(report) if report.applied_index >= wanted => return,
                Ok(_) | Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
            }
        }
    };
    tokio::time::timeout(READY_TIME_MAX, waiting).await.map_err(|_| {
        Failure::new(Exit::Failure, format!("node {id} does not catch up; see its log"))
    })
}

/// Prints a line of explanation.
fn explain(text: &str) {
    show(&format!("\n{text}"));
}
