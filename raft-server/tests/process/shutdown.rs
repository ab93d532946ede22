//! The shutdown of a node, and its next start.

use bytes::Bytes;
use raft_server::kv::state_machine::Put;
use rustix::process::Signal;

use super::cluster::Cluster;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A restart by an operator: exit code 0, all data kept, the other nodes continue.
#[test]
fn sigterm_shuts_a_leader_down_in_order_and_the_others_continue() {
    block_on(async {
        let mut cluster = Cluster::started(3);
        let client = cluster.client();
        let put = |value: &'static str| Put {
            key: Bytes::from_static(b"key"),
            value: Bytes::from_static(value.as_bytes()),
            prev_kv: false,
        };
        client.put(put("before")).await.unwrap();
        let leader = cluster.leader(&client).await;
        cluster.signal(leader, Signal::TERM);
        assert_eq!(cluster.ended(leader).code(), Some(0), "{}", cluster.log(leader));
        assert!(cluster.log(leader).contains("leadership transferred"), "{}", cluster.log(leader));
        client.put(put("after")).await.unwrap();
        cluster.start(leader);
        let report = cluster.until(&client, leader, |report| report.leader.is_some()).await;
        assert_eq!(report.node.get(), leader);
        let read = client.get(Bytes::from_static(b"key")).await.unwrap();
        assert_eq!(read.value.unwrap().value, "after");
        cluster.stop();
    });
}
