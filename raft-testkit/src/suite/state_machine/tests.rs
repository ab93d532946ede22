//! The rules on a sound state machine, which passes all of them, and on machines with one defect
//! each, which a rule finds.
#![allow(clippy::wildcard_enum_match_arm, reason = "a defect changes one method only")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use raft_core::ports::{ApplyError, QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex};

use super::factory::StateMachineFactory;
use super::rules;

/// What is wrong with a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Defect {
    None,
    OutputNamesTheInstance,
    OutputCountsTheBatch,
    KeepsStagedBytes,
    UnflushedIsDurable,
    FlushedIsDurable,
    CapturesNoCount,
    CapturesOneKeyLess,
    RestoreMerges,
    CapturesTheStateOfTheLastFlush,
    CaptureReadsLater,
    OneCaptureAtATime,
    RestoreEndsCaptures,
    ReadsOnce,
    NoLength,
    IgnoresTail,
    NoTitle,
    TrustsItsInput,
    FailureIsTheEnd,
    ClearsFirst,
    RestoreIsNotSynced,
    RestoresInPlace,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    values: BTreeMap<u64, u64>,
    /// Part of the outputs, but no query shows it.
    count: u64,
    applied: u64,
}

/// Survives the machine.
#[derive(Debug, Default)]
struct Disk {
    durable: State,
    /// What the captures with [`Defect::CaptureReadsLater`] and the like share with the machine.
    live: Bytes,
}

struct Machine {
    defect: Defect,
    instance: u64,
    disk: Arc<Mutex<Disk>>,
    state: State,
    flushed: State,
    batch: u64,
    staged_bytes: u64,
    flushes: u64,
}

const TITLE: u64 = 0x7469_746c_6500_0001;

impl Machine {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no panic under this lock")
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn encode(&self, state: &State) -> Bytes {
        let mut values: Vec<(u64, u64)> = state.values.clone().into_iter().collect();
        if self.has(Defect::CapturesOneKeyLess) {
            values.pop();
        }
        let count = if self.has(Defect::CapturesNoCount) { 0 } else { state.count };
        let mut numbers = vec![TITLE, count, values.len() as u64];
        numbers.extend(values.into_iter().flat_map(|(key, value)| [key, value]));
        numbers.into_iter().flat_map(u64::to_be_bytes).collect()
    }

    fn decode(&self, bytes: &[u8]) -> Option<State> {
        let whole = self.has(Defect::NoLength) || bytes.len().is_multiple_of(8);
        let numbers: Vec<u64> =
            bytes.chunks_exact(8).map(|b| u64::from_be_bytes(b.try_into().unwrap())).collect();
        if self.has(Defect::TrustsItsInput) {
            let length = usize::try_from(numbers[2]).expect("a small number");
            assert!(numbers.len() == 3 + 2 * length, "the length is that of the values");
        }
        let (head, tail) = numbers.split_at_checked(3)?;
        let length = usize::try_from(head[2]).ok()?.checked_mul(2)?;
        let has_length = match self.defect {
            Defect::NoLength => tail.len() <= length,
            Defect::IgnoresTail => tail.len() >= length,
            _ => tail.len() == length,
        };
        let has_title = head[0] == TITLE;
        if !(whole || self.has(Defect::IgnoresTail)) || !has_length || !has_title {
            return None;
        }
        let tail = &tail[..length.min(tail.len())];
        let values = tail.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Some(State { values, count: head[1], applied: 0 })
    }
}

impl StateMachine for Machine {
    fn applied(&mut self) -> Result<LogIndex, StorageFailure> {
        Ok(LogIndex(self.state.applied))
    }

    fn durable_applied(&mut self) -> Result<LogIndex, StorageFailure> {
        let index = match self.defect {
            Defect::UnflushedIsDurable => self.state.applied,
            Defect::FlushedIsDurable | Defect::RestoreIsNotSynced => self.flushed.applied,
            _ => self.disk().durable.applied,
        };
        Ok(LogIndex(index))
    }

