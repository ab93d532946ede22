//! Waits for conditions of other processes.
//!
//! A node under test is another process, which sends no notification when its state changes. A test
//! requests the state until it is as expected. Only this module pauses a test: between two requests,
//! and never beyond a deadline. Everything else waits for an event: a response, the end of a
//! process, a line of output.

use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The deadline of everything that a healthy cluster does at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two requests.
const INTERVAL: Duration = Duration::from_millis(10);

/// Repeats a request until it returns a value. Panics with `failure` at the deadline.
pub(crate) async fn until<T>(
    request: impl AsyncFnMut() -> Option<T>,
    failure: impl FnOnce() -> String,
) -> T {
    until_within(PATIENCE, request, failure).await
}

/// As [`until`], with a deadline of its own.
pub(crate) async fn until_within<T>(
    patience: Duration,
    mut request: impl AsyncFnMut() -> Option<T>,
    failure: impl FnOnce() -> String,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = request().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{}", failure());
        tokio::time::sleep(INTERVAL).await;
    }
}

/// As [`until`], for a thread without a runtime.
pub(crate) fn until_blocking<T>(
    mut request: impl FnMut() -> Option<T>,
    failure: impl FnOnce() -> String,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = request() {
            return value;
        }
        assert!(Instant::now() < deadline, "{}", failure());
        std::thread::sleep(INTERVAL);
    }
}

/// Waits until a process has ended by itself. Kills it at the deadline, and panics.
pub(crate) fn ended(process: &mut Child) -> ExitStatus {
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send(process.wait().unwrap()));
        receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = kill_process(pid, Signal::KILL);
            panic!("process {pid:?} does not end");
        })
    })
}
