//! One case: concurrent clients in a closed loop, each with one request at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bench::cluster::Cluster;
use bytes::Bytes;
use hdrhistogram::Histogram;
use raft_server::kv::client::Client;
use raft_server::kv::state_machine::Put;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The kind of request.
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

/// The results of a case.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    pub(crate) clients: usize,
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// CPU time of all nodes.
    pub(crate) cpu: Duration,
}

/// The state that all clients of a case share.
struct Shared {
    kind: Kind,
    value: Bytes,
    keys: u64,
    /// The number of the next operation; it selects the key.
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
        clients.spawn(send_requests(client.clone(), Arc::clone(&shared)));
    }
    tokio::time::sleep_until(from).await;
    let cpu_before = cluster.cpu_time()?;
    tokio::time::sleep_until(shared.until).await;
    let cpu = cluster.cpu_time()?.saturating_sub(cpu_before);
    let mut latencies = Histogram::<u64>::new(3)?;
    while let Some(recorded) = clients.join_next().await {
        latencies.add(recorded??)?;
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

/// Sends requests until the end of the case. Requests that complete in the measured time count.
async fn send_requests(client: Client, shared: Arc<Shared>) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed) % shared.keys;
        let key = Bytes::from(format!("key-{number:08}"));
        let begun = Instant::now();
        match shared.kind {
            Kind::Writes => {
                let put = Put { key, value: shared.value.clone(), prev_kv: false };
                client.put(put).await.context("a write failed")?;
            }
            Kind::Reads => {
                client.get(key).await.context("a read failed")?;
            }
        }
        let completed = Instant::now();
        if completed >= shared.until {
            return Ok(latencies);
        }
        if completed >= shared.from {
            let micros = completed.duration_since(begun).as_micros();
            latencies.record(u64::try_from(micros)?)?;
        }
    }
}
