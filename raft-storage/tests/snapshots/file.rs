//! A snapshot in a file of its own.

use raft_core::{LogId, LogIndex, Membership, NodeId, Term};
use raft_storage::{SnapshotFileWriter, open_snapshot_file};
use tempfile::TempDir;

const LAST: LogId = LogId::new(Term(3), LogIndex(70));

fn membership() -> (LogIndex, Membership) {
    (LogIndex(9), Membership::of_voters([NodeId(1), NodeId(2)]))
}

#[test]
fn written_file_is_read_back_with_its_metadata() {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("backup");
    let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut writer = SnapshotFileWriter::create(&path, LAST, membership()).expect("creates");
    writer.write(&data).expect("writes");
    assert!(!path.exists(), "it is not complete");
    let metadata = writer.finish().expect("completes");
    assert_eq!((metadata.last, &metadata.membership), (LAST, &membership()));

    let mut reader = open_snapshot_file(&path).expect("opens");
    assert_eq!(*reader.metadata(), metadata);
    assert_eq!(reader.read_to_end(data.len()).expect("verifies"), data);
    let names: Vec<_> = directory.path().read_dir().expect("reads").flatten().collect();
    assert_eq!(names.len(), 1, "only the file remains: {names:?}");
}

#[test]
fn abandoned_file_leaves_nothing() {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("backup");
    let mut writer = SnapshotFileWriter::create(&path, LAST, membership()).expect("creates");
    writer.write(b"data").expect("writes");
    drop(writer);
    assert_eq!(directory.path().read_dir().expect("reads").count(), 0);
}
