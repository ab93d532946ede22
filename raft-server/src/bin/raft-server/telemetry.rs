//! The log on stderr, as text or JSON.
//!
//! Text escapes control characters, so that bytes from a client or peer can neither move the cursor
//! of a terminal nor forge a log line. JSON escapes them by definition.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LogSettings};

/// Starts logging for the whole process. Called once.
pub(crate) fn start(settings: &LogSettings) {
    let filter = settings.filter.to_env_filter();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match settings.format {
        LogFormat::Text => builder.with_writer(EscapedStderr).init(),
        LogFormat::Json => builder.json().with_writer(io::stderr).init(),
    }
}

/// Stderr through [`Escaping`].
#[derive(Clone, Copy, Debug)]
struct EscapedStderr;

impl<'a> MakeWriter<'a> for EscapedStderr {
    type Writer = Escaping<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaping(io::stderr())
    }
}

/// Writes log lines with control characters escaped. Each call of `write` passes a whole line.
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

/// A line with all control characters escaped, except the line break at its end.
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

/// Characters that change the direction in which a terminal shows text.
fn is_direction_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_a_log_line_are_escaped() {
        let mut out = Vec::new();
        let line = "put key=\u{1b}[2J\nERROR fake\r\u{9b}31m\u{202e} grün\n";
        Escaping(&mut out).write_all(line.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "put key=\\u{1b}[2J\\nERROR fake\\r\\u{9b}31m\\u{202e} grün\n"
        );
    }
}
