//! Installs a snapshot on a follower while clients write, over a connection that is cut three times,
//! and compares throughput and latency with the same load before and after.
//!
//! `install-bench [--mib MIB]`: three processes on this machine; the store holds 1 GiB by default.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use bench::cluster::{Cluster, Setup};
use bytes::Bytes;
use clap::Parser;
use hdrhistogram::Histogram;
use raft_server::kv::client::{Client, Retry};
use raft_server::kv::state_machine::Put;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The size of the values that fill the store.
const FILL_VALUE_BYTES: usize = 16 << 10;
/// Writes in flight while the store is filled.
const FILLERS: usize = 32;
/// The size of the values that are written meanwhile.
const VALUE_BYTES: usize = 256;
/// A follower that lacks more than this needs a snapshot.
const FOLLOWER_BYTES: usize = 16 << 20;
/// How often the traffic is cut, and how long: a connection does not outlast that.
const CUTS: u64 = 3;
const CUT: Duration = Duration::from_secs(4);
/// The time limit of the installation.
const INSTALL_TIME_MAX: Duration = Duration::from_secs(600);

/// Measures the installation of a snapshot under load.
#[derive(Parser, Debug)]
struct Args {
    /// Size of the store, in MiB
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Concurrent clients, each with one write at a time
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Measured time before and after the installation, in seconds
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Bytes of the snapshot that are sent in one second
    #[arg(long, default_value = "64MiB")]
    rate: String,
    /// Directory for the nodes' data [default: a temporary directory]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Clients that write all the time, each with one request at a time.
struct Load {
    recording: Arc<Mutex<Recording>>,
    clients: JoinSet<anyhow::Result<()>>,
    is_stopped: Arc<AtomicBool>,
}

/// The latencies since a measurement began.
struct Recording {
    begun: Instant,
    micros: Histogram<u64>,
}

/// The figures of one measurement.
struct Figures {
    per_second: f64,
    p99_ms: f64,
}

impl Load {
    fn start(client: &Client, count: usize) -> anyhow::Result<Self> {
        let recording = Recording { begun: Instant::now(), micros: Histogram::new(3)? };
        let recording = Arc::new(Mutex::new(recording));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..count {
            let (client, recording) = (client.clone(), Arc::clone(&recording));
            let is_stopped = Arc::clone(&is_stopped);
            clients.spawn(async move {
                let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
                while !is_stopped.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    write(&client, format!("load-{number}"), value.clone()).await?;
                    let micros = u64::try_from(begun.elapsed().as_micros())?;
                    lock(&recording).micros.record(micros)?;
                }
                Ok(())
            });
        }
        Ok(Self { recording, clients, is_stopped })
    }

    /// Begins a measurement.
    fn begin(&self) {
        let mut recording = lock(&self.recording);
        recording.begun = Instant::now();
        recording.micros.reset();
    }

    /// Ends a measurement and prints its figures.
    fn end(&self, name: &str) -> Figures {
        let recording = lock(&self.recording);
        let figures = Figures {
            per_second: recording.micros.len() as f64 / recording.begun.elapsed().as_secs_f64(),
            p99_ms: recording.micros.value_at_quantile(0.99) as f64 / 1e3,
        };
        let p50_ms = recording.micros.value_at_quantile(0.5) as f64 / 1e3;
        let Figures { per_second, p99_ms } = figures;
        println!(
            "{name:<16} {per_second:>8.0} writes/s  p50 {p50_ms:>7.2} ms  p99 {p99_ms:>7.2} ms"
        );
        figures
    }

    async fn measure(&self, name: &str, time: Duration) -> Figures {
        self.begin();
        tokio::time::sleep(time).await;
        self.end(name)
    }

    /// Stops the clients. A write that failed is an error.
    async fn stop(mut self) -> anyhow::Result<()> {
        self.is_stopped.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended??;
        }
        Ok(())
    }
}

