//! Throughput of puts and reads at the state machine of the key-value store:
//! `kv_apply [PUTS] [KEYS]`.
//!
//! Applies puts of 256-byte values at random keys in batches of 1, 64 and 256, with and without a
//! session, without syncs as in the server. Then reads single keys.
#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a benchmark stops at an error")]

use std::time::Instant;

use bytes::Bytes;
use raft_core::ports::StateMachine;
use raft_core::{ClusterId, GroupId, Identity, Incarnation, LogId, LogIndex, NodeId, Term};
use raft_server::kv::state_machine::{
    Command, KeyRange, KvOptions, KvStateMachine, Op, Put, RangeRequest, SessionId, SessionSerial,
};

const VALUE_BYTES: usize = 256;
const SESSIONS: u64 = 64;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let puts: u64 = arguments.next().unwrap_or(1_000_000);
    let keys: u64 = arguments.next().unwrap_or(1_000_000);
    println!("{puts} puts of {VALUE_BYTES} bytes over {keys} keys");
    for batch in [1, 64, 256] {
        for sessions in [false, true] {
            measure(puts, keys, batch, sessions);
        }
    }
}

fn measure(puts: u64, keys: u64, batch: u64, sessions: bool) {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity {
        cluster: ClusterId(1),
        group: GroupId(1),
        node: NodeId(1),
        incarnation: Incarnation(1),
    };
    let mut machine = KvStateMachine::open(dir.path(), identity, &KvOptions::default()).unwrap();
    let open = Command::without_session(Op::OpenSession).encode();
    for index in 1..=SESSIONS {
        machine.apply(id(index), &open).unwrap();
    }
    machine.flush(id(SESSIONS)).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let commands: Vec<_> =
        (0..puts.min(100_000)).map(|number| command(&mut rng, keys, number, sessions)).collect();
    let mut spent = std::time::Duration::ZERO;
    let mut index = SESSIONS;
    let mut rest = puts;
    let mut fresh = commands;
    while rest > 0 {
        let begun = Instant::now();
        for batch in fresh.chunks(usize::try_from(batch).unwrap()) {
            for command in batch {
                index += 1;
                machine.apply(id(index), command).unwrap();
            }
            machine.flush(id(index)).unwrap();
        }
        spent += begun.elapsed();
        rest -= fresh.len() as u64;
        let made = puts - rest;
        fresh = (0..rest.min(100_000))
            .map(|number| command(&mut rng, keys, made + number, sessions))
            .collect();
    }
    let reads = read(&machine, &mut rng, keys);
    let rate = |count: u64, spent: std::time::Duration| count as f64 / spent.as_secs_f64();
    println!(
        "batch {batch:>3}, sessions {sessions:<5}: {:>8.0} puts/s, {:>8.0} reads/s",
        rate(puts, spent),
        rate(READS, reads)
    );
}

const READS: u64 = 200_000;

fn read(machine: &KvStateMachine, rng: &mut fastrand::Rng, keys: u64) -> std::time::Duration {
    let reader = machine.reader();
    let begun = Instant::now();
    for _ in 0..READS {
        let request = RangeRequest::new(KeyRange::Key(key(rng, keys)));
        std::hint::black_box(reader.range(&request).unwrap());
    }
    begun.elapsed()
}

fn id(index: u64) -> LogId {
    LogId::new(Term(1), LogIndex(index))
}

fn key(rng: &mut fastrand::Rng, keys: u64) -> Bytes {
    Bytes::from(format!("key/{:012}", rng.u64(..keys)))
}

fn command(rng: &mut fastrand::Rng, keys: u64, number: u64, sessions: bool) -> Bytes {
    let mut value = vec![0; VALUE_BYTES];
    rng.fill(&mut value);
    let session = sessions.then(|| SessionSerial {
        session: SessionId(1 + number % SESSIONS),
        serial: 1 + number / SESSIONS,
    });
    let put = Put { key: key(rng, keys), value: Bytes::from(value), prev_kv: false };
    Command { session, op: Op::Put(put) }.encode()
}
