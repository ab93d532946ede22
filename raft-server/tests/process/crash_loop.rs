//! The leader is killed repeatedly under load, and no acknowledged write is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use raft_server::kv::client::{Client, Error};
use raft_server::kv::state_machine::{Put, Revision};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::Cluster;
use super::history::{Acknowledged, History};
use super::poll::PATIENCE;

/// Rounds without `CRASH_LOOP_ROUNDS`.
const ROUNDS_DEFAULT: usize = 20;
const WRITERS: usize = 8;
const READERS: usize = 2;
/// Keys of one writer: few, so that each is written often.
const KEYS: u64 = 32;

/// The main guarantee of the server: after each SIGKILL of the leader under load and its restart,
/// every node has every acknowledged write at its revision, and reads never go back in time.
#[test]
fn no_acknowledged_write_is_lost() {
    let rounds = std::env::var("CRASH_LOOP_ROUNDS")
        .ok()
        .map_or(ROUNDS_DEFAULT, |rounds| rounds.parse().expect("CRASH_LOOP_ROUNDS is a number"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(rounds));
}

async fn run(rounds: usize) {
    let mut cluster = Cluster::started(3);
    let client = cluster.client();
    cluster.leader(&client).await;
    let load = Load::start(&cluster);
    let mut failovers = Vec::new();
    for round in 1..=rounds {
        let leader = cluster.leader(&client).await;
        load.next_acknowledgement().await;
        let killed = Instant::now();
        cluster.kill(leader);
        load.next_acknowledgement().await;
        failovers.push(killed.elapsed());
        cluster.start(leader);
        cluster.until(&client, leader, |report| report.leader.is_some()).await;
        if round % 50 == 0 {
            println!("round {round} of {rounds}");
        }
    }
    let (history, reads) = load.stop().await;
    settle(&cluster, &client).await;
    cluster.stop();
    let lost = verify(&cluster, &history);
    failovers.sort();
    println!(
        "crash loop: {rounds} rounds, writes acknowledged {}, writes lost {lost}, unknown outcomes \
         {}, reads {reads}, failover median {:?}, worst {:?}",
        history.acknowledged.len(),
        history.unknown,
        failovers[failovers.len() / 2],
        failovers[failovers.len() - 1],
    );
    assert_eq!(lost, 0);
    assert!(history.acknowledged.len() > rounds, "hardly anything was written");
    assert!(reads > rounds, "hardly anything was read");
}

/// Waits until every node has applied the last entry of the leader.
async fn settle(cluster: &Cluster, client: &Client) {
    let leader = cluster.leader(client).await;
    let last = cluster.until(client, leader, |_| true).await.last_log.index;
    for node in cluster.ids() {
        cluster.until(client, node, |report| report.applied_index >= last).await;
    }
}

/// Counts the acknowledged writes that a node has lost, and checks that all nodes hold the same data.
fn verify(cluster: &Cluster, history: &History) -> usize {
    history.assert_revisions_are_distinct();
    let mut lost = 0;
    let mut hashes = Vec::new();
    for node in cluster.ids() {
        let (missing, hash) = history.missing_from(&cluster.data_dir(node), cluster.identity(node));
        for write in missing.iter().take(10) {
            println!("node {node} lost {write:?}");
        }
        lost += missing.len();
        hashes.push(hash);
    }
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "the nodes differ: {hashes:?}");
    lost
}

/// The writers and readers.
struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<History>>,
    readers: Vec<JoinHandle<usize>>,
    /// When the newest acknowledged write was begun.
    newest: watch::Receiver<Instant>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, newest) = watch::channel(Instant::now());
        let writers = (0..WRITERS)
            .map(|name| tokio::spawn(write(name, cluster.client(), stop.clone(), sender.clone())))
            .collect();
        let readers = (0..READERS)
            .map(|name| tokio::spawn(read(name, cluster.client(), stop.clone())))
            .collect();
        Self { stop, writers, readers, newest }
    }

    /// Waits until a write is acknowledged that was begun after this call. A response that the killed
    /// leader had already sent does not count.
    async fn next_acknowledgement(&self) {
        let now = Instant::now();
        let mut newest = self.newest.clone();
        let acknowledged = newest.wait_for(|begun| *begun > now);
        tokio::time::timeout(PATIENCE, acknowledged)
            .await
            .expect("no write is acknowledged")
            .expect("the writers run");
    }

    async fn stop(self) -> (History, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let mut histories = Vec::new();
        for writer in self.writers {
            histories.push(writer.await.unwrap());
        }
        let mut reads = 0;
        for reader in self.readers {
            reads += reader.await.unwrap();
        }
        (History::merge(histories), reads)
    }
}

async fn write(
    name: usize,
    client: Client,
    stop: Arc<AtomicBool>,
    newest: watch::Sender<Instant>,
) -> History {
    let mut history = History::default();
    for serial in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = Bytes::from(format!("writer-{name}/{}", serial % KEYS));
        let value = Bytes::from(format!("{name}:{serial}:{}", "x".repeat(64)));
        let begun = Instant::now();
        let put = Put { key: key.clone(), value: value.clone(), prev_kv: false };
        match client.put(put).await {
            Ok(at) => {
                history.acknowledged.push(Acknowledged { key, value, revision: at.revision });
                newest.send_if_modified(|newest| {
                    let newer = begun > *newest;
                    *newest = begun.max(*newest);
                    newer
                });
            }
            Err(Error::Unknown { .. } | Error::OutputNotKept) => history.unknown += 1,
            // The write had no effect; the client has retried it up to its deadline.
            Err(Error::Unavailable { .. }) => {}
            Err(error) => panic!("a correct write was refused: {error}"),
        }
    }
    history
}

/// Reads one key of each writer in turn. The revisions of the store and of each key never fall.
async fn read(name: usize, client: Client, stop: Arc<AtomicBool>) -> usize {
    let mut reads = 0;
    let mut newest = Revision::ZERO;
    let mut modified = [Revision::ZERO; WRITERS];
    while !stop.load(Ordering::Relaxed) {
        let writer = reads % WRITERS;
        let Ok(at) = client.get(Bytes::from(format!("writer-{writer}/0"))).await else { continue };
        assert!(at.revision >= newest, "reader {name} went back from {newest} to {}", at.revision);
        newest = at.revision;
        let revision = at.value.map_or(Revision::ZERO, |kv| kv.mod_revision);
        let seen = &mut modified[writer];
        assert!(revision >= *seen, "reader {name} saw a key go back from {seen} to {revision}");
        *seen = revision;
        reads += 1;
    }
    reads
}
