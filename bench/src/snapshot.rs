//! Measures captured states of the key-value store: how long a capture holds up the state machine,
//! how fast it is read, and how fast it is restored.
//!
//! `snapshot-bench [MIB]`: the size of the store in MiB, 1024 if it is absent.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::ports::{SnapshotSource, StateMachine};
use raft_core::{ClusterId, GroupId, Identity, Incarnation, LogId, LogIndex, NodeId, Term};
use raft_server::BoxError;
use raft_server::kv::state_machine::{Command, KvOptions, KvStateMachine, Op, Put};

const IDENTITY: Identity = Identity {
    cluster: ClusterId(1),
    group: GroupId(0),
    node: NodeId(1),
    incarnation: Incarnation(1),
};
const VALUE_BYTES: u64 = 1 << 10;
const BATCH: u64 = 256;
const READ_BYTES: usize = 1 << 20;
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> Result<(), BoxError> {
    let mib = std::env::args().nth(1).map_or(Ok(1024), |mib| mib.parse::<u64>())?;
    let directory = tempfile::tempdir()?;
    let mut machine = open(&directory.path().join("original"))?;
    let last = fill(&mut machine, mib * (1 << 20) / VALUE_BYTES)?;

    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let (captured, pause) = timed(|| machine.capture())?;
        longest = longest.max(pause);
        drop(captured);
    }
    println!("capture: at most {longest:.1?} of three");
    let (mut captured, pause) = timed(|| machine.capture())?;
    let (length, elapsed) = timed(|| read(&mut *captured))?;
    print_rate("read", length, elapsed);
    drop(captured);
    let mut captured = machine.capture()?;
    let mut restored = open(&directory.path().join("restored"))?;
    let ((), elapsed) = timed(|| restored.restore(last, &mut *captured))?;
    print_rate("read and restore", length, elapsed);
    println!("capture without changes since the last one: {pause:.1?}");
    Ok(())
}

fn open(directory: &Path) -> Result<KvStateMachine, BoxError> {
    Ok(KvStateMachine::open(directory, IDENTITY, &KvOptions::default())?)
}

/// Puts values under different keys, in batches. Returns the last entry.
fn fill(machine: &mut KvStateMachine, values: u64) -> Result<LogId, BoxError> {
    let id = |index| LogId::new(Term(1), LogIndex(index));
    for index in 1..=values {
        // Multiplication by an odd number: every key once, in no order.
        let key = index.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let value: Bytes = key.into_iter().cycle().take(usize::try_from(VALUE_BYTES)?).collect();
        let put = Op::Put(Put { key: Bytes::copy_from_slice(&key), value, prev_kv: false });
        machine.apply(id(index), &Command::without_session(put).encode())?;
        if index.is_multiple_of(BATCH) || index == values {
            machine.flush(id(index))?;
        }
    }
    println!("{values} values of {VALUE_BYTES} bytes");
    Ok(id(values))
}

/// Reads a captured state to its end. Returns its length.
fn read(captured: &mut dyn SnapshotSource) -> Result<u64, BoxError> {
    let mut buffer = vec![0; READ_BYTES];
    let mut length = 0;
    loop {
        match captured.read(&mut buffer)? {
            0 => return Ok(length),
            read => length += read as u64,
        }
    }
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let begun = Instant::now();
    let result = work()?;
    Ok((result, begun.elapsed()))
}

fn print_rate(what: &str, length: u64, elapsed: Duration) {
    let mib = length as f64 / MIB;
    println!("{what}: {mib:.0} MiB in {elapsed:.2?}, {:.0} MiB/s", mib / elapsed.as_secs_f64());
}