fn lock(recording: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let server = own.with_file_name("raft-server");
    ensure!(server.exists(), "{} is missing: run `make build`", server.display());
    let temporary = tempfile::tempdir()?;
    let dir = std::path::absolute(args.dir.as_deref().unwrap_or_else(|| temporary.path()))?;
    let keys = format!(
        "compaction_kept_entries = 1000\ncompaction_kept_bytes = \"1MiB\"\n\
         compaction_follower_bytes = \"{FOLLOWER_BYTES}B\"\ncompaction_snapshot_bytes = \"4GiB\"\n\
         snapshot_bytes_per_second = \"{}\"\n",
        args.rate
    );
    let mut cluster = Cluster::start(&Setup { server, dir, keys, proxied: true }).await?;
    let client = cluster.client(Retry::WhenSafe)?;
    fill(&client, args.mib << 20).await?;

    let load = Load::start(&client, args.clients)?;
    let measured = Duration::from_secs(args.seconds);
    load.measure("before, warm-up", Duration::from_secs(3)).await;
    let before = load.measure("before", measured).await;
    let follower = (cluster.leader(&client).await? + 1) % 3;
    cluster.kill(follower).await?;
    fall_behind(&client).await?;
    let during = install(&mut cluster, &client, &load, follower, args.mib << 20).await?;
    load.measure("after, warm-up", Duration::from_secs(3)).await;
    let after = load.measure("after", measured).await;
    load.stop().await?;

    let throughput = during.per_second / f64::midpoint(before.per_second, after.per_second);
    let p99 = during.p99_ms / f64::midpoint(before.p99_ms, after.p99_ms);
    println!("throughput during the installation: {:.0} % of that without", throughput * 100.0);
    println!("p99 during the installation: {p99:.2} times that without");
    Ok(())
}

/// Writes values until the store holds `bytes`.
async fn fill(client: &Client, bytes: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    let count = bytes / FILL_VALUE_BYTES as u64;
    let mut writers = JoinSet::new();
    for writer in 0..FILLERS as u64 {
        let client = client.clone();
        writers.spawn(async move {
            for number in (writer..count).step_by(FILLERS) {
                // Not compressible.
                let value: Vec<u8> =
                    std::iter::repeat_with(|| fastrand::u8(..)).take(FILL_VALUE_BYTES).collect();
                write(&client, format!("fill-{number:08}"), value.into()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    println!("filled with {} MiB in {:.1} s", bytes >> 20, begun.elapsed().as_secs_f64());
    Ok(())
}

/// Writes so much that the stopped follower needs a snapshot.
async fn fall_behind(client: &Client) -> anyhow::Result<()> {
    let value = Bytes::from(vec![b'b'; FILL_VALUE_BYTES]);
    for number in 0..3 * FOLLOWER_BYTES / FILL_VALUE_BYTES {
        write(client, format!("behind-{}", number % 16), value.clone()).await?;
    }
    Ok(())
}

/// Starts the follower, cuts its traffic three times while it receives the snapshot, and waits until
/// it has caught up. Returns the figures of the load meanwhile.
async fn install(
    cluster: &mut Cluster,
    client: &Client,
    load: &Load,
    follower: usize,
    bytes: u64,
) -> anyhow::Result<Figures> {
    let leader = cluster.leader(client).await?;
    let target = cluster.status(client, leader).await?.commit_index;
    let forwarded_before = cluster.forwarded_bytes(follower);
    cluster.start_again(follower)?;
    load.begin();
    let begun = Instant::now();
    let mut cuts = 0;
    loop {
        ensure!(begun.elapsed() < INSTALL_TIME_MAX, "the follower does not catch up");
        let forwarded = cluster.forwarded_bytes(follower) - forwarded_before;
        if cuts < CUTS && forwarded > (cuts + 1) * bytes / (CUTS + 1) {
            cuts += 1;
            println!("  cut {cuts} after {} MiB", forwarded >> 20);
            cluster.cut(follower, true);
            tokio::time::sleep(CUT).await;
            cluster.cut(follower, false);
        }
        let status = cluster.status(client, follower).await;
        if status.is_ok_and(|status| status.applied_index >= target) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let figures = load.end("during");
    ensure!(cuts == CUTS, "the snapshot was installed after {cuts} cuts of {CUTS}");
    let forwarded = cluster.forwarded_bytes(follower) - forwarded_before;
    println!(
        "  installed in {:.1} s; {} MiB were forwarded for a store of {} MiB",
        begun.elapsed().as_secs_f64(),
        forwarded >> 20,
        bytes >> 20
    );
    Ok(figures)
}

async fn write(client: &Client, key: String, value: Bytes) -> anyhow::Result<()> {
    client.put(Put { key: key.into(), value, prev_kv: false }).await.context("a write failed")?;
    Ok(())
}
