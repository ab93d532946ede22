//! Measures a cluster of `raft-server` processes on this machine: QUIC with mutual TLS, RocksDB,
//! synced writes. Prints throughput, latency, the CPU time of the nodes and the time of failovers,
//! and writes the figures to `bench/load.json` in the target directory.

mod failover;
mod idle;
mod measure;
mod report;
mod timeline;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use bench::cluster::{Cluster, Setup};
use bytes::Bytes;
use clap::Parser;
use raft_server::kv::client::{Client, Retry};
use tokio::task::JoinSet;

use idle::IdleConnections;
use measure::{Case, Kind};
use report::Report;

/// Measures a cluster of three processes on this machine.
#[derive(Parser, Debug)]
struct Args {
    /// Concurrent clients, each with one request at a time
    #[arg(long, value_delimiter = ',', default_value = "1,64,256")]
    clients: Vec<usize>,
    /// Connections that the clients share
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Idle connections to the leader, opened first
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// Measured time of each case, in seconds
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Time of each case before the measurement, in seconds
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Size of each value, in bytes
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Number of keys
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Write in sessions (exactly once) instead of without
    #[arg(long)]
    sessions: bool,
    /// Number of times that the leader is killed
    #[arg(long, default_value_t = 10)]
    failovers: usize,
    /// Measure failovers only
    #[arg(long)]
    failovers_only: bool,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Program of the nodes [default: raft-server beside this program]
    #[arg(long)]
    server: Option<PathBuf>,
    /// Directory for the nodes' data [default: a temporary directory]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// File for the figures, as JSON [default: bench/load.json in the target directory]
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut runtime = match args.threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    runtime.enable_all().build()?.block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let built = own.parent().context("this program is in no directory")?;
    let server = args.server.clone().unwrap_or_else(|| built.join("raft-server"));
    ensure!(
        server.exists(),
        "{} is missing: build it with `cargo build --release -p raft-server`, or name it with \
         --server",
        server.display()
    );
    let json = match (&args.json, built.parent()) {
        (Some(json), _) => json.clone(),
        (None, Some(target)) => target.join("bench/load.json"),
        (None, None) => "load.json".into(),
    };
    let temporary = tempfile::tempdir()?;
    // Paths in a configuration are relative to the directory of its file.
    let dir = std::path::absolute(args.dir.as_deref().unwrap_or_else(|| temporary.path()))?;
    let setup = Setup { server, dir: dir.clone(), keys: String::new(), proxied: false };
    let mut cluster = Cluster::start(&setup).await?;
    let mut report = Report::default();
    let idle = match args.idle {
        0 => None,
        count => Some(open_idle(count, &cluster, &mut report).await?),
    };
    if !args.failovers_only {
        measure_cases(&args, &cluster, &mut report).await?;
    }
    if args.failovers > 0 {
        let client_log = dir.join("client.log");
        failover::log_client_to(&client_log)?;
        report.failovers(failover::run(&mut cluster, args.failovers, &client_log).await?);
    }
    if let Some(idle) = idle {
        report.idle_left(idle.count());
    }
    report.write(&json)?;
    Ok(())
}

/// Opens idle connections to the leader and reports the leader's memory before and after.
async fn open_idle(
    count: usize,
    cluster: &Cluster,
    report: &mut Report,
) -> anyhow::Result<IdleConnections> {
    let leader = cluster.leader(&cluster.client(Retry::WhenSafe)?).await?;
    let before = cluster.memory_bytes(leader)?;
    let idle = IdleConnections::open(count, cluster.client_address(leader)?, cluster.tls()).await?;
    report.idle(count, before, cluster.memory_bytes(leader)?);
    Ok(idle)
}

/// Measures writes, then reads, with each number of clients.
async fn measure_cases(args: &Args, cluster: &Cluster, report: &mut Report) -> anyhow::Result<()> {
    report.head();
    for kind in [Kind::Writes, Kind::Reads] {
        for clients in &args.clients {
            let case = Case {
                kind,
                clients: (*clients).max(1),
                warm_up: Duration::from_secs_f64(args.warm_up),
                measured: Duration::from_secs_f64(args.seconds),
                value_bytes: args.value_bytes,
                keys: args.keys.max(1),
            };
            let shared = connections(cluster, args, case.clients)?;
            connect(&shared).await?;
            report.case(measure::run(&case, &shared, cluster).await?);
        }
    }
    Ok(())
}

/// The clients' connections, at most one for each client.
fn connections(cluster: &Cluster, args: &Args, clients: usize) -> anyhow::Result<Vec<Client>> {
    let retry = if args.sessions { Retry::ExactlyOnce } else { Retry::WhenSafe };
    (0..args.connections.clamp(1, clients)).map(|_| cluster.client(retry)).collect()
}

/// Connects each client to the leader, so that no handshake is part of a measurement.
async fn connect(clients: &[Client]) -> anyhow::Result<()> {
    /// Clients that connect at a time.
    const CONNECTING_MAX: usize = 32;
    let mut connecting = JoinSet::new();
    for client in clients {
        if connecting.len() >= CONNECTING_MAX {
            connected(&mut connecting).await?;
        }
        let client = client.clone();
        connecting.spawn(async move { client.get(Bytes::from_static(b"connect")).await.map(drop) });
    }
    while !connecting.is_empty() {
        connected(&mut connecting).await?;
    }
    Ok(())
}

/// Waits for the next client that connects.
async fn connected(
    connecting: &mut JoinSet<Result<(), raft_server::kv::client::Error>>,
) -> anyhow::Result<()> {
    let connected = connecting.join_next().await.context("no client is connecting")?;
    connected?.context("a client cannot connect")
}
