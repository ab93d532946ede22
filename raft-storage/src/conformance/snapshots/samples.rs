//! Sample snapshots, and how the rules write and read them.
#![allow(clippy::cast_possible_truncation, reason = "the samples are a few megabytes at most")]

use raft_core::ports::{SnapshotMetadata, SnapshotReader, SnapshotStore, SnapshotWriter};
use raft_core::{LogId, LogIndex, Membership, NodeId, Prng, Term};

/// Sizes around those of buffers and chunks, and none.
pub(super) const SIZES: [usize; 8] = [0, 1, 4095, 65_535, 65_536, 65_537, 200_000, (5 << 20) + 3];

/// A snapshot and its data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sample {
    pub(super) metadata: SnapshotMetadata,
    pub(super) data: Vec<u8>,
}

/// A snapshot of this size up to this entry. The data depends on both.
pub(super) fn sample(term: u64, index: u64, size: usize) -> Sample {
    let mut generator = Prng::new(term << 40 ^ index << 24 ^ size as u64);
    let mut data = Vec::with_capacity(size + 7);
    while data.len() < size {
        data.extend_from_slice(&generator.next_u64().to_le_bytes());
    }
    data.truncate(size);
    let metadata = SnapshotMetadata {
        last: LogId::new(Term(term), LogIndex(index)),
        membership: (LogIndex(index / 2), Membership::of_voters([1, 2, index].map(NodeId))),
        size_bytes: size as u64,
        checksum: crc32c::crc32c(&data),
    };
    Sample { metadata, data }
}

/// Writes a snapshot of the own state machine in parts of this length.
pub(super) fn write(store: &impl SnapshotStore, sample: &Sample, part: usize) {
    let SnapshotMetadata { last, membership, .. } = sample.metadata.clone();
    let mut writer = store.create(last, membership).expect("begins");
    write_parts(&mut *writer, &sample.data, part);
    assert_eq!(writer.finish().expect("publishes"), sample.metadata);
}

/// Writes the rest of the data, in parts.
pub(super) fn write_parts(writer: &mut dyn SnapshotWriter, data: &[u8], part: usize) {
    for bytes in data[writer.offset() as usize..].chunks(part) {
        let offset = writer.offset();
        writer.write(bytes).expect("writes");
        assert_eq!(writer.offset(), offset + bytes.len() as u64);
    }
}

/// Checks that the store holds exactly these snapshots, and reads them.
pub(super) fn assert_holds(store: &impl SnapshotStore, expected: &[&Sample]) {
    let metadata: Vec<_> = expected.iter().map(|sample| sample.metadata.clone()).collect();
    assert_eq!(store.list(), metadata);
    assert_eq!(store.latest(), metadata.last().cloned());
    for sample in expected {
        let mut reader = open(store, sample);
        assert_eq!(reader.metadata(), &sample.metadata);
        assert!(read_rest(&mut *reader, 10_000) == sample.data, "{:?}", sample.metadata);
    }
}

pub(super) fn open(store: &impl SnapshotStore, sample: &Sample) -> Box<dyn SnapshotReader> {
    store.open(sample.metadata.last).expect("opens").expect("exists")
}

pub(super) fn exists(store: &impl SnapshotStore, sample: &Sample) -> bool {
    store.open(sample.metadata.last).expect("is no error").is_some()
}

/// Reads up to the end with a buffer of this length.
pub(super) fn read_rest(reader: &mut dyn SnapshotReader, buffer_bytes: usize) -> Vec<u8> {
    let (mut data, mut buffer) = (Vec::new(), vec![0; buffer_bytes]);
    loop {
        match reader.read(&mut buffer).expect("reads") {
            0 => return data,
            length => data.extend_from_slice(&buffer[..length]),
        }
    }
}
