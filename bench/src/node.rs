//! Measures the node of `raft-server` alone: three nodes in one process, without disks or sockets.
//!
//! `node-bench [CLIENTS]...`
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::process_cpu;
use bytes::Bytes;
use raft_core::ports::{
    ApplyError, PeerAddress, QueryError, SnapshotSource, StateMachine, StorageFailure, Transport,
};
use raft_core::{ClusterId, Config, GroupId, Identity, Incarnation, Settings};
use raft_core::{LogId, LogIndex, Membership, NodeId};
use raft_server::{BoxError, Consistency, Node, NodeHandle};
use raft_storage::MemLogStore;
use raft_transport_mem::Hub;

const COMMAND_BYTES: usize = 256;
const MEASURED: Duration = Duration::from_secs(3);

struct Bucket(u64);

impl StateMachine for Bucket {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(LogIndex::ZERO)
    }

    fn apply(&mut self, _id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        self.0 += command.len() as u64;
        Ok(Bytes::new())
    }

    fn flush(&mut self, _applied: LogId) -> Result<(), StorageFailure> {
        Ok(())
    }

    fn query(&mut self, _query: &Bytes) -> Result<Bytes, QueryError> {
        Ok(self.0.to_string().into())
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(LogIndex::ZERO)
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        Ok(Box::new(Bytes::copy_from_slice(&self.0.to_be_bytes())))
    }

    fn restore(
        &mut self,
        _applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        let state = source.read_to_end(size_of::<u64>())?;
        let sum = state.try_into().map_err(|_| StorageFailure { reason: "not a sum".into() })?;
        self.0 = u64::from_be_bytes(sum);
        Ok(())
    }
}

async fn start(hub: Hub, node: NodeId, members: [NodeId; 3]) -> Result<NodeHandle, BoxError> {
    let (cluster, group, incarnation) = (ClusterId(1), GroupId(0), Incarnation(1));
    let identity = Identity { cluster, group, node, incarnation };
    let node = Node::builder()
        .config(Config::new(identity, node.get(), Settings::default())?)
        .bootstrap(Membership::of_voters(members))
        .peers(members.map(|node| PeerAddress::new(node, "")).into())
        .state_machine(Bucket(0))
        .store(MemLogStore::new())
        .transport(move |inbox| Ok(Arc::new(hub.join(node, inbox)) as Arc<dyn Transport>));
    Ok(node.start().await?)
}

/// The request that each client repeats.
#[derive(Clone, Copy, Debug)]
enum Work {
    Write,
    Read,
}

async fn client(leader: NodeHandle, work: Work) -> Result<Vec<Duration>, BoxError> {
    let command = Bytes::from(vec![7; COMMAND_BYTES]);
    let mut latencies = Vec::new();
    let end = Instant::now() + MEASURED;
    loop {
        let started = Instant::now();
        match work {
            Work::Write => drop(leader.propose(command.clone()).await?),
            Work::Read => drop(leader.read(Bytes::new(), Consistency::Linearizable).await?),
        }
        let now = Instant::now();
        latencies.push(now - started);
        if now >= end {
            return Ok(latencies);
        }
    }
}

async fn measure(leader: &NodeHandle, work: Work, clients: usize) -> Result<(), BoxError> {
    let (started, cpu) = (Instant::now(), process_cpu());
    let clients_running: Vec<_> =
        (0..clients).map(|_| tokio::spawn(client(leader.clone(), work))).collect();
    let mut latencies = Vec::new();
    for running in clients_running {
        latencies.append(&mut running.await??);
    }
    let (elapsed, cpu) = (started.elapsed(), process_cpu().saturating_sub(cpu));
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
    let rate = latencies.len() as f64 / elapsed.as_secs_f64();
    let cost = cpu.as_secs_f64() * 1e6 / latencies.len() as f64;
    println!(
        "{work:?} {clients:>5} clients {rate:>9.0}/s  p50 {:>8.1?}  p99 {:>8.1?}  {cost:>6.2} us CPU each, three nodes and clients",
        at(50),
        at(99)
    );
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let mut clients: Vec<usize> =
        std::env::args().skip(1).map(|count| count.parse()).collect::<Result<_, _>>()?;
    if clients.is_empty() {
        clients = vec![1, 64, 256];
    }
    let (hub, members) = (Hub::new(), [NodeId(1), NodeId(2), NodeId(3)]);
    let leader = start(hub.clone(), members[0], members).await?;
    let others =
        (start(hub.clone(), members[1], members).await?, start(hub, members[2], members).await?);
    leader.campaign().await;
    leader.subscribe().wait_for(|known| known.leader == Some(members[0])).await?;
    leader.propose(Bytes::new()).await?;
    for clients in clients {
        measure(&leader, Work::Write, clients).await?;
        measure(&leader, Work::Read, clients).await?;
        let counters = leader.status().await.counters;
        println!(
            "   {} persists in {} batches, {} apply batches, {} messages sent",
            counters.persists,
            counters.persist_batches,
            counters.apply_batches,
            counters.messages_sent
        );
    }
    drop(others);
    Ok(())
}
