//! The store in files after a crash at any byte, and with damaged, foreign or missing files.
#![allow(clippy::cast_possible_truncation, reason = "the files are small")]

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use raft_core::ports::{SnapshotError, SnapshotMetadata, SnapshotStore};
use raft_core::{Identity, LogId, LogIndex, Membership, NodeId, Prng, Term};
use raft_storage::{FileSnapshotStore, OpenError};
use tempfile::TempDir;

use crate::directory::{IDENTITY, copy_directory};

const CHUNK_BYTES: usize = 64 << 10;
/// Two full chunks and a part of one.
const SIZE: usize = 2 * CHUNK_BYTES + 1000;
/// The number of bits of a file that are flipped one after the other.
const FLIPS: u64 = 300;

fn data(size: usize) -> Vec<u8> {
    let mut generator = Prng::new(size as u64);
    (0..size).map(|_| generator.next_u64() as u8).collect()
}

fn metadata(data: &[u8]) -> SnapshotMetadata {
    SnapshotMetadata {
        last: LogId::new(Term(2), LogIndex(7)),
        membership: (LogIndex(3), Membership::of_voters([1, 2, 3].map(NodeId))),
        size_bytes: data.len() as u64,
        checksum: crc32c::crc32c(data),
    }
}

fn open(directory: &Path) -> FileSnapshotStore {
    FileSnapshotStore::open(directory, IDENTITY).expect("opens")
}

/// Receives a snapshot completely. Returns the offset at which the reception began.
fn receive(store: &FileSnapshotStore, data: &[u8]) -> u64 {
    let mut writer = store.receive(&metadata(data)).expect("begins or continues");
    let offset = writer.offset();
    writer.write(&data[offset as usize..]).expect("writes");
    assert_eq!(writer.finish().expect("publishes"), metadata(data));
    offset
}

