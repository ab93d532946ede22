//! Reads that use memory only.

use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

use raft_server::kv::state_machine::{KvOptions, QueryResultBody, RangeRequest, Revision};

use super::store::{OPTIONS, Store, key, put};

/// Counts blocks that this thread reads from table files.
struct BlockReads(PerfContext);

impl BlockReads {
    fn count() -> Self {
        set_perf_stats(PerfStatsLevel::EnableCount);
        let mut context = PerfContext::default();
        context.reset();
        Self(context)
    }

    fn since_last(&mut self) -> u64 {
        let count = self.0.metric(PerfMetric::BlockReadCount);
        self.0.reset();
        count
    }
}

/// The thread that drives Raft uses this read and must not wait for the disk.
#[test]
fn read_in_memory_never_reads_a_table_file() {
    let mut store = Store::with_options(OPTIONS);
    for number in 0..100 {
        store.run(put(&format!("k{number}"), "value"));
    }
    // Recovery writes everything to table files; none of their blocks has been read.
    assert_eq!(store.crash_and_replay(), 0);
    let reader = store.machine().reader();
    let mut blocks = BlockReads::count();
    let request = RangeRequest::new(key("k7"));

    assert_eq!(reader.range_in_memory(&request).unwrap(), None);
    assert_eq!(blocks.since_last(), 0, "a read in memory has read a block");

    let found = reader.range(&request).unwrap();
    assert!(
        matches!(&found.body, QueryResultBody::Range(result) if result.kvs[0].value == "value")
    );
    assert!(blocks.since_last() > 0, "the data was not cold");

    assert_eq!(reader.range_in_memory(&request).unwrap(), Some(found));
    assert_eq!(blocks.since_last(), 0, "a read in memory has read a block");
}

/// The newest writes are in the write buffer.
#[test]
fn recently_written_key_is_read_in_memory() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    let reader = store.machine().reader();
    for name in ["a", "b"] {
        let request = RangeRequest::new(key(name));
        let found = reader.range_in_memory(&request).unwrap();
        assert_eq!(found, Some(reader.range(&request).unwrap()));
    }
}

#[test]
fn ranges_and_past_revisions_are_not_read_in_memory() {
    let mut store = Store::new();
    store.run(put("a", "1"));
    let reader = store.machine().reader();
    let mut past = RangeRequest::new(key("a"));
    past.revision = Some(Revision(1));
    let range = RangeRequest::new(super::store::prefix("a"));
    for request in [past, range] {
        assert_eq!(reader.range_in_memory(&request).unwrap(), None);
    }
}

/// Each write sets the key and the revision; no result may have one without the other.
#[test]
fn read_in_memory_during_writes_is_of_one_state() {
    const WRITES: u64 = 3_000;
    let mut store = Store::with_options(KvOptions { write_buffer_bytes: 8 << 20, ..OPTIONS });
    store.run(put("a", "first"));
    let reader = store.machine().reader();
    std::thread::scope(|scope| {
        let readings = scope.spawn(|| {
            let request = RangeRequest::new(key("a"));
            let mut reads = 0;
            loop {
                let Some(found) = reader.range_in_memory(&request).unwrap() else { continue };
                let QueryResultBody::Range(result) = &found.body else { panic!("{found:?}") };
                assert_eq!(result.kvs[0].mod_revision, found.revision);
                reads += 1;
                if found.revision >= Revision(WRITES) {
                    return reads;
                }
            }
        });
        for number in 1..=WRITES {
            store.run(put("a", &number.to_string()));
        }
        assert!(readings.join().unwrap() > 0);
    });
}
