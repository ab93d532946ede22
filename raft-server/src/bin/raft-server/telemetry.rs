//! Log lines on stderr, as text or JSON.
//!
//! Text escapes control characters, so that nothing a client or peer sends can move the cursor
//! of whoever reads the log, or fake a line in it. JSON escapes them by itself.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LogSettings};

/// Reads a filter such as `info` or `info,raft_server=debug`.
pub(crate) fn parse_filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

/// Starts logging for the whole process. Called once.
pub(crate) fn start(settings: &LogSettings) {
    // The configuration was checked: its level parses.
    let filter = parse_filter(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match settings.format {
        LogFormat::Text => builder.with_writer(EscapedStderr).init(),
        LogFormat::Json => builder.json().with_writer(io::stderr).init(),
    }
}

/// Stderr behind [`Escaping`].
#[derive(Clone, Copy, Debug)]
struct EscapedStderr;

impl<'a> MakeWriter<'a> for EscapedStderr {
    type Writer = Escaping<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaping(io::stderr())
    }
}

/// Writes log lines, each handed over whole, with control characters made visible.
#[derive(Debug)]
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(escape(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// One line: every control character but its own end is written as an escape.
fn escape(line: &str) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    let mut escaped = String::with_capacity(line.len());
    for c in body.chars() {
        if c.is_control() || is_direction_override(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped + end
}

/// Characters that make a terminal show text in another order than it is written.
fn is_direction_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_stays_one_line_whatever_is_in_it() {
        let mut out = Vec::new();
        let line = "put key=\u{1b}[2J\nERROR fake\r\u{9b}31m\u{202e} grün\n";
        Escaping(&mut out).write_all(line.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "put key=\\u{1b}[2J\\nERROR fake\\r\\u{9b}31m\\u{202e} grün\n"
        );
    }
}
