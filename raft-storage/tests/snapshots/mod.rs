//! The conformance suite of snapshot stores on our own, and files after crashes and damage.

mod damage;
mod file;

mod mem {
    use raft_storage::MemSnapshotStore;
    use raft_storage::conformance::snapshots::SnapshotStoreFactory;

    #[derive(Default)]
    struct InMemory(MemSnapshotStore);

    impl SnapshotStoreFactory for InMemory {
        type Store = MemSnapshotStore;

        fn open(&mut self) -> MemSnapshotStore {
            self.0.restarted()
        }
    }

    raft_storage::snapshot_store_suite!(InMemory::default());
}

mod files {
    use raft_storage::FileSnapshotStore;
    use raft_storage::conformance::snapshots::SnapshotStoreFactory;
    use tempfile::TempDir;

    use crate::directory::IDENTITY;

    struct OnDisk(TempDir);

    impl OnDisk {
        fn new() -> Self {
            Self(TempDir::new().expect("a temporary directory"))
        }
    }

    impl SnapshotStoreFactory for OnDisk {
        type Store = FileSnapshotStore;

        fn open(&mut self) -> FileSnapshotStore {
            let store = FileSnapshotStore::open(self.0.path(), IDENTITY).expect("opens");
            assert_eq!(store.damaged(), []);
            store
        }
    }

    raft_storage::snapshot_store_suite!(OnDisk::new());
}
