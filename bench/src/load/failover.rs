//! Measures failovers: the time from SIGKILL of the leader to the next acknowledged write, with the
//! log lines of the other nodes and the client in that time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use bench::cluster::Cluster;
use bytes::Bytes;
use raft_server::kv::client::{Client, Retry};
use raft_server::kv::state_machine::Put;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::timeline::{self, Event};

/// Clients that write during the failovers.
const WRITERS: usize = 16;
/// The pause before each round.
const PAUSE: Duration = Duration::from_millis(500);
/// The message of the log line that marks a kill.
const KILLED: &str = "leader killed";

/// One failover.
#[derive(Clone, Debug)]
pub(crate) struct Failover {
    /// From SIGKILL to the acknowledgement of a write that was begun after it.
    pub(crate) elapsed: Duration,
    /// The log lines of the nodes and the client in that time.
    pub(crate) events: Vec<Event>,
}

impl Failover {
    /// The time of the first campaign, in milliseconds after the kill.
    pub(crate) fn noticed_ms(&self) -> Option<f64> {
        self.roles().find(|(_, role)| *role != "Follower").map(|(at_ms, _)| at_ms)
    }

    /// The number of candidacies.
    pub(crate) fn campaigns(&self) -> usize {
        self.roles().filter(|(_, role)| *role == "Candidate").count()
    }

    /// The time of the last won election, in milliseconds after the kill.
    pub(crate) fn elected_ms(&self) -> Option<f64> {
        self.roles().filter(|(_, role)| *role == "Leader").last().map(|(at_ms, _)| at_ms)
    }

    /// The time at which the client lost the connection to the killed leader.
    pub(crate) fn client_noticed_ms(&self) -> Option<f64> {
        let lost = |event: &&Event| event.source == CLIENT && event.message == "connection lost";
        self.events.iter().find(lost).map(|event| event.at_ms)
    }

    fn roles(&self) -> impl Iterator<Item = (f64, &str)> {
        let changes = self.events.iter().filter(|event| event.message == "role changed");
        changes.filter_map(|event| Some((event.at_ms, event.field("role")?)))
    }
}

/// The name of the client's log in a timeline.
const CLIENT: &str = "client";

/// Writes the client's log to a file, in the format of the nodes' logs.
pub(crate) fn log_client_to(path: &Path) -> anyhow::Result<()> {
    let filter =
        "load=info,raft_server::kv::client=debug".parse::<tracing_subscriber::EnvFilter>()?;
    let log = Mutex::new(File::create(path)?);
    let subscriber = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(log);
    subscriber.try_init().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Kills the leader `rounds` times.
pub(crate) async fn run(
    cluster: &mut Cluster,
    rounds: usize,
    client_log: &Path,
) -> anyhow::Result<Vec<Failover>> {
    let client = cluster.client(Retry::ExactlyOnce)?;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = client.clone();
        writers.spawn(async move {
            loop {
                if write(&client, format!("writer-{writer}")).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut logs: Vec<(String, PathBuf)> = cluster.logs_of_nodes();
    logs.push((CLIENT.to_owned(), client_log.to_owned()));
    let logs: Vec<_> = logs.iter().map(|(name, path)| (name.clone(), path.as_path())).collect();
    let mut found = Vec::new();
    for round in 0..rounds {
        write(&client, format!("pause-{round}")).await?;
        tokio::time::sleep(PAUSE).await;
        let leader = cluster.leader(&client).await?;
        let killed = Instant::now();
        tracing::info!(round, node = leader + 1, "{KILLED}");
        cluster.kill(leader).await?;
        tracing::info!("the process has ended");
        // Requested after the process has ended: only a new leader can acknowledge it.
        write(&client, format!("round-{round}")).await.context("no write after a failover")?;
        let elapsed = killed.elapsed();
        let from = time_of_kill(client_log, round)?;
        let mut events = timeline::events_since(&from, &logs)?;
        events.retain(|event| event.at_ms <= elapsed.as_secs_f64() * 1e3);
        found.push(Failover { elapsed, events });
        cluster.restart(leader, &client).await?;
    }
    Ok(found)
}

/// The timestamp of the line that marks a kill.
fn time_of_kill(client_log: &Path, round: usize) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(client_log)?;
    let marked = text.lines().rev().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let fields = &line["fields"];
        let marks = fields["message"] == KILLED && fields["round"] == round;
        marks.then(|| line["timestamp"].as_str().map(str::to_owned))?
    });
    marked.context("the client's log does not show the kill")
}

async fn write(client: &Client, key: String) -> anyhow::Result<()> {
    let put = Put { key: key.into(), value: Bytes::from_static(&[b'v'; 256]), prev_kv: false };
    client.put(put).await?;
    Ok(())
}
