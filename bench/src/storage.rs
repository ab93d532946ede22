//! Compares the log store with plain RocksDB: one key an entry and a sync of the write-ahead log for
//! every batch. Both use the same disk and run alternately.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::process_cpu;
use bytes::Bytes;
use clap::Parser;
use raft_core::ports::LogStore;
use raft_core::{
    ClusterId, Entry, GroupId, Identity, Incarnation, LogId, LogIndex, NodeId, Payload, Persist,
    PersistId, Term,
};
use raft_storage::{RocksLogStore, RocksOptions};
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use serde_json::{Value, json};

/// Measures how many entries a second become durable, in the log store and in plain RocksDB.
#[derive(Parser, Debug)]
struct Args {
    /// Entries in one batch
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    batches: Vec<u64>,
    /// Size of each entry, in bytes
    #[arg(long, default_value_t = 256)]
    entry_bytes: usize,
    /// Turns of each store
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Duration of a turn, in milliseconds
    #[arg(long, default_value_t = 200)]
    turn_ms: u64,
    /// Directory for the data [default: a temporary directory beside this program]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// File for the figures, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(args.rounds > 0 && !args.batches.contains(&0), "nothing to measure");
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    // The system's temporary directory is often in memory, where a sync costs nothing.
    let beside = own.parent().context("this program is in no directory")?;
    let directory = tempfile::tempdir_in(args.dir.as_deref().unwrap_or(beside))?;
    show(&format!(
        "{:>7}{:>16}{:>16}{:>8}{:>14}{:>14}{:>14}{:>14}",
        "batch",
        "packed/s",
        "plain/s",
        "ratio",
        "packed CPU us",
        "plain CPU us",
        "packed p50 us",
        "plain p50 us"
    ));
    let mut cases = Vec::new();
    for (number, &batch) in args.batches.iter().enumerate() {
        cases.push(case(&args, batch, &directory.path().join(number.to_string()))?);
    }
    let report = json!({ "entry_bytes": args.entry_bytes, "rounds": args.rounds, "cases": cases });
    let Some(path) = &args.json else { return Ok(()) };
    fs::write(path, format!("{report:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Measures both stores with one batch size, on new databases.
fn case(args: &Args, batch: u64, directory: &Path) -> anyhow::Result<Value> {
    let mut packed = Side::new(Packed::open(&directory.join("packed"))?, args, batch);
    let mut plain = Side::new(Plain::open(&directory.join("plain"))?, args, batch);
    let turn = Duration::from_millis(args.turn_ms);
    packed.turn(turn)?;
    plain.turn(turn)?;
    packed.turns.clear();
    plain.turns.clear();
    for round in 0..args.rounds {
        // The first store of a round leaves background work to the disk, so the order alternates.
        if round % 2 == 0 {
            packed.turn(turn)?;
            plain.turn(turn)?;
        } else {
            plain.turn(turn)?;
            packed.turn(turn)?;
        }
    }
    let pairs = packed.turns.iter().zip(&plain.turns);
    let ratio = median(pairs.map(|(packed, plain)| packed.rate / plain.rate));
    let (packed, plain) = (Figures::of(&packed.turns), Figures::of(&plain.turns));
    show(&format!(
        "{batch:>7}{:>16.0}{:>16.0}{ratio:>8.2}{:>14.2}{:>14.2}{:>14.0}{:>14.0}",
        packed.rate, plain.rate, packed.cpu_us, plain.cpu_us, packed.p50_us, plain.p50_us
    ));
    Ok(json!({
        "batch": batch,
        "packed": packed.json(),
        "plain": plain.json(),
        "median_ratio": ratio,
    }))
}

/// A log that makes entries durable.
trait Log {
    fn append(&mut self, change: &Persist) -> anyhow::Result<()>;
}

/// The log store of this project.
struct Packed(RocksLogStore);

impl Packed {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        let identity = Identity {
            cluster: ClusterId(1),
            group: GroupId(0),
            node: NodeId(1),
            incarnation: Incarnation(1),
        };
        let mut store = RocksLogStore::open(directory, identity, RocksOptions::default())?;
        store.recover()?;
        Ok(Self(store))
    }
}

impl Log for Packed {
    fn append(&mut self, change: &Persist) -> anyhow::Result<()> {
        Ok(self.0.persist(std::slice::from_ref(change))?)
    }
}

/// Plain RocksDB with default options: the index is the key, the command the value. It stores neither
/// terms nor checksums of its own, which a log needs.
struct Plain(DB);

impl Plain {
    fn open(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut options = Options::default();
        options.create_if_missing(true);
        Ok(Self(DB::open(&options, directory)?))
    }
}

impl Log for Plain {
    fn append(&mut self, change: &Persist) -> anyhow::Result<()> {
        let mut batch = WriteBatch::default();
        for entry in &change.entries {
            if let Payload::Command(command) = &entry.payload {
                batch.put(entry.index().get().to_be_bytes(), command);
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.0.write_opt(batch, &options)?)
    }
}

/// One of the two stores, with its measured turns.
struct Side<L> {
    log: L,
    command: Bytes,
    batch: u64,
    last: u64,
    turns: Vec<Turn>,
}

/// The figures of one turn.
struct Turn {
    /// Entries a second of the time in the log.
    rate: f64,
    /// CPU time of the process for each entry, background work included.
    cpu_us: f64,
    /// Median time of a batch.
    p50_us: f64,
}

impl<L: Log> Side<L> {
    fn new(log: L, args: &Args, batch: u64) -> Self {
        let command = (0_u8..=u8::MAX).cycle().take(args.entry_bytes).collect();
        Self { log, command, batch, last: 0, turns: Vec::new() }
    }

    fn turn(&mut self, least: Duration) -> anyhow::Result<()> {
        let mut spent = Vec::new();
        let (mut total, mut cpu) = (Duration::ZERO, Duration::ZERO);
        while total < least {
            let change = self.next_change();
            let (begin, cpu_begin) = (Instant::now(), process_cpu());
            self.log.append(&change)?;
            cpu += process_cpu().saturating_sub(cpu_begin);
            let elapsed = begin.elapsed();
            total += elapsed;
            spent.push(micros(elapsed));
        }
        let entries = f64::from(u32::try_from(self.batch * spent.len() as u64)?);
        self.turns.push(Turn {
            rate: entries / total.as_secs_f64(),
            cpu_us: micros(cpu) / entries,
            p50_us: median(spent.into_iter()),
        });
        Ok(())
    }

    /// The next entries, as a node passes them to its log.
    fn next_change(&mut self) -> Persist {
        let first = self.last + 1;
        self.last += self.batch;
        let entry =
            |index| Entry::command(LogId::new(Term(1), LogIndex(index)), self.command.clone());
        Persist {
            id: PersistId(first),
            hard_state: None,
            reset: None,
            truncate_from: None,
            entries: (first..=self.last).map(entry).collect(),
            broken: None,
        }
    }
}

/// The medians of one store's turns.
struct Figures {
    rate: f64,
    cpu_us: f64,
    p50_us: f64,
}

impl Figures {
    fn of(turns: &[Turn]) -> Self {
        Self {
            rate: median(turns.iter().map(|turn| turn.rate)),
            cpu_us: median(turns.iter().map(|turn| turn.cpu_us)),
            p50_us: median(turns.iter().map(|turn| turn.p50_us)),
        }
    }

    fn json(&self) -> Value {
        json!({
            "entries_per_second": self.rate,
            "cpu_us_per_entry": self.cpu_us,
            "batch_p50_us": self.p50_us,
        })
    }
}

/// The median of at least one figure.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn show(line: &str) {
    println!("{line}");
}
