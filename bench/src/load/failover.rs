//! How long the death of a leader is felt: from SIGKILL to the next acknowledged write.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use raft_server::client::{Client, Retry};
use raft_server::state_machine::kv::Put;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::Cluster;

/// Clients that write meanwhile.
const WRITERS: usize = 16;
/// How long the cluster is left alone before each round.
const CALM: Duration = Duration::from_millis(500);

/// Kills the leader so many times; returns how long each time took.
pub(crate) async fn run(cluster: &mut Cluster, rounds: usize) -> anyhow::Result<Vec<Duration>> {
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
    let mut found = Vec::new();
    for round in 0..rounds {
        write(&client, format!("calm-{round}")).await?;
        tokio::time::sleep(CALM).await;
        let leader = cluster.leader(&client).await?;
        let killed = Instant::now();
        cluster.kill(leader)?;
        // Asked after the process is gone: nobody but a new leader can acknowledge it.
        write(&client, format!("round-{round}")).await.context("no write after a failover")?;
        found.push(killed.elapsed());
        cluster.restart(leader, &client).await?;
    }
    Ok(found)
}

async fn write(client: &Client, key: String) -> anyhow::Result<()> {
    let put = Put { key: key.into(), value: Bytes::from_static(&[b'v'; 256]), prev_kv: false };
    client.put(put).await?;
    Ok(())
}
