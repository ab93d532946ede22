//! Writes to stdout.

use std::io::{self, Write};

/// Writes bytes and flushes them. A reader that has closed the pipe is not an error.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line of text. The commands that use it have no other result: a failure to write is
/// ignored.
pub(crate) fn show(text: &str) {
    let _ = write(format!("{text}\n").as_bytes());
}
