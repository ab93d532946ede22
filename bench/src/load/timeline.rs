//! The log lines of the nodes and the client since a time, in chronological order.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// A log line with its time.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Milliseconds since the start of the timeline.
    pub(crate) at_ms: f64,
    /// The log that contains it.
    pub(crate) source: String,
    /// The message.
    pub(crate) message: String,
    /// The other fields of the line.
    pub(crate) fields: Value,
}

impl Event {
    /// The value of a field, if it is text.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// One line of text.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{:>9.1} ms  {:<8}{}", self.at_ms, self.source, self.message);
        for (name, value) in self.fields.as_object().into_iter().flatten() {
            if name != "message" {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                line += &format!(" {name}={value}");
            }
        }
        line
    }
}

/// The events of JSON logs since `from`, a timestamp in the format of the logs.
pub(crate) fn events_since(from: &str, logs: &[(String, &Path)]) -> anyhow::Result<Vec<Event>> {
    let origin = micros_of_day(from)?;
    let mut events = Vec::new();
    for (source, path) in logs {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        for line in text.lines() {
            // The last line is incomplete if its process was killed or is writing it.
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let Some(timestamp) = line["timestamp"].as_str() else { continue };
            if timestamp < from {
                continue;
            }
            let micros = micros_of_day(timestamp)?;
            let since = (micros + MICROS_A_DAY - origin) % MICROS_A_DAY;
            events.push(Event {
                at_ms: f64::from(u32::try_from(since)?) / 1e3,
                source: source.clone(),
                message: line["fields"]["message"].as_str().unwrap_or_default().to_owned(),
                fields: line["fields"].clone(),
            });
        }
    }
    events.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    Ok(events)
}

const MICROS_A_DAY: u64 = 24 * 3600 * 1_000_000;

/// The time of day of a timestamp such as `2026-11-21T13:25:34.123456Z`.
fn micros_of_day(timestamp: &str) -> anyhow::Result<u64> {
    let parse = || {
        let (_, time) = timestamp.strip_suffix('Z')?.split_once('T')?;
        let (seconds, fraction) = time.split_once('.')?;
        let mut total = 0;
        for part in seconds.split(':') {
            total = total * 60 + part.parse::<u64>().ok()?;
        }
        let micros = format!("{fraction:0<6}").get(..6)?.parse::<u64>().ok()?;
        Some(total * 1_000_000 + micros)
    };
    parse().with_context(|| format!("{timestamp:?} is no timestamp of a log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_differ_by_the_time_between_them() {
        let day = |time| micros_of_day(&format!("2026-11-21T{time}Z")).unwrap();
        assert_eq!(day("00:00:01.5"), 1_500_000);
        assert_eq!(day("13:25:34.123456") - day("13:25:34.000001"), 123_455);
        assert!(micros_of_day("13:25").is_err());
    }
}
