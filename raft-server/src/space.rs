//! Free space on the file system of a node's data, and the commands that it permits.
//!
//! A full file system stops the node, because the log cannot grow. Before that point a leader
//! refuses commands that add data. Reads, elections, deletions and compactions continue, and an
//! operator has time to free space. Two thresholds divide the free space into three
//! [levels](SpaceLevel). A level rises only when the free space exceeds the threshold by an eighth
//! of the reserve, so that it does not alternate with every write.
//!
//! The free space is sampled at intervals, never per request: the data written between two samples
//! must fit into the reserve.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

/// The default reserve in bytes. It holds what a node may write after the last sample: the commands
/// in progress, in the log and in the store, and one flush of every write buffer to table files.
pub const RESERVE_BYTES_DEFAULT: u64 = 512 << 20;

/// How often [`SpaceMonitor::watch`] samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// What a command does to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpaceUse {
    /// It may add data.
    Writes,
    /// It adds no data: it deletes, only reads, or opens the session that a deletion needs. A
    /// deletion takes some space at first, because the deleted versions stay readable until they
    /// are compacted.
    Deletes,
    /// It frees the space of superseded versions.
    Compacts,
}

/// How much space is left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum SpaceLevel {
    /// Less than a quarter of the reserve is free: only compactions are accepted.
    Exhausted,
    /// Less than the reserve is free: only commands that add no data are accepted.
    Low,
    /// The reserve is free.
    Ample,
}

impl SpaceLevel {
    const ALL: [Self; 3] = [Self::Exhausted, Self::Low, Self::Ample];

    /// Whether commands of this kind are accepted.
    const fn admits(self, space_use: SpaceUse) -> bool {
        match (self, space_use) {
            (Self::Ample, _)
            | (Self::Low, SpaceUse::Deletes | SpaceUse::Compacts)
            | (Self::Exhausted, SpaceUse::Compacts) => true,
            (Self::Low, SpaceUse::Writes)
            | (Self::Exhausted, SpaceUse::Writes | SpaceUse::Deletes) => false,
        }
    }

    /// A word for logs, metrics and status pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Low => "low",
            Self::Ample => "ample",
        }
    }
}

/// The numbers of the last sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpaceReport {
    /// Free bytes at the last sample that succeeded.
    pub free_bytes: u64,
    /// The configured reserve in bytes; zero if there is none.
    pub reserve_bytes: u64,
    /// The level of the last sample.
    pub level: SpaceLevel,
    /// Commands refused for lack of space since the start.
    pub refused: u64,
}

impl SpaceReport {
    /// A description of the shortage for an operator; `None` while the reserve is free.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let accepted = match self.level {
            SpaceLevel::Ample => return None,
            SpaceLevel::Low => "only commands that add no data are accepted",
            SpaceLevel::Exhausted => "only compactions are accepted",
        };
        let Self { free_bytes, reserve_bytes, .. } = self;
        Some(format!(
            "the disk has {free_bytes} bytes free and the reserve is {reserve_bytes}: {accepted}"
        ))
    }
}

/// The refusal of a command for lack of space. The command is not in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error(
    "the node's disk has {free_bytes} bytes free, less than the {needed_bytes} that this command \
     needs: delete keys, compact, or add space"
)]
pub struct NoSpace {
    /// Free bytes at the last sample.
    pub free_bytes: u64,
    /// Bytes that must be free for commands of this kind.
    pub needed_bytes: u64,
}

/// Returns the number of free bytes.
type FreeBytes = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// Watches the free space of one file system.
///
/// One task calls [`SpaceMonitor::sample`] at intervals. All other methods read the numbers of the
/// last sample and may be called from any thread.
pub struct SpaceMonitor {
    source: FreeBytes,
    reserve_bytes: u64,
    free_bytes: AtomicU64,
    level: AtomicU8,
    refused: AtomicU64,
}

