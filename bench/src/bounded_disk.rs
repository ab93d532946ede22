//! Shows that the log and the snapshots of a cluster stay within their budget, however much is
//! written, and that the recovery after a crash does not depend on that.
//!
//! Writes to a cluster of three processes, prints the bytes on disk in intervals, kills a follower
//! and then the leader with SIGKILL, and prints how long each takes to return. Writes the figures to
//! `bench/bounded-disk.json` in the target directory.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::cluster::{Cluster, Setup};
use bytes::Bytes;
use clap::Parser;
use raft_server::kv::client::{Client, Error, Retry};
use raft_server::kv::state_machine::Put;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const MIB: u64 = 1 << 20;
const NODES: usize = 3;
/// Parts of the run after which the bytes on disk are printed.
const SAMPLES: u64 = 10;

/// Writes until the disk would be full without compaction.
#[derive(Parser, Debug)]
struct Args {
    /// Writes
    #[arg(long, default_value_t = 2_000_000)]
    writes: u64,
    /// Size of each value, in bytes
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Number of keys
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Concurrent clients, each with one request at a time
    #[arg(long, default_value_t = 256)]
    clients: usize,
    /// Most bytes that log and snapshots of a node may take at the end, in MiB
    #[arg(long, default_value_t = 512)]
    budget: u64,
    /// Program of the nodes [default: raft-server beside this program]
    #[arg(long)]
    server: Option<PathBuf>,
}

/// The bytes of one node's files.
#[derive(Clone, Copy, Default, Debug)]
struct OnDisk {
    log: u64,
    snapshots: u64,
    store: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let built = own.parent().context("this program is in no directory")?;
    let target = built.parent().context("this program is in no target directory")?;
    let temporary = tempfile::tempdir()?;
    let setup = Setup {
        server: args.server.clone().unwrap_or_else(|| built.join("raft-server")),
        dir: temporary.path().to_owned(),
        keys: String::new(),
        proxied: false,
    };
    let mut cluster = Cluster::start(&setup).await?;
    let client = cluster.client(Retry::WhenSafe)?;
    let samples = write_all(&args, &cluster, &client, &setup.dir).await?;

    let leader = cluster.leader(&client).await?;
    let follower = (0..NODES).find(|place| *place != leader).context("three nodes")?;
    let follower_seconds = recovery(&mut cluster, &client, follower).await?;
    let leader_seconds = recovery(&mut cluster, &client, leader).await?;
    println!(
        "recovery after SIGKILL: follower {follower_seconds:.2} s, leader {leader_seconds:.2} s"
    );

    let file = target.join("bench/bounded-disk.json");
    fs::create_dir_all(target.join("bench"))?;
    let figures = json!({
        "writes": args.writes,
        "value_bytes": args.value_bytes,
        "samples": samples,
        "recovery_follower_seconds": follower_seconds,
        "recovery_leader_seconds": leader_seconds,
    });
    fs::write(&file, format!("{figures:#}\n"))?;
    for place in 0..NODES {
        let OnDisk { log, snapshots, .. } = on_disk(&setup.dir, place)?;
        let bytes = log + snapshots;
        let budget = args.budget * MIB;
        ensure!(bytes <= budget, "node {} has {bytes} bytes of log and snapshots", place + 1);
    }
    Ok(())
}

/// Writes in parts, and prints the bytes on disk after each.
async fn write_all(
    args: &Args,
    cluster: &Cluster,
    client: &Client,
    dir: &Path,
) -> anyhow::Result<Vec<Value>> {
    println!("  writes  seconds  first index  log MiB  snapshots MiB  store MiB   (largest node)");
    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut samples = Vec::new();
    for part in 1..=SAMPLES {
        let end = args.writes * part / SAMPLES;
        let mut writers = JoinSet::new();
        for _ in 0..args.clients {
            let writer = write(client.clone(), Arc::clone(&next), end, args.keys, args.value_bytes);
            writers.spawn(writer);
        }
        while let Some(written) = writers.join_next().await {
            written??;
        }
        next.store(end, Ordering::Relaxed);
        let seconds = started.elapsed().as_secs_f64();
        let leader = cluster.leader(client).await?;
        let first_index = cluster.status(client, leader).await?.first_index;
        let mut largest = OnDisk::default();
        for place in 0..NODES {
            let found = on_disk(dir, place)?;
            largest.log = largest.log.max(found.log);
            largest.snapshots = largest.snapshots.max(found.snapshots);
            largest.store = largest.store.max(found.store);
        }
        let OnDisk { log, snapshots, store } = largest;
        println!(
            "{end:8}  {seconds:7.1}  {:11}  {:7}  {:13}  {:9}",
            first_index.get(),
            log / MIB,
            snapshots / MIB,
            store / MIB
        );
        samples.push(json!({
            "writes": end, "seconds": seconds, "first_index": first_index.get(),
            "log_bytes": log, "snapshot_bytes": snapshots, "store_bytes": store,
        }));
    }
    Ok(samples)
}

/// Writes until the shared count has reached `end`.
async fn write(
    client: Client,
    next: Arc<AtomicU64>,
    end: u64,
    keys: u64,
    value_bytes: usize,
) -> anyhow::Result<()> {
    let value = Bytes::from(vec![b'v'; value_bytes]);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return Ok(());
        }
        let key = Bytes::from(format!("key-{}", number % keys));
        match client.put(Put { key, value: value.clone(), prev_kv: false }).await {
            // An overloaded machine may change its leader; what is on disk does not depend on that.
            Ok(_) | Err(Error::Unknown { .. } | Error::Unavailable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills a node, starts it again, and returns the seconds until it has applied what was committed.
async fn recovery(cluster: &mut Cluster, client: &Client, place: usize) -> anyhow::Result<f64> {
    cluster.kill(place).await?;
    // The others elect a leader first, so that only the recovery of this node is measured.
    cluster.leader(client).await?;
    let started = Instant::now();
    cluster.restart(place, client).await?;
    Ok(started.elapsed().max(Duration::from_millis(1)).as_secs_f64())
}

fn on_disk(dir: &Path, place: usize) -> io::Result<OnDisk> {
    let data = dir.join(format!("data{}", place + 1));
    Ok(OnDisk {
        log: bytes_below(&data.join("log"))?,
        snapshots: bytes_below(&data.join("snapshots"))?,
        store: bytes_below(&data.join("store"))?,
    })
}

/// The bytes of all files below a directory. Files that are removed meanwhile do not count.
fn bytes_below(directory: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
