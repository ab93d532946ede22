//! The leader is killed repeatedly under load, and no acknowledged write is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::NodeId;
use raft_server::kv::client::{Client, Error};
use raft_server::kv::protocol::MemberChange;
use raft_server::kv::state_machine::{Put, Revision};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::Cluster;
use super::history::{Acknowledged, History};
use super::operations;
use super::poll::PATIENCE;

/// Rounds without `CRASH_LOOP_ROUNDS`.
const ROUNDS_DEFAULT: usize = 20;
const WRITERS: usize = 8;
const READERS: usize = 2;
/// Keys of one writer: few, so that each is written often.
const KEYS: u64 = 32;

/// The main guarantee of the server: after each SIGKILL of the leader under load and its restart,
/// wiped and replaced members, transfers and changes of the membership, every node has every acknowledged write at its revision, and reads never go back in time.
#[test]
fn no_acknowledged_write_is_lost() {
    let rounds = std::env::var("CRASH_LOOP_ROUNDS").ok();
    let rounds = rounds.map(|rounds| rounds.parse().expect("CRASH_LOOP_ROUNDS is a number"));
    let faults = if rounds.is_some() { Faults::Every } else { Faults::Kills };
    let rounds = rounds.unwrap_or(ROUNDS_DEFAULT);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(rounds, faults));
}

/// What happens in the rounds of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Faults {
    /// The leader is killed in each round. Tests of their own change the members.
    Kills,
    /// Leaders are killed, members wiped and replaced, demoted and promoted, and the leadership is
    /// transferred, at random.
    Every,
}

async fn run(rounds: usize, faults: Faults) {
    let mut cluster = Cluster::started(3);
    let client = cluster.client();
    cluster.leader(&client).await;
    let load = Load::start(&cluster);
    let seed = std::env::var("CRASH_LOOP_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("crash loop: CRASH_LOOP_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut failovers = Vec::new();
    let mut counts = [0; 4];
    for round in 1..=rounds {
        load.next_acknowledgement().await;
        let leader = cluster.leader(&client).await;
        let follower = (leader + rng.u64(0..2)) % 3 + 1;
        // The first rounds of a short run are of every kind.
        let kind = match faults {
            Faults::Kills => 0,
            Faults::Every if round <= 4 => round - 1,
            Faults::Every => rng.usize(0..7).saturating_sub(3),
        };
        counts[kind] += 1;
        match kind {
            0 => failovers.push(kill_leader(&mut cluster, &client, &load, leader).await),
            1 => wipe(&mut cluster, &client, follower, rng.bool()).await,
            2 => {
                // The leader may have changed; then the target leads already, or is refused.
                let _ = client.transfer(Some(NodeId(follower))).await;
            }
            _ => {
                operations::until_pinned(&client).await;
                let demote = MemberChange::Demote { node: NodeId(follower) };
                operations::change(&client, demote).await;
                operations::promote(&client, follower).await;
            }
        }
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
        "crash loop: {rounds} rounds (leaders killed, members wiped, transfers, demotions \
         {counts:?}), writes acknowledged {}, writes lost {lost}, unknown outcomes {}, reads {reads}, \
         failover median {:?}, worst {:?}",
        history.acknowledged.len(),
        history.unknown,
        failovers[failovers.len() / 2],
        failovers[failovers.len() - 1],
    );
    assert_eq!(lost, 0);
    assert!(history.acknowledged.len() > rounds, "hardly anything was written");
    assert!(reads > rounds, "hardly anything was read");
}

/// Kills the leader and starts it again. Returns how long no write was acknowledged.
async fn kill_leader(cluster: &mut Cluster, client: &Client, load: &Load, leader: u64) -> Duration {
    let killed = Instant::now();
    cluster.kill(leader);
    load.next_acknowledgement().await;
    let failover = killed.elapsed();
    cluster.start(leader);
    cluster.until(client, leader, |report| report.leader.is_some()).await;
    failover
}

/// Wipes the data directory of a follower, with and without `--bootstrap` at its next start, and has
/// the cluster admit the new one.
async fn wipe(cluster: &mut Cluster, client: &Client, follower: u64, bootstrap: bool) {
    operations::until_pinned(client).await;
    cluster.kill(follower);
    std::fs::remove_dir_all(cluster.data_dir(follower)).unwrap();
    cluster.start_with(follower, bootstrap);
    operations::replace(cluster, client, follower).await;
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
