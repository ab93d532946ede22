//! One state machine under test, with the log that it has applied.

use bytes::Bytes;
use raft_core::ports::{QueryError, SnapshotSource, StateMachine, StorageFailure};
use raft_core::{LogId, LogIndex, Term};

use super::factory::StateMachineFactory;

/// Entries of one term.
const TERM_LENGTH: u64 = 64;

/// A captured state that was read to its end, with what the machine returned when it was captured.
#[derive(Clone, Debug)]
pub(super) struct Captured {
    pub(super) last: LogId,
    pub(super) bytes: Bytes,
    pub(super) observed: Vec<Result<Bytes, QueryError>>,
}

/// A state machine and its log. The entry at index `i` holds the command number `i` plus an offset.
pub(super) struct Node<F: StateMachineFactory> {
    /// Absent only while it is opened again. Fields drop in the order of their declaration: the
    /// factory may remove the files of the state machine.
    machine: Option<F::Machine>,
    factory: F,
    /// The last entry that was applied.
    pub(super) last: LogIndex,
    /// Nodes with different offsets have different logs.
    pub(super) offset: u64,
}

impl<F: StateMachineFactory> Node<F> {
    /// Opens an empty state machine.
    pub(super) fn new(mut factory: F) -> Self {
        let mut machine = factory.open();
        let applied = machine.applied().expect("a new state machine opens");
        assert_eq!(applied, LogIndex::ZERO, "a new state machine is empty");
        Self { machine: Some(machine), factory, last: LogIndex::ZERO, offset: 0 }
    }

    /// An empty state machine that then applied and flushed `count` entries.
    pub(super) fn after(factory: F, count: u64) -> Self {
        let mut node = Self::new(factory);
        node.run(count);
        node
    }

    pub(super) fn machine(&mut self) -> &mut F::Machine {
        self.machine.as_mut().expect("absent only while it is opened again")
    }

    /// Applies `count` entries without a flush. Returns their outputs.
    pub(super) fn apply(&mut self, count: u64) -> Vec<Bytes> {
        (0..count).map(|_| self.apply_next()).collect()
    }

    fn apply_next(&mut self) -> Bytes {
        self.last = self.last.next();
        let id = id_at(self.last);
        let command = self.factory.command(self.last.get() + self.offset);
        let output = self.machine().apply(id, &command);
        output.unwrap_or_else(|error| panic!("the command at {id} fails: {error}"))
    }

    pub(super) fn flush(&mut self) {
        let id = id_at(self.last);
        self.machine().flush(id).unwrap_or_else(|error| panic!("a flush at {id} fails: {error}"));
    }

    /// Applies `count` entries in batches of a few, and flushes each batch. Returns their outputs.
    pub(super) fn run(&mut self, count: u64) -> Vec<Bytes> {
        const BATCH: u64 = 7;
        let mut outputs = Vec::new();
        let mut left = count;
        while left > 0 {
            let length = left.min(BATCH);
            outputs.extend(self.apply(length));
            self.flush();
            left -= length;
        }
        outputs
    }

    /// The results of all queries.
    pub(super) fn observed(&mut self) -> Vec<Result<Bytes, QueryError>> {
        let queries = self.factory.queries();
        assert!(!queries.is_empty(), "the factory returns queries that show the state");
        queries.iter().map(|query| self.machine().query(query)).collect()
    }

    pub(super) fn durable_applied(&mut self) -> LogIndex {
        self.machine().durable_applied().expect("the durable index can be read")
    }

    /// Captures the flushed state without reading it.
    pub(super) fn capture_unread(&mut self) -> Box<dyn SnapshotSource> {
        self.machine().capture().unwrap_or_else(|error| panic!("a capture fails: {error}"))
    }

    /// Captures the flushed state and reads it.
    pub(super) fn capture(&mut self) -> Captured {
        let observed = self.observed();
        let bytes = read(&mut *self.capture_unread(), 64 << 10);
        Captured { last: id_at(self.last), bytes, observed }
    }

    /// Restores a captured state.
    pub(super) fn restore(&mut self, captured: &Captured) {
        self.restore_from(captured, &mut captured.bytes.clone())
            .unwrap_or_else(|error| panic!("a captured state is not restored: {error}"));
    }

    /// Restores the state of `captured` from other bytes.
    pub(super) fn restore_from(
        &mut self,
        captured: &Captured,
        source: &mut dyn SnapshotSource,
    ) -> Result<(), StorageFailure> {
        self.machine().restore(captured.last, source)?;
        self.last = captured.last.index;
        Ok(())
    }

    /// Ends the state machine as a power failure does, and opens it again. Returns its applied
    /// index; the entries after it are to be applied again.
    pub(super) fn crash(&mut self) -> LogIndex {
        self.machine = None;
        let machine = self.machine.insert(self.factory.open());
        self.last = machine.applied().expect("the state machine opens again");
        self.last
    }
}

/// The log id of an index; terms rise now and then.
pub(super) fn id_at(index: LogIndex) -> LogId {
    if index == LogIndex::ZERO {
        return LogId::ORIGIN;
    }
    LogId::new(Term(1 + index.get() / TERM_LENGTH), index)
}

/// Reads a captured state to its end, at most `length` bytes at a time.
pub(super) fn read(source: &mut dyn SnapshotSource, length: usize) -> Bytes {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; length];
    loop {
        match source.read(&mut buffer).expect("a captured state can be read") {
            0 => return Bytes::from(bytes),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}
