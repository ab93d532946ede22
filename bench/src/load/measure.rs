//! One case: so many clients, each asking again as soon as it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use hdrhistogram::Histogram;
use raft_server::kv::client::Client;
use raft_server::kv::state_machine::Put;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::Cluster;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Puts.
    Writes,
    /// Linearizable reads of one key each.
    Reads,
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) clients: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) value_bytes: usize,
    pub(crate) keys: u64,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    pub(crate) clients: usize,
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// CPU time of all nodes together.
    pub(crate) cpu: Duration,
}

/// What all clients of a case share.
struct Shared {
    kind: Kind,
    value: Bytes,
    keys: u64,
    /// Numbers the operations, so that they go over all keys.
    next: AtomicU64,
    from: Instant,
    until: Instant,
}

/// Runs a case over these connections.
pub(crate) async fn run(
    case: &Case,
    connections: &[Client],
    cluster: &Cluster,
) -> anyhow::Result<Figures> {
    let from = Instant::now() + case.warm_up;
    let shared = Arc::new(Shared {
        kind: case.kind,
        value: Bytes::from(vec![b'v'; case.value_bytes]),
        keys: case.keys,
        next: AtomicU64::new(0),
        from,
        until: from + case.measured,
    });
    let mut clients = JoinSet::new();
    for client in connections.iter().cycle().take(case.clients) {
        clients.spawn(ask(client.clone(), Arc::clone(&shared)));
    }
    tokio::time::sleep_until(from).await;
    let cpu_before = cluster.cpu_time()?;
    tokio::time::sleep_until(shared.until).await;
    let cpu = cluster.cpu_time()?.saturating_sub(cpu_before);
    let mut latencies = Histogram::<u64>::new(3)?;
    while let Some(asked) = clients.join_next().await {
        latencies.add(asked??)?;
    }
    let quantile = |quantile| Duration::from_micros(latencies.value_at_quantile(quantile));
    Ok(Figures {
        kind: case.kind,
        clients: case.clients,
        operations: latencies.len(),
        elapsed: case.measured,
        p50: quantile(0.5),
        p99: quantile(0.99),
        cpu,
    })
}

/// Asks until time is up; what is answered within the measured span counts.
async fn ask(client: Client, shared: Arc<Shared>) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed) % shared.keys;
        let key = Bytes::from(format!("key-{number:08}"));
        let asked = Instant::now();
        match shared.kind {
            Kind::Writes => {
                let put = Put { key, value: shared.value.clone(), prev_kv: false };
                client.put(put).await.context("a write failed")?;
            }
            Kind::Reads => {
                client.get(key).await.context("a read failed")?;
            }
        }
        let answered = Instant::now();
        if answered >= shared.until {
            return Ok(latencies);
        }
        if answered >= shared.from {
            let micros = answered.duration_since(asked).as_micros();
            latencies.record(u64::try_from(micros)?)?;
        }
    }
}