    fn apply(&mut self, id: LogId, command: &Bytes) -> Result<Bytes, ApplyError> {
        let number = u64::from_be_bytes(command[..].try_into().unwrap());
        self.state.count += 1;
        // Another log has other keys.
        let key = number % 17 + number / 1000;
        let before = match number % 5 {
            0 => self.state.values.remove(&key),
            _ => self.state.values.insert(key, number),
        };
        self.state.applied = id.index.get();
        self.batch += 1;
        self.staged_bytes += 16;
        let mut output = format!("{before:?} {}", self.state.count);
        if self.has(Defect::OutputNamesTheInstance) {
            output += &format!(" {}", self.instance);
        }
        if self.has(Defect::OutputCountsTheBatch) {
            output += &format!(" {}", self.batch);
        }
        Ok(Bytes::from(output))
    }

    fn flush(&mut self, applied: LogId) -> Result<(), StorageFailure> {
        self.state.applied = applied.index.get();
        self.flushed = self.state.clone();
        self.batch = 0;
        if !self.has(Defect::KeepsStagedBytes) {
            self.staged_bytes = 0;
        }
        // Every tenth flush is synced, and every one with this defect, which is about restores.
        self.flushes += 1;
        if self.flushes.is_multiple_of(10) || self.has(Defect::RestoreIsNotSynced) {
            self.disk().durable = self.flushed.clone();
        }
        self.disk().live = self.encode(&self.flushed);
        Ok(())
    }

    fn staged_bytes(&self) -> u64 {
        self.staged_bytes
    }

    fn query(&mut self, _query: &Bytes) -> Result<Bytes, QueryError> {
        Ok(Bytes::from(format!("{:?}", self.state.values)))
    }

    fn capture(&mut self) -> Result<Box<dyn SnapshotSource>, StorageFailure> {
        let bytes = self.encode(&self.flushed);
        match self.defect {
            Defect::CaptureReadsLater | Defect::RestoreEndsCaptures => {
                let by_restore = self.has(Defect::RestoreEndsCaptures);
                let live = if by_restore { Bytes::new() } else { bytes };
                self.disk().live = live;
                let fixed = by_restore.then(|| self.encode(&self.flushed));
                Ok(Box::new(Live { disk: Arc::clone(&self.disk), fixed, at: 0 }))
            }
            Defect::OneCaptureAtATime => {
                self.disk().live = bytes;
                Ok(Box::new(Slot { disk: Arc::clone(&self.disk), taken: None }))
            }
            _ => Ok(Box::new(bytes)),
        }
    }

    fn restore(
        &mut self,
        applied: LogId,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        if self.has(Defect::ClearsFirst) {
            self.state.values.clear();
        }
        if self.has(Defect::RestoresInPlace) {
            self.disk().durable.values.clear();
        }
        let bytes = self.read(source)?;
        let captured = match self.decode(&bytes) {
            Some(captured) => captured,
            None if self.has(Defect::NoTitle) => State::default(),
            None => return Err(StorageFailure { reason: "not a state".to_owned() }),
        };
        let mut state = State { applied: applied.index.get(), ..captured };
        if self.has(Defect::RestoreMerges) {
            let mut values = self.state.values.clone();
            values.append(&mut state.values);
            state.values = values;
        }
        self.state = state.clone();
        if !self.has(Defect::CapturesTheStateOfTheLastFlush) {
            self.flushed = state.clone();
        }
        if !self.has(Defect::RestoreIsNotSynced) {
            self.disk().durable = state;
        }
        if self.has(Defect::RestoreEndsCaptures) {
            self.disk().live = Bytes::from_static(b"ended");
        }
        if !self.has(Defect::KeepsStagedBytes) {
            self.staged_bytes = 0;
        }
        Ok(())
    }
}

impl Machine {
    fn read(&self, source: &mut dyn SnapshotSource) -> Result<Vec<u8>, StorageFailure> {
        const BYTES_MAX: usize = 1 << 20;
        match self.defect {
            Defect::ReadsOnce => {
                let mut bytes = vec![0; BYTES_MAX];
                let length = source.read(&mut bytes)?;
                bytes.truncate(length);
                Ok(bytes)
            }
            Defect::FailureIsTheEnd => {
                let mut bytes = Vec::new();
                let mut buffer = [0; 64];
                while let Ok(length @ 1..) = source.read(&mut buffer) {
                    bytes.extend_from_slice(&buffer[..length]);
                }
                Ok(bytes)
            }
            _ => source.read_to_end(BYTES_MAX),
        }
    }
}

/// Reads what the machine last flushed, or fixed bytes until a restore.
struct Live {
    disk: Arc<Mutex<Disk>>,
    fixed: Option<Bytes>,
    at: usize,
}

