//! Both stores pass the suite that other people's stores are given.

mod in_memory {
    use raft_storage::MemLogStore;
    use raft_storage::conformance::StoreFactory;

    #[derive(Default)]
    struct InMemory(MemLogStore);

    impl StoreFactory for InMemory {
        type Store = MemLogStore;

        fn open(&mut self) -> MemLogStore {
            self.0.restarted()
        }
    }

    raft_storage::log_store_suite!(InMemory::default());
}

#[cfg(feature = "rocksdb")]
mod on_disk {
    use raft_core::{ClusterId, GroupId, Identity, Incarnation, NodeId};
    use raft_storage::conformance::StoreFactory;
    use raft_storage::{RocksLogStore, RocksOptions};
    use tempfile::TempDir;

    struct OnDisk(TempDir, RocksOptions);

    impl OnDisk {
        fn with(options: RocksOptions) -> Self {
            Self(TempDir::new().unwrap(), options)
        }
    }

    impl StoreFactory for OnDisk {
        type Store = RocksLogStore;

        fn open(&mut self) -> RocksLogStore {
            let identity = Identity {
                cluster: ClusterId(9),
                group: GroupId(0),
                node: NodeId(1),
                incarnation: Incarnation(1),
            };
            RocksLogStore::open(self.0.path().join("log"), identity, self.1).unwrap()
        }
    }

    raft_storage::log_store_suite!(OnDisk::with(RocksOptions::default()));

    /// Records of a few entries, so that every change cuts, overwrites and skips some.
    mod with_small_records {
        use super::{OnDisk, RocksOptions};

        raft_storage::log_store_suite!(OnDisk::with(RocksOptions {
            record_bytes_max: 100,
            ..RocksOptions::default()
        }));
    }
}
