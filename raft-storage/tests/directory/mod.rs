//! The data directories of the tests: their identity, and copies of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use raft_core::{ClusterId, GroupId, Identity, Incarnation, NodeId};

/// The identity of the stores in these tests.
pub(crate) const IDENTITY: Identity = Identity {
    cluster: ClusterId(0xc1),
    group: GroupId(0),
    node: NodeId(1),
    incarnation: Incarnation(1),
};

/// Copies a directory with everything in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    for (path, bytes) in content(from) {
        let path = to.join(path.strip_prefix(from).expect("a file of the directory"));
        fs::create_dir_all(path.parent().expect("has a parent")).expect("creates");
        fs::write(path, bytes).expect("writes");
    }
}

/// Every file of a directory with its content.
pub(crate) fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(directory).expect("a directory") {
        let path = file.expect("a file").path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    found
}
