//! The progress of a long command, for a person at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The shortest time between two updates.
const INTERVAL: Duration = Duration::from_millis(100);

/// Shows how many bytes were transferred, on stderr if that is a terminal. Programs that read the
/// result from stdout see nothing of it.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    started: Instant,
    /// The last update; `None` if nothing is shown.
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        let started = Instant::now();
        let shown = io::stderr().is_terminal().then_some(started);
        Self { what, started, shown }
    }

    /// So many bytes were transferred.
    pub(super) fn update(&mut self, bytes: u64) {
        let Some(shown) = self.shown else { return };
        if shown.elapsed() < INTERVAL {
            return;
        }
        self.shown = Some(Instant::now());
        let text = line(self.what, bytes, self.started.elapsed());
        // The progress is a convenience: a failure to show it is ignored.
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, bytes: u64, elapsed: Duration) -> String {
    let mib = 1_048_576_f64;
    let size = f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) * 1024.0 / mib;
    let rate = size / elapsed.as_secs_f64().max(0.001);
    format!("{what}: {size:.1} MiB, {rate:.1} MiB/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_shows_size_and_rate() {
        let text = line("saving", 3 << 20, Duration::from_secs(2));
        assert_eq!(text, "saving: 3.0 MiB, 1.5 MiB/s");
    }
}
