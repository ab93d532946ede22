//! The host's part in snapshots (Raft §7): captures, transfers, receptions and restores.
//!
//! The core decides when a snapshot is needed and never sees its data. The data is kept in a
//! [`SnapshotStore`] that the embedder provides.
//!
//! - *Taking.* The applier captures the state machine between two batches ([`capture`]); a thread of
//!   its own reads the captured state into the store ([`writer`]).
//! - *Sending.* The transport reads the data from the store ([`send`]).
//! - *Receiving.* The transport writes the data into the store ([`receive`]). Once the snapshot is
//!   published, its message goes to the core, which resets the log and then requests the restore.
//! - *Restoring.* The applier replaces the state of the state machine ([`restore`]), in order with
//!   the entries that it applies; after an interruption the start does it again ([`recovery`]).
//!
//! [`dispatch`] is the driver's side: it passes on what the core requests.

pub(super) mod capture;
pub(super) mod dispatch;
mod error;
mod host;
mod options;
mod receive;
mod reception;
pub(super) mod recovery;
pub(super) mod report;
mod restore;
mod send;
pub(super) mod unsecured;
pub(super) mod writer;

pub use capture::CapturedState;
pub use error::{RestoreError, SnapshotRequestError};
pub(super) use host::Snapshots;
pub use options::{SnapshotOptions, TooLittleSpace};