impl SnapshotSource for Live {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        let live = self.disk.lock().unwrap().live.clone();
        let bytes = match &self.fixed {
            Some(fixed) if live != "ended" => fixed,
            Some(_) | None => &live,
        };
        let mut rest = bytes.slice(self.at.min(bytes.len())..);
        let length = rest.read(buffer)?;
        self.at += length;
        Ok(length)
    }
}

/// Reads what is in the one slot at its first read.
struct Slot {
    disk: Arc<Mutex<Disk>>,
    taken: Option<Bytes>,
}

impl SnapshotSource for Slot {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        let disk = &self.disk;
        self.taken.get_or_insert_with(|| disk.lock().unwrap().live.clone()).read(buffer)
    }
}

struct Machines {
    defect: Defect,
    disk: Arc<Mutex<Disk>>,
}

impl StateMachineFactory for Machines {
    type Machine = Machine;

    fn open(&mut self) -> Machine {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let state = self.disk.lock().unwrap().durable.clone();
        Machine {
            defect: self.defect,
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
            disk: Arc::clone(&self.disk),
            flushed: state.clone(),
            state,
            batch: 0,
            staged_bytes: 0,
            flushes: 0,
        }
    }

    fn command(&self, number: u64) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    fn queries(&self) -> Vec<Bytes> {
        vec![Bytes::new()]
    }
}

fn machines(defect: Defect) -> impl FnMut() -> Machines {
    move || Machines { defect, disk: Arc::default() }
}

mod sound {
    use super::{Defect, machines};

    crate::state_machine_suite!(machines(Defect::None)());
}

mod counter {
    use bytes::Bytes;

    use crate::Counter;
    use crate::suite::state_machine::StateMachineFactory;

    struct Counters;

    impl StateMachineFactory for Counters {
        type Machine = Counter;

        fn open(&mut self) -> Counter {
            Counter::default()
        }

        fn command(&self, number: u64) -> Bytes {
            match number % 10 {
                0 => Bytes::from("no change"),
                1..=3 => Bytes::from(format!("sub {number}")),
                _ => Bytes::from(format!("add {number}")),
            }
        }

        fn queries(&self) -> Vec<Bytes> {
            vec![Bytes::new()]
        }
    }

    crate::state_machine_suite!(Counters);
}

/// A rule that finds nothing is useless.
#[test]
fn every_defect_is_found_by_its_rule() {
    macro_rules! finds {
        ($($rule:ident: $defect:ident,)*) => {
            $(
                let found = catch_unwind(AssertUnwindSafe(|| {
                    rules::$rule(machines(Defect::$defect));
                }));
                assert!(found.is_err(), "{} misses {:?}", stringify!($rule), Defect::$defect);
            )*
        };
    }
    finds! {
        same_commands_give_the_same_outputs_and_state: OutputNamesTheInstance,
        the_division_into_batches_does_not_matter: OutputCountsTheBatch,
        staged_bytes_are_zero_after_a_flush: KeepsStagedBytes,
        durable_applied_never_exceeds_the_last_flush: UnflushedIsDurable,
        a_crash_loses_nothing_that_is_durable: FlushedIsDurable,
        captured_state_restores_into_an_empty_machine: CapturesOneKeyLess,
        captured_state_replaces_an_existing_state: RestoreMerges,
        restored_machine_continues_like_the_original: CapturesNoCount,
        restored_machine_can_be_captured: CapturesTheStateOfTheLastFlush,
        captured_state_is_that_at_its_capture: CaptureReadsLater,
        captured_states_are_independent: OneCaptureAtATime,
        captured_state_remains_readable_after_a_restore: RestoreEndsCaptures,
        short_reads_restore_the_same_state: ReadsOnce,
        truncated_state_is_refused: NoLength,
        truncated_state_is_refused: ClearsFirst,
        extended_state_is_refused: IgnoresTail,
        state_of_another_kind_is_refused: NoTitle,
        changed_bytes_are_refused_or_restored: TrustsItsInput,
        failing_source_is_refused: FailureIsTheEnd,
        a_crash_after_a_restore_keeps_what_is_durable: RestoreIsNotSynced,
        a_crash_during_a_restore_keeps_the_old_state: RestoresInPlace,
    }
}