impl fmt::Debug for SpaceMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpaceMonitor").field("report", &self.report()).finish_non_exhaustive()
    }
}

impl SpaceMonitor {
    /// Watches what `source` reports, in bytes. The level is [`SpaceLevel::Ample`] until the first
    /// sample; a reserve of zero leaves it there.
    #[must_use]
    pub fn new(
        reserve_bytes: u64,
        source: impl Fn() -> io::Result<u64> + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Box::new(source),
            reserve_bytes,
            free_bytes: AtomicU64::new(0),
            level: AtomicU8::new(SpaceLevel::Ample as u8),
            refused: AtomicU64::new(0),
        }
    }

    /// Watches the file system that holds `path`: the space that a process without privileges may
    /// use there.
    #[must_use]
    pub fn of_file_system(reserve_bytes: u64, path: PathBuf) -> Self {
        Self::new(reserve_bytes, move || free_bytes(&path))
    }

    /// Reads the free space. May block as long as the file system does.
    ///
    /// # Errors
    /// When the free space cannot be read; the last sample stays in force.
    pub fn sample(&self) -> io::Result<()> {
        let free_bytes = (self.source)()?;
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
        let before = self.level();
        let level = next_level(before, free_bytes, self.reserve_bytes);
        self.level.store(level as u8, Ordering::Relaxed);
        let reserve_bytes = self.reserve_bytes;
        match level.cmp(&before) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => {
                tracing::warn!(
                    free_bytes,
                    reserve_bytes,
                    level = level.name(),
                    "the disk has too little free space; a leader refuses commands that need more"
                );
            }
            std::cmp::Ordering::Greater => {
                let level = level.name();
                tracing::info!(free_bytes, reserve_bytes, level, "the disk has more free space");
            }
        }
        Ok(())
    }

    /// Samples at intervals on a blocking thread, until the returned future is dropped.
    ///
    /// # Panics
    /// Outside of a Tokio runtime with timers.
    pub async fn watch(self: Arc<Self>) {
        let mut interval = tokio::time::interval(SAMPLE_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            interval.tick().await;
            let monitor = Arc::clone(&self);
            // A runtime that shuts down runs no further blocking tasks.
            let Ok(sampled) = tokio::task::spawn_blocking(move || monitor.sample()).await else {
                return;
            };
            match sampled {
                Ok(()) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the free space of the disk cannot be read");
                    }
                }
            }
        }
    }

    /// Checks that there is space for a command, and counts the refusal if not.
    ///
    /// # Errors
    /// When there is too little space: the caller must refuse the command.
    pub fn admit(&self, space_use: SpaceUse) -> Result<(), NoSpace> {
        if self.level().admits(space_use) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let threshold_bytes = match space_use {
            SpaceUse::Writes => self.reserve_bytes,
            SpaceUse::Deletes | SpaceUse::Compacts => floor_bytes(self.reserve_bytes),
        };
        Err(NoSpace {
            free_bytes: self.free_bytes.load(Ordering::Relaxed),
            needed_bytes: threshold_bytes + margin_bytes(self.reserve_bytes),
        })
    }

    /// The numbers of the last sample.
    #[must_use]
    pub fn report(&self) -> SpaceReport {
        SpaceReport {
            free_bytes: self.free_bytes.load(Ordering::Relaxed),
            reserve_bytes: self.reserve_bytes,
            level: self.level(),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn level(&self) -> SpaceLevel {
        SpaceLevel::ALL[usize::from(self.level.load(Ordering::Relaxed))]
    }
}

/// The free bytes of the file system that holds `path`: what a process without privileges may use
/// there.
///
/// # Errors
/// When the file system does not respond to the request.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let status = rustix::fs::statvfs(path)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Free bytes below which only compactions are accepted.
const fn floor_bytes(reserve_bytes: u64) -> u64 {
    reserve_bytes / 4
}

/// Free bytes above a threshold that are needed before the level rises over it.
const fn margin_bytes(reserve_bytes: u64) -> u64 {
    reserve_bytes / 8
}

/// The level after a sample. The level falls at a threshold and rises at the threshold plus the
/// margin.
fn next_level(before: SpaceLevel, free_bytes: u64, reserve_bytes: u64) -> SpaceLevel {
    let level_at = |free_bytes| {
        if free_bytes >= reserve_bytes {
            SpaceLevel::Ample
        } else if free_bytes >= floor_bytes(reserve_bytes) {
            SpaceLevel::Low
        } else {
            SpaceLevel::Exhausted
        }
    };
    let lower_bound = level_at(free_bytes.saturating_sub(margin_bytes(reserve_bytes)));
    // The level falls at once and rises only as far as the margin permits.
    level_at(free_bytes).min(before.max(lower_bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVE: u64 = 800;

    fn monitor() -> (SpaceMonitor, Arc<AtomicU64>) {
        let free = Arc::new(AtomicU64::new(10_000));
        let source = Arc::clone(&free);
        (SpaceMonitor::new(RESERVE, move || Ok(source.load(Ordering::Relaxed))), free)
    }

    fn levels(samples: &[u64]) -> Vec<SpaceLevel> {
        let (monitor, free) = monitor();
        let level = |sample: &u64| {
            free.store(*sample, Ordering::Relaxed);
            monitor.sample().unwrap();
            monitor.report().level
        };
        samples.iter().map(level).collect()
    }

    #[test]
    fn level_falls_at_a_threshold_and_rises_above_it_by_a_margin() {
        use SpaceLevel::{Ample, Exhausted, Low};
        assert_eq!(levels(&[800, 799, 800, 899, 900]), [Ample, Low, Low, Low, Ample]);
        assert_eq!(levels(&[200, 199, 200, 299, 300]), [Low, Exhausted, Exhausted, Exhausted, Low]);
        assert_eq!(levels(&[0, 899, 900, 0, 10_000]), [Exhausted, Low, Ample, Exhausted, Ample]);
    }

    #[test]
    fn each_level_admits_less_than_the_one_above() {
        let (monitor, free) = monitor();
        let admitted = |free_bytes| {
            free.store(free_bytes, Ordering::Relaxed);
            monitor.sample().unwrap();
            [SpaceUse::Writes, SpaceUse::Deletes, SpaceUse::Compacts]
                .map(|space_use| monitor.admit(space_use).is_ok())
        };
        assert_eq!(admitted(800), [true, true, true]);
        assert_eq!(admitted(799), [false, true, true]);
        assert_eq!(admitted(199), [false, false, true]);
        assert_eq!(monitor.report().refused, 3);
        let refused = monitor.admit(SpaceUse::Writes).unwrap_err();
        assert_eq!(refused, NoSpace { free_bytes: 199, needed_bytes: 900 });
    }

    #[test]
    fn without_a_reserve_everything_is_admitted() {
        let monitor = SpaceMonitor::new(0, || Ok(0));
        monitor.sample().unwrap();
        assert_eq!(monitor.report().level, SpaceLevel::Ample);
        assert_eq!(monitor.admit(SpaceUse::Writes), Ok(()));
    }

    #[test]
    fn sample_that_fails_leaves_the_last_one_in_force() {
        let calls = AtomicU64::new(0);
        let monitor = SpaceMonitor::new(RESERVE, move || {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                Ok(799)
            } else {
                Err(io::Error::other("injected fault"))
            }
        });
        monitor.sample().unwrap();
        assert!(monitor.sample().is_err());
        assert_eq!(monitor.report().level, SpaceLevel::Low);
        assert_eq!(monitor.report().free_bytes, 799);
    }

    #[test]
    fn file_system_of_a_directory_has_free_space() {
        let monitor = SpaceMonitor::of_file_system(1, std::env::temp_dir());
        monitor.sample().unwrap();
        assert!(monitor.report().free_bytes > 0);
    }
}
