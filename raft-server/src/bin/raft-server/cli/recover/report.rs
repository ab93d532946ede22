//! What one data directory holds, as a file that other nodes read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

/// The format of a report.
const FORMAT: u32 = 1;

/// What the data directory of one node holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    pub(super) format: u32,
    /// 32 hexadecimal digits.
    pub(super) cluster: String,
    pub(super) node: u64,
    pub(super) incarnation: u64,
    /// How often the cluster was recovered, as far as this node knows.
    pub(super) epoch: u64,
    pub(super) term: u64,
    pub(super) voted_for: Option<u64>,
    pub(super) first_index: u64,
    pub(super) last_index: u64,
    pub(super) last_term: u64,
    /// Up to here the node knew entries to be committed. More may be.
    pub(super) commit_index: u64,
    /// The last entry in the key-value store.
    pub(super) applied_index: u64,
    /// The last entries of the snapshots.
    pub(super) snapshots: Vec<u64>,
    /// The index of the membership in force.
    pub(super) membership_version: u64,
    pub(super) voters: Vec<u64>,
    pub(super) outgoing: Vec<u64>,
    pub(super) learners: Vec<u64>,
    /// Why the log is marked broken, if it is.
    pub(super) broken: Option<String>,
}

/// The output of `recover --output json`, as far as it is read again.
#[derive(Deserialize)]
struct Printed {
    report: Report,
}

impl Report {
    pub(super) const fn format() -> u32 {
        FORMAT
    }

    /// The last entry, by which logs are compared (Raft §5.4.1).
    pub(super) const fn last(&self) -> (u64, u64) {
        (self.last_term, self.last_index)
    }

    /// Reads the report of another node.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let failure = |detail: String| {
            let path = path.display();
            let message = format!(
                "{path} is not a report: {detail}; write one on its node with `raft-server recover \
                 --data-dir DIRECTORY --output json`"
            );
            Failure::new(Exit::Config, message)
        };
        let text = std::fs::read_to_string(path).map_err(|error| failure(error.to_string()))?;
        let printed: Printed =
            serde_json::from_str(&text).map_err(|error| failure(error.to_string()))?;
        if printed.report.format == FORMAT {
            Ok(printed.report)
        } else {
            Err(failure(format!("it has format {}, not {FORMAT}", printed.report.format)))
        }
    }
}