/// All data of the snapshot; the error if it is damaged.
fn read(store: &FileSnapshotStore, last: LogId) -> Result<Vec<u8>, String> {
    let mut reader = match store.open(last) {
        Ok(reader) => reader.expect("exists"),
        Err(error @ SnapshotError::Corrupt { .. }) => return Err(error.to_string()),
        Err(error) => panic!("{error}"),
    };
    let (mut found, mut buffer) = (Vec::new(), vec![0; 50_000]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(found),
            Ok(length) => found.extend_from_slice(&buffer[..length]),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// A directory with one complete snapshot, and its file.
fn with_snapshot(data: &[u8]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a temporary directory");
    receive(&open(directory.path()), data);
    let file = directory.path().join("7-2.snapshot");
    assert!(file.exists());
    (directory, file)
}

/// A directory with an interrupted reception, and its file.
fn with_reception(data: &[u8], received: usize) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(directory.path());
    let mut writer = store.receive(&metadata(data)).expect("begins");
    writer.write(&data[..received]).expect("writes");
    drop(writer);
    let file = directory.path().join("7-2.received");
    assert!(file.exists());
    (directory, file)
}

fn flip(file: &Path, bit: u64) {
    let mut bytes = fs::read(file).expect("reads");
    bytes[bit as usize / 8] ^= 1 << (bit % 8);
    fs::write(file, bytes).expect("writes");
}

fn cut(file: &Path, length: u64) {
    OpenOptions::new().write(true).open(file).expect("opens").set_len(length).expect("cuts");
}

/// Bits to flip: all of header and trailer, and some of the chunks.
fn chosen_bits(file: &Path, header_bytes: u64) -> Vec<u64> {
    let bits = fs::metadata(file).expect("exists").len() * 8;
    let mut generator = Prng::new(7);
    let chunks = (0..FLIPS).map(|_| generator.below(bits));
    (0..header_bytes * 8).chain(bits - 16 * 8..bits).chain(chunks).collect()
}

/// The length of a header is its prefix and the payload length in it.
fn header_bytes(file: &Path) -> u64 {
    let bytes = fs::read(file).expect("reads");
    16 + u64::from(u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes")))
}

#[test]
fn flipped_bit_in_a_snapshot_is_reported_wherever_it_is() {
    let data = data(SIZE);
    let (directory, file) = with_snapshot(&data);
    for bit in chosen_bits(&file, header_bytes(&file)) {
        flip(&file, bit);
        let store = open(directory.path());
        if store.list().is_empty() {
            let [damaged] = store.damaged() else { panic!("bit {bit}: not reported") };
            assert_eq!(damaged.path, file, "bit {bit}");
            assert!(store.open(metadata(&data).last).expect("is no error").is_none());
        } else {
            let error = read(&store, metadata(&data).last).expect_err("bit {bit} is not reported");
            assert!(error.contains("7-2.snapshot is damaged"), "bit {bit}: {error}");
        }
        drop(store);
        flip(&file, bit);
    }
    assert!(read(&open(directory.path()), metadata(&data).last) == Ok(data), "as before");
}

#[test]
fn damage_while_the_store_is_open_is_reported() {
    let data = data(SIZE);
    let (directory, file) = with_snapshot(&data);
    let store = open(directory.path());
    for bit in chosen_bits(&file, header_bytes(&file)) {
        flip(&file, bit);
        read(&store, metadata(&data).last).expect_err("bit {bit} is not reported");
        flip(&file, bit);
    }
    let length = fs::metadata(&file).expect("exists").len();
    for length in [0, 10, length / 2, length - 1] {
        let bytes = fs::read(&file).expect("reads");
        cut(&file, length);
        read(&store, metadata(&data).last).expect_err("cut to {length} bytes");
        fs::write(&file, bytes).expect("writes");
    }
    assert!(read(&store, metadata(&data).last) == Ok(data), "as before");
}

#[test]
fn snapshot_that_ends_too_early_is_reported_and_can_be_received_again() {
    let data = data(SIZE);
    let (directory, file) = with_snapshot(&data);
    let length = fs::metadata(&file).expect("exists").len();
    let header = header_bytes(&file);
    let lengths = [0, 8, header - 1, header, header + 4, length / 2, length - 16, length - 1];
    for length in lengths {
        cut(&file, length);
        let store = open(directory.path());
        assert_eq!(store.list(), [], "{length} bytes");
        assert_eq!(store.damaged().len(), 1, "{length} bytes");
        receive(&store, &data);
        assert!(read(&store, metadata(&data).last).as_ref() == Ok(&data), "received again");
    }
}

#[test]
fn chunk_of_another_place_or_of_another_snapshot_is_reported() {
    let data = data(SIZE);
    let (directory, file) = with_snapshot(&data);
    let header = header_bytes(&file) as usize;
    let record = CHUNK_BYTES + 4;
    let whole = fs::read(&file).expect("reads");
    let mut swapped = whole.clone();
    swapped[header..header + record].copy_from_slice(&whole[header + record..][..record]);
    swapped[header + record..][..record].copy_from_slice(&whole[header..][..record]);
    fs::write(&file, swapped).expect("writes");
    let error = read(&open(directory.path()), metadata(&data).last).expect_err("swapped");
    assert!(error.contains("the checksum of chunk 0 does not match"), "{error}");
    // The same data under another header.
    let mut other = data.clone();
    other[SIZE - 1] ^= 1;
    let (_other_directory, other_file) = with_snapshot(&other);
    let mut mixed = whole;
    mixed[header..header + record]
        .copy_from_slice(&fs::read(other_file).expect("reads")[header..][..record]);
    fs::write(&file, mixed).expect("writes");
    read(&open(directory.path()), metadata(&data).last).expect_err("a chunk of another file");
}

/// The checksum of the whole data is verified even if all chunks are intact.
#[test]
fn checksum_of_other_data_in_a_sound_trailer_is_reported() {
    let (directory, file) = (TempDir::new().expect("a temporary directory"), "9-2.snapshot");
    let store = open(directory.path());
    let last = LogId::new(Term(2), LogIndex(9));
    let mut writer = store.create(last, (LogIndex(3), Membership::default())).expect("begins");
    writer.write(&data(SIZE)).expect("writes");
    writer.finish().expect("publishes");
    drop(store);
    let path = directory.path().join(file);
    let mut bytes = fs::read(&path).expect("reads");
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    let header_crc = u32::from_le_bytes(bytes[12..16].try_into().expect("four bytes"));
    let crc = crc32c::crc32c_append(header_crc, &bytes[at - 8..at + 4]);
    bytes[at + 4..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).expect("writes");
    let error = read(&open(directory.path()), last).expect_err("the checksum of other data");
    assert!(error.contains("the checksum of its data does not match"), "{error}");
}

#[test]
fn snapshot_under_the_name_of_another_is_reported() {
    let data = data(100);
    let (directory, file) = with_snapshot(&data);
    fs::rename(&file, directory.path().join("8-2.snapshot")).expect("renames");
    let store = open(directory.path());
    assert_eq!(store.list(), []);
    assert!(store.damaged()[0].detail.contains("its name"), "{:?}", store.damaged());
}

/// Whatever a crash leaves of a reception, it is no snapshot, and the reception continues with
/// verified data.
#[test]
fn reception_cut_at_any_byte_continues_and_completes() {
    let data = data(SIZE);
    let (original, file) = with_reception(&data, 2 * CHUNK_BYTES + 10);
    let name = file.file_name().expect("a name").to_owned();
    let (header, record) = (header_bytes(&file), CHUNK_BYTES as u64 + 4);
    assert_eq!(fs::metadata(&file).expect("exists").len(), header + 2 * record);
    let cuts = [
        (0, 0),
        (15, 0),
        (header - 1, 0),
        (header, 0),
        (header + 3, 0),
        (header + record - 1, 0),
        (header + record, 1),
        (header + record + 100, 1),
        (header + 2 * record, 2),
    ];
    for (length, chunks) in cuts {
        let directory = TempDir::new().expect("a temporary directory");
        copy_directory(original.path(), directory.path());
        cut(&directory.path().join(&name), length);
        let store = open(directory.path());
        assert_eq!((store.list(), store.damaged()), (vec![], &[][..]), "cut to {length}");
        assert_eq!(receive(&store, &data), chunks * CHUNK_BYTES as u64, "cut to {length}");
        assert!(read(&store, metadata(&data).last).as_ref() == Ok(&data), "cut to {length}");
    }
}

/// A damaged reception continues before the damage, and its snapshot is the one that was sent.
#[test]
fn flipped_bit_in_a_reception_never_reaches_the_snapshot() {
    let data = data(SIZE);
    let (original, file) = with_reception(&data, SIZE);
    let name = file.file_name().expect("a name").to_owned();
    let header = header_bytes(&file);
    let bits = chosen_bits(&file, header);
    for &bit in bits.iter().step_by(7) {
        let directory = TempDir::new().expect("a temporary directory");
        copy_directory(original.path(), directory.path());
        flip(&directory.path().join(&name), bit);
        let store = open(directory.path());
        let damaged_chunk = (bit / 8).saturating_sub(header) / (CHUNK_BYTES as u64 + 4);
        let intact = if bit / 8 < header { 0 } else { damaged_chunk * CHUNK_BYTES as u64 };
        assert_eq!(receive(&store, &data), intact, "bit {bit}");
        assert!(read(&store, metadata(&data).last).as_ref() == Ok(&data), "bit {bit}");
    }
}

/// A crash before the file is renamed leaves a complete file that is no snapshot.
#[test]
fn snapshot_is_published_by_its_name() {
    let data = data(SIZE);
    let (directory, file) = with_snapshot(&data);
    for (extension, offset) in [("draft", 0), ("received", 2 * CHUNK_BYTES as u64)] {
        let unpublished = file.with_extension(extension);
        fs::rename(&file, &unpublished).expect("renames");
        let store = open(directory.path());
        assert_eq!((store.list(), store.damaged()), (vec![], &[][..]), "{extension}");
        assert_eq!(unpublished.exists(), extension == "received", "a draft is removed");
        assert_eq!(receive(&store, &data), offset, "{extension}");
    }
}

/// A process that is killed while it writes leaves a draft: a copy of the directory after each
/// write is what the next process finds.
#[test]
fn crash_after_any_write_of_an_own_snapshot_leaves_the_older_one() {
    let (older, newer) = (data(100), data(SIZE));
    let (directory, _file) = with_snapshot(&older);
    let store = open(directory.path());
    let last = LogId::new(Term(2), LogIndex(9));
    let mut writer = store.create(last, (LogIndex(3), Membership::default())).expect("begins");
    let check = |listed: usize| {
        let copy = TempDir::new().expect("a temporary directory");
        copy_directory(directory.path(), copy.path());
        let reopened = open(copy.path());
        assert_eq!(reopened.list().len(), listed);
        assert_eq!(reopened.list()[0], metadata(&older));
        let names: Vec<_> = fs::read_dir(copy.path())
            .expect("reads")
            .map(|file| file.expect("a file").file_name().into_string().expect("a name"))
            .collect();
        assert!(!names.iter().any(|name| name.ends_with(".draft")), "{names:?}");
    };
    for part in newer.chunks(CHUNK_BYTES / 2) {
        check(1);
        writer.write(part).expect("writes");
    }
    check(1);
    writer.finish().expect("publishes");
    check(2);
    assert!(read(&store, last) == Ok(newer), "the newer one");
}

#[test]
fn directory_of_another_node_is_refused_and_not_changed() {
    let (directory, _file) = with_snapshot(&data(100));
    let other = Identity { node: NodeId(2), ..IDENTITY };
    let error = FileSnapshotStore::open(directory.path(), other).unwrap_err();
    assert!(matches!(error, OpenError::OtherIdentity { .. }), "{error}");
    let store = open(directory.path());
    assert_eq!(store.list().len(), 1);
    let error = FileSnapshotStore::open(directory.path(), IDENTITY).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
}

#[test]
fn directory_of_another_format_is_refused() {
    let (directory, _file) = with_snapshot(&data(100));
    let path = directory.path().join("IDENTITY");
    let written = fs::read_to_string(&path).unwrap();
    let open_as = |format: &str| {
        fs::write(&path, written.replacen("raft-snapshots 2", format, 1)).unwrap();
        FileSnapshotStore::open(directory.path(), IDENTITY).unwrap_err()
    };
    let error = open_as("raft-snapshots 3");
    assert!(matches!(error, OpenError::NewerFormat { found: 3, supported: 2, .. }), "{error}");
    let error = open_as("raft-snapshots 1");
    assert!(matches!(error, OpenError::OlderFormat { found: 1, supported: 2, .. }), "{error}");
}
