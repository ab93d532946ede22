//! A replicated key-value store with the data model of etcd.
//!
//! The store has one revision, which every command that changes something raises by one. A key
//! carries the revision that created it, the revision that changed it last, and the number of
//! changes since its creation. Reads return the newest state or any past revision that is not
//! compacted away.
//!
//! [`Command`] is what the log contains and [`Output`] what the store returns for it; [`Query`] is
//! a read and [`QueryResult`] its result. [`Limits::check`] refuses what is too large before it is
//! proposed; [`Rules`] hold every constant that decides what a command in the log does.
//!
//! [`KvStateMachine`] applies commands; [`KvReader`] reads on other threads. The `layout` module
//! describes the records on disk, `snapshot::format` a captured state.

mod apply;
mod background;
pub(in crate::kv) mod blob;
mod budget;
mod cached;
mod command;
mod cursor;
mod database;
mod directory;
mod earlier_identity;
mod encoding;
mod error;
mod hash;
mod identity;
mod key;
mod layout;
mod limits;
mod machine;
mod maintenance;
mod options;
mod output;
mod query;
mod reader;
mod refusal;
mod rules;
mod session;
mod shared;
mod snapshot;
mod staged;
mod store;
mod txn;
mod types;
mod view;

pub use command::{
    Command, Compare, DeleteRange, Expected, Op, Put, Relation, SessionSerial, Txn, TxnOp,
};
pub use encoding::FormatError;
pub use error::{OpenError, ReadError};
pub use key::{KeyRange, KeyValue};
pub use limits::{LimitExceeded, Limits};
pub use machine::KvStateMachine;
pub use options::KvOptions;
pub use output::{Deleted, Outcome, Output, TxnOpResult, TxnResult};
pub use query::{
    HashResult, Projection, Query, QueryResult, QueryResultBody, RangeRequest, RangeResult,
};
pub use reader::KvReader;
pub use refusal::StoreRefusal;
pub use rules::{RangeBounds, Rules};
pub use snapshot::CapturedSummary;
pub use types::{Revision, SessionId};
