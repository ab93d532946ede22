//! Prints the results of requests in the format that the caller chose.

use std::io;
use std::path::Path;

use clap::ValueEnum;
use raft_core::ports::SnapshotMetadata;
use raft_core::{LogIndex, NodeId};
use raft_server::kv::protocol::{ExplanationReport, MembershipReport, StatusReport};
use raft_server::kv::state_machine::{
    CapturedSummary, Deleted, KeyValue, Projection, RangeResult, Revision, TxnOpResult, TxnResult,
};
use serde_json::{Value, json};

use super::stdout::write;
use super::{explanation, json as values, text};

/// The format of results.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; bytes that are not UTF-8 are escaped as \x00
    #[default]
    Table,
    /// One line of JSON; bytes that are not UTF-8 are in `key_hex` and `value_hex`
    Json,
    /// The bytes of the values, and nothing else
    Raw,
}

/// Prints results in one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    format: Format,
}

impl Printer {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn put(self, revision: Revision, prev: Option<&KeyValue>) -> io::Result<()> {
        write(&match self.format {
            Format::Table => {
                let mut text = format!("done at revision {revision}\n");
                if let Some(prev) = prev {
                    text +=
                        &format!("before:\n{}", text::key_table([prev], Projection::KeysAndValues));
                }
                text.into_bytes()
            }
            Format::Json => line(&json!({
                "revision": revision.get(),
                "prev": prev.map(|prev| values::key_value(prev, Projection::KeysAndValues)),
            })),
            Format::Raw => prev.map_or_else(Vec::new, |prev| prev.value.to_vec()),
        })
    }

    /// Prints the result of a read of one key that does not exist.
    pub(crate) fn nothing(self, revision: Revision) -> io::Result<()> {
        match self.format {
            Format::Json => {
                self.range(revision, &RangeResult::default(), Projection::KeysAndValues)
            }
            Format::Table | Format::Raw => Ok(()),
        }
    }

    pub(crate) fn range(
        self,
        revision: Revision,
        found: &RangeResult,
        projection: Projection,
    ) -> io::Result<()> {
        write(&match self.format {
            Format::Table if projection == Projection::CountOnly => {
                format!("{}\n", found.count.unwrap_or_default()).into_bytes()
            }
            Format::Table => text::key_table(&found.kvs, projection).into_bytes(),
            Format::Json => line(&values::range(revision, found, projection)),
            Format::Raw => found.kvs.iter().flat_map(|kv| kv.value.clone()).collect(),
        })
    }

    pub(crate) fn deleted(self, revision: Revision, deleted: &Deleted) -> io::Result<()> {
        write(&match self.format {
            Format::Table => text::deleted_text(revision, deleted).into_bytes(),
            Format::Json => {
                let mut value = values::deleted(deleted);
                value["revision"] = revision.get().into();
                line(&value)
            }
            Format::Raw => deleted.prev_kvs.iter().flat_map(|kv| kv.value.clone()).collect(),
        })
    }

    pub(crate) fn txn(self, revision: Revision, result: &TxnResult) -> io::Result<()> {
        write(&match self.format {
            Format::Table => text::txn_text(revision, result).into_bytes(),
            Format::Json => {
                let results: Vec<Value> = result.results.iter().map(values::txn_op).collect();
                line(&json!({
                    "revision": revision.get(),
                    "succeeded": result.succeeded,
                    "results": results,
                }))
            }
            Format::Raw => txn_values(result),
        })
    }

    pub(crate) fn compacted(self, revision: Revision) -> io::Result<()> {
        write(&match self.format {
            Format::Table => format!("compacted; the store is at revision {revision}\n").into(),
            Format::Json => line(&json!({ "revision": revision.get() })),
            Format::Raw => Vec::new(),
        })
    }

