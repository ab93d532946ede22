//! A trace as a whole, and its text: one line of JSON for the header and one for each record.

use std::io::{self, BufRead, Write};

use raft_core::NodeId;
use serde::{Deserialize, Serialize};

use super::kind::Record;

/// The name of the format in the header.
pub const FORMAT: &str = "raft-trace";

/// The version of the format that this build writes. It reads no other version.
pub const VERSION: u32 = 2;

/// A header and records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trace {
    /// The scenario.
    pub header: Header,
    /// What happened, in order; `records[i].sequence == i + 1`.
    pub records: Vec<Record>,
}

/// The first line of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Always [`FORMAT`].
    pub format: String,
    /// The version of the format.
    pub version: u32,
    /// The short name of the scenario, which is also the name of its files.
    pub scenario: String,
    /// The title of the scenario.
    pub title: String,
    /// What the scenario shows, in one or more paragraphs.
    pub description: String,
    /// Where the scenario is defined: a scenario file, or a package and a test, `raft-core
    /// elections::split_vote`. Empty if that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The nodes of the initial configuration, ascending.
    pub nodes: Vec<NodeId>,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Trace {
    /// Writes the header and the records, one line each.
    ///
    /// # Errors
    /// The writer fails.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.header)?;
        out.write_all(b"\n")?;
        for record in &self.records {
            serde_json::to_writer(&mut *out, record)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads the text that [`Trace::write`] writes.
    ///
    /// # Errors
    /// The reader fails, the header names another format or version, or a line is not the next
    /// record.
    pub fn read(input: &mut dyn BufRead) -> Result<Self, TraceError> {
        let mut lines = input.lines();
        let first = lines.next().ok_or(TraceError::Empty)??;
        let bad = |source| TraceError::Line { line: 1, source };
        // Another version may have other fields, so the version is checked before the rest.
        let FormatAndVersion { format, version } = serde_json::from_str(&first).map_err(bad)?;
        if format != FORMAT || version != VERSION {
            return Err(TraceError::Format { format, version });
        }
        let header: Header = serde_json::from_str(&first).map_err(bad)?;
        let mut records: Vec<Record> = Vec::new();
        for (number, line) in (2_u64..).zip(lines) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let record: Record = serde_json::from_str(&line)
                .map_err(|source| TraceError::Line { line: number, source })?;
            let expected = records.len() as u64 + 1;
            if record.sequence != expected || record.cause.is_some_and(|cause| cause >= expected) {
                return Err(TraceError::OutOfOrder { line: number });
            }
            records.push(record);
        }
        Ok(Self { header, records })
    }

    /// The record with this number.
    #[must_use]
    pub fn record(&self, sequence: u64) -> Option<&Record> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.records.get(at)
    }
}

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The reader failed.
    #[error("the trace cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is no line.
    #[error("the trace is empty")]
    Empty,
    /// The file has another format, or another version of this one.
    #[error(
        "line 1: the format is {format:?} version {version}; this build reads {:?} version {}",
        FORMAT,
        VERSION
    )]
    Format {
        /// The format in the header.
        format: String,
        /// The version in the header.
        version: u32,
    },
    /// A line is not a record.
    #[error("line {line}, column {}: {}", source.column(), reason(source))]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong with the line.
        source: serde_json::Error,
    },
    /// A record does not have the next number, or its cause is not an earlier record.
    #[error(
        "line {line}: records are numbered from 1 without gaps, and the cause of a record is an \
         earlier record"
    )]
    OutOfOrder {
        /// From 1.
        line: u64,
    },
}

/// The message of a JSON error without its position, which counts from the start of the line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The fields of a header that every version has.
#[derive(Deserialize)]
struct FormatAndVersion {
    format: String,
    version: u32,
}

#[cfg(test)]
mod tests {
    use raft_core::{LogId, LogIndex, Term};

    use super::super::{BodyView, Liveness, MessageView, NodeState, RecordKind, Role, Side};
    use super::*;

    #[test]
    fn a_written_trace_is_read_back_unchanged() {
        let trace = sample();
        let mut text = Vec::new();
        trace.write(&mut text).unwrap();
        assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 4);
        assert_eq!(Trace::read(&mut text.as_slice()).unwrap(), trace);
    }

    #[test]
    fn a_trace_of_another_version_is_refused_with_its_version() {
        let mut trace = sample();
        trace.header.version = 3;
        let mut text = Vec::new();
        trace.write(&mut text).unwrap();
        let error = Trace::read(&mut text.as_slice()).unwrap_err();
        assert!(error.to_string().contains("version 3"), "{error}");
    }

    #[test]
    fn a_later_version_is_merged_by_its_number_whatever_its_fields() {
        let text = "{\"format\":\"raft-trace\",\"version\":9,\"new\":1}\n";
        let error = Trace::read(&mut text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("version 9") && error.contains("version 2"), "{error}");
    }

    #[test]
    fn a_bad_line_is_merged_by_its_line_and_column() {
        let mut text = Vec::new();
        sample().write(&mut text).unwrap();
        text.extend_from_slice(b"{\"sequence\": 4, \"time\": what}\n");
        let error = Trace::read(&mut text.as_slice()).unwrap_err().to_string();
        assert_eq!(error, "line 5, column 25: expected value");
    }

    #[test]
    fn a_gap_in_the_numbers_is_refused_with_its_line() {
        let mut trace = sample();
        trace.records.remove(1);
        let mut text = Vec::new();
        trace.write(&mut text).unwrap();
        let error = Trace::read(&mut text.as_slice()).unwrap_err();
        assert!(matches!(error, TraceError::OutOfOrder { line: 3 }), "{error}");
    }

    fn sample() -> Trace {
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            scenario: "sample".to_owned(),
            title: "A sample".to_owned(),
            description: String::new(),
            source: String::new(),
            nodes: vec![NodeId(1), NodeId(2)],
            seed: 7,
        };
        let state = NodeState {
            liveness: Liveness::Up,
            side: Side::Majority,
            role: Role::Candidate,
            term: Term(1),
            voted_for: Some(NodeId(1)),
            leader: None,
            transfer_target: None,
            lease_end: None,
            base: LogIndex(0),
            last: LogId::ORIGIN,
            persisted: LogIndex(0),
            commit: LogIndex(0),
            applied: LogIndex(0),
            apply_failed_at: None,
        };
        let view = MessageView {
            id: 1,
            from: NodeId(1),
            to: NodeId(2),
            term: Term(1),
            body: BodyView::RequestVote { last_log: LogId::ORIGIN, leadership_transfer: false },
        };
        let record = |sequence, node, kind, cause, message| Record {
            sequence,
            time: 5,
            node,
            kind,
            cause,
            message,
            state: node.map(|_: NodeId| state.clone()),
        };
        let section = RecordKind::Section {
            title: "s".to_owned(),
            description: String::new(),
            uses: vec!["pre-vote".to_owned()],
            tests: Vec::new(),
        };
        let action = RecordKind::TestAction { action: "campaign".to_owned() };
        let records = vec![
            record(1, None, section, None, None),
            record(2, Some(NodeId(1)), action, None, None),
            record(3, Some(NodeId(1)), RecordKind::MessageSent, Some(2), Some(view)),
        ];
        Trace { header, records }
    }
}
