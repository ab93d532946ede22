//! The tour: a write survives the death of the leader, shown with the commands that anybody can
//! type.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;

use super::{Dev, Exit, Failure, POLL_INTERVAL, READY_TIME_MAX, quote, show};

impl Dev {
    /// Writes, kills the leader, writes again, reads, brings the dead node back. Says who leads in
    /// the end.
    pub(super) async fn tour(&mut self) -> Result<u64, Failure> {
        say("A write, acknowledged once a majority has it on disk:");
        self.type_in(&["put", "greeting", "hello"]).await?;
        self.type_in(&["get", "greeting"]).await?;

        let leader = self.leader().await?;
        say(&format!("Node {leader} leads. It dies now, without warning (kill -9):"));
        let killed = Instant::now();
        self.nodes.kill(leader).map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot kill node {leader}: {error}"))
        })?;
        self.nodes.next_end().await;
        self.type_in(&["put", "after-the-crash", "still here"]).await?;
        let away = killed.elapsed().as_millis();
        let successor = self.leader().await?;
        say(&format!(
            "That took {away} ms, the election of node {successor} included. What was written \
             before is there:"
        ));
        self.type_in(&["get", "greeting"]).await?;

        say(&format!("Node {leader} comes back and catches up:"));
        self.restart(leader)?;
        self.caught_up(leader).await?;
        self.type_in(&["status"]).await?;
        show("");
        self.leader().await
    }

    /// Runs a command of this program as somebody in another terminal would.
    async fn type_in(&self, arguments: &[&str]) -> Result<(), Failure> {
        let shown: Vec<_> = arguments.iter().map(|argument| quote(Path::new(argument))).collect();
        show(&format!("$ raft-server {}", shown.join(" ")));
        let status = Command::new(&self.program)
            .args(arguments)
            .env("RAFT_CLIENT", self.directory.client_file())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await;
        let failed = |how: String| Failure::new(Exit::Failure, format!("the tour failed: {how}"));
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(status.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Waits until a node has applied what the others had committed when this was called.
    async fn caught_up(&mut self, id: u64) -> Result<(), Failure> {
        let mut wanted = None;
        for node in self.directory.nodes().iter().filter(|node| node.id != id) {
            if let Ok(report) = self.client.status_of(&node.client.to_string()).await {
                wanted = wanted.max(Some(report.commit_index));
            }
        }
        let address = self.directory.node(id).map(|node| node.client.to_string());
        let Some((address, wanted)) = address.zip(wanted) else { return Ok(()) };
        let waiting = async {
            loop {
                match self.client.status_of(&address).await {
                    Ok(report) if report.applied_index >= wanted => return,
                    Ok(_) | Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
                }
            }
        };
        tokio::time::timeout(READY_TIME_MAX, waiting).await.map_err(|_| {
            Failure::new(Exit::Failure, format!("node {id} does not catch up; see its log"))
        })
    }
}

/// A line of explanation.
fn say(text: &str) {
    show(&format!("\n{text}"));
}
