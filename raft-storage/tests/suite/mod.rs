//! The conformance suite on our own stores.

mod mem {
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

    /// A fork of a simulation must not write to the original.
    #[test]
    fn clone_is_an_independent_copy() {
        raft_storage::conformance::appended_entries_are_recovered(&mut InMemory::default());
        let original = MemLogStore::new();
        let mut fork = original.clone();
        let hard_state = raft_core::HardState { term: 7.into(), ..Default::default() };
        fork.force_hard_state(hard_state);
        assert_eq!(original.hard_state(), raft_core::HardState::default());
        assert_eq!(fork.restarted().hard_state(), hard_state);
    }
}

#[cfg(feature = "rocksdb")]
mod rocks {
    use raft_storage::conformance::StoreFactory;
    use raft_storage::{RocksLogStore, RocksOptions};
    use tempfile::TempDir;

    use crate::directory::IDENTITY;

    struct OnDisk {
        directory: TempDir,
        options: RocksOptions,
    }

    impl OnDisk {
        fn new(options: RocksOptions) -> Self {
            Self { directory: TempDir::new().expect("a temporary directory"), options }
        }
    }

    impl StoreFactory for OnDisk {
        type Store = RocksLogStore;

        fn open(&mut self) -> RocksLogStore {
            RocksLogStore::open(self.directory.path(), IDENTITY, self.options).expect("opens")
        }
    }

    raft_storage::log_store_suite!(OnDisk::new(RocksOptions::default()));

    /// Buffers so small that every rule meets flushed files, several levels and records of a few
    /// entries.
    mod with_small_buffers {
        use super::{OnDisk, RocksOptions};

        const SMALL: RocksOptions =
            RocksOptions { write_buffer_bytes: 64 << 10, record_bytes_max: 200 };

        raft_storage::log_store_suite!(OnDisk::new(SMALL));
    }
}
