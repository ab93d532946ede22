//! The writes of clients, compared with the data of the nodes.

use std::collections::HashSet;
use std::path::Path;

use bytes::Bytes;
use raft_core::Identity;
use raft_server::kv::state_machine::{
    HashResult, KeyRange, KvOptions, KvReader, KvStateMachine, QueryResultBody, RangeRequest,
    Revision,
};

/// A write that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) revision: Revision,
}

/// The writes of a run.
#[derive(Default, Debug)]
pub(crate) struct History {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Writes with an unknown outcome.
    pub(crate) unknown: usize,
}

impl History {
    pub(crate) fn merge(histories: Vec<Self>) -> Self {
        histories.into_iter().fold(Self::default(), |mut all, one| {
            all.acknowledged.extend(one.acknowledged);
            all.unknown += one.unknown;
            all
        })
    }

    /// The acknowledged writes that the data of a stopped node does not have at their revision
    /// with their value, and the hash of all its data.
    pub(crate) fn missing_from(
        &self,
        data_dir: &Path,
        identity: Identity,
    ) -> (Vec<&Acknowledged>, HashResult) {
        let store = data_dir.join("store");
        let machine = KvStateMachine::open(&store, identity, &KvOptions::default()).unwrap();
        let reader = machine.reader();
        let missing = self.acknowledged.iter().filter(|write| !is_there(&reader, write)).collect();
        let QueryResultBody::Hash(hash) = reader.hash(None).unwrap().body else {
            panic!("the newest state has a hash")
        };
        (missing, hash)
    }

    /// Checks that every acknowledged write has a revision of its own.
    pub(crate) fn assert_revisions_are_distinct(&self) {
        let mut seen = HashSet::new();
        for write in &self.acknowledged {
            assert!(seen.insert(write.revision), "two writes have one revision: {write:?}");
        }
    }
}

fn is_there(reader: &KvReader, write: &Acknowledged) -> bool {
    let mut request = RangeRequest::new(KeyRange::Key(write.key.clone()));
    request.revision = Some(write.revision);
    let QueryResultBody::Range(found) = reader.range(&request).unwrap().body else { return false };
    found.kvs.first().is_some_and(|kv| kv.mod_revision == write.revision && kv.value == write.value)
}