    /// Prints one line for each endpoint, whether it responds or not.
    pub(crate) fn logs_compacted(
        self,
        results: &[(String, Result<LogIndex, String>)],
    ) -> io::Result<()> {
        write(&match self.format {
            Format::Table => {
                let line = |(endpoint, result): &(String, Result<LogIndex, String>)| match result {
                    Ok(first) => format!("{endpoint}  the log begins at entry {first}\n"),
                    Err(error) => format!("{endpoint}  {error}\n"),
                };
                results.iter().map(line).collect::<String>().into_bytes()
            }
            Format::Json => {
                let value = |(endpoint, result): &(String, Result<LogIndex, String>)| match result {
                    Ok(first) => json!({ "endpoint": endpoint, "first_index": first.get() }),
                    Err(error) => json!({ "endpoint": endpoint, "error": error }),
                };
                line(&Value::Array(results.iter().map(value).collect()))
            }
            Format::Raw => Vec::new(),
        })
    }

    pub(crate) fn saved(self, path: &Path, metadata: &SnapshotMetadata) -> io::Result<()> {
        write(&match self.format {
            Format::Table => text::saved(path, metadata).into_bytes(),
            Format::Json => {
                let mut value = values::snapshot(metadata);
                value["file"] = path.display().to_string().into();
                line(&value)
            }
            Format::Raw => format!("{}\n", path.display()).into_bytes(),
        })
    }

    pub(crate) fn snapshot(
        self,
        metadata: &SnapshotMetadata,
        summary: &CapturedSummary,
    ) -> io::Result<()> {
        write(&match self.format {
            Format::Table | Format::Raw => text::snapshot(metadata, summary).into_bytes(),
            Format::Json => {
                let mut value = values::snapshot(metadata);
                value["cluster"] = summary.cluster.to_string().into();
                value["revision"] = summary.revision.get().into();
                value["keys"] = summary.keys.into();
                value["superseded"] = summary.superseded.into();
                value["sessions"] = summary.sessions.into();
                line(&value)
            }
        })
    }

    pub(crate) fn transferred(self, leader: NodeId) -> io::Result<()> {
        write(&match self.format {
            Format::Table => format!("node {leader} leads\n").into(),
            Format::Json => line(&json!({ "leader": leader.get() })),
            Format::Raw => Vec::new(),
        })
    }

    /// Prints one line for each endpoint, whether it responds or not.
    pub(crate) fn status(
        self,
        reports: &[(String, Result<StatusReport, String>)],
    ) -> io::Result<()> {
        write(&match self.format {
            Format::Table | Format::Raw => text::status_table(reports).into_bytes(),
            Format::Json => {
                let value =
                    |(endpoint, report): &(String, Result<StatusReport, String>)| match report {
                        Ok(report) => values::status(endpoint, report),
                        Err(error) => json!({ "endpoint": endpoint, "error": error }),
                    };
                line(&Value::Array(reports.iter().map(value).collect()))
            }
        })
    }

    /// Prints what each endpoint waits for, whether it responds or not.
    pub(crate) fn explanations(
        self,
        reports: &[(String, Result<ExplanationReport, String>)],
    ) -> io::Result<()> {
        write(&match self.format {
            Format::Table | Format::Raw => explanation::text(reports).into_bytes(),
            Format::Json => line(&explanation::json(reports)),
        })
    }

    pub(crate) fn membership(self, report: &MembershipReport) -> io::Result<()> {
        write(&match self.format {
            Format::Table | Format::Raw => text::membership(report).into_bytes(),
            Format::Json => line(&values::membership(report)),
        })
    }

    pub(crate) fn membership_changed(self, version: LogIndex) -> io::Result<()> {
        write(&match self.format {
            Format::Table => format!("the membership has version {version}\n").into(),
            Format::Json => line(&json!({ "version": version.get() })),
            Format::Raw => Vec::new(),
        })
    }
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

fn txn_values(result: &TxnResult) -> Vec<u8> {
    let mut bytes = Vec::new();
    for result in &result.results {
        if let TxnOpResult::Range(found) = result {
            bytes.extend(found.kvs.iter().flat_map(|kv| kv.value.clone()));
        }
    }
    bytes
}
