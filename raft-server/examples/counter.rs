//! A replicated counter: three nodes in one process, with in-memory logs and transports.
//! `cargo run --release -p raft-server --example counter --no-default-features`
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::sync::Arc;

use bytes::Bytes;
use raft_core::ports::{
    ApplyError, PeerAddress, QueryError, SnapshotSource, StateMachine, StorageFailure, Transport,
};
use raft_core::{ClusterId, Config, GroupId, Identity, Incarnation, Settings};
use raft_core::{LogId, LogIndex, Membership, NodeId};
use raft_server::{BoxError, Consistency, Node, NodeHandle};
use raft_storage::MemLogStore;
use raft_transport_mem::Hub;

/// The state machine. A command is a number to add, as one byte; every query returns the sum.
struct Counter(u64);

impl StateMachine for Counter {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(LogIndex::ZERO) // the state is in memory: a restart applies the whole log
    }
    fn apply(&mut self, _id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        self.0 += command.iter().copied().map(u64::from).sum::<u64>();
        Ok(self.0.to_string().into())
    }
    fn flush(&mut self, _applied: LogId) -> Result<(), StorageFailure> {
        Ok(())
    }
    fn query(&mut self, _query: &Bytes) -> Result<Bytes, QueryError> {
        Ok(self.0.to_string().into())
    }
    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(LogIndex::ZERO) // nothing survives a crash: the log or a snapshot must contain it
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
    // Every node needs a different seed.
    let config = Config::new(identity, node.get(), Settings::default())?;
    let node = Node::builder()
        .config(config)
        .bootstrap(Membership::of_voters(members))
        .peers(members.map(|node| PeerAddress::new(node, "")).into())
        .state_machine(Counter(0))
        .store(MemLogStore::new())
        .transport(move |inbox| Ok(Arc::new(hub.join(node, inbox)) as Arc<dyn Transport>));
    Ok(node.start().await?)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (hub, members) = (Hub::new(), [NodeId(1), NodeId(2), NodeId(3)]);
    let first = start(hub.clone(), members[0], members).await?;
    let _others =
        (start(hub.clone(), members[1], members).await?, start(hub, members[2], members).await?);
    first.campaign().await;
    first.subscribe().wait_for(|known| known.leader == Some(members[0])).await?;
    for step in 1..=5 {
        println!("added {step}: {:?}", first.propose(Bytes::from(vec![step])).await?);
    }
    println!("linearizable read: {:?}", first.read(Bytes::new(), Consistency::Linearizable).await?);
    Ok(())
}
