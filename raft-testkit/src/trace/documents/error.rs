//! Why documents cannot be written.

use std::io;
use std::path::PathBuf;

use crate::trace::record::TraceError;

/// Why documents cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// A file or a directory cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or the directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file is not a trace.
    #[error("{}: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TraceError,
    },
    /// The directory has no traces.
    #[error("{}: no trace (*.jsonl) is in this directory; run the tests first", path.display())]
    NoTraces {
        /// The directory.
        path: PathBuf,
    },
    /// A section names a feature that is not registered.
    #[error("scenario {scenario}: the feature {path:?} is not registered{hint}")]
    UnknownFeature {
        /// The scenario.
        scenario: String,
        /// The path of the feature.
        path: String,
        /// A registered path that is similar.
        hint: String,
    },
}
