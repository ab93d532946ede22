//! Reads of keys that are on disk only.

use bytes::Bytes;
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

use super::setup::within;
use super::single::SingleNode;

/// The runtime of this test has one thread, which drives Raft and serves clients: a read that
/// waits for the disk there delays heartbeats.
#[tokio::test]
async fn cold_read_does_not_wait_for_the_disk_on_the_thread_that_drives_raft() {
    let kvs = (0..100).map(|number| (format!("k{number}"), Bytes::from_static(b"value")));
    let node = SingleNode::with_cold_store(kvs, |_| {}).await;
    let client = node.client();
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    for _ in 0..3 {
        let found = within(client.get("k7".into())).await.unwrap().value.unwrap();
        assert_eq!(found.value, "value");
    }
    let blocks_read = context.metric(PerfMetric::BlockReadCount);
    assert_eq!(blocks_read, 0, "the thread of the runtime has read table files");
}
