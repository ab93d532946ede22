//! A replicated key-value store, shaped like etcd's.
//!
//! The store has one revision, which every command that changes something raises by one. A key
//! knows the revision that created it, the one that changed it last, and how often it changed
//! since. Reads see the newest state or any past revision that is not compacted away.
//!
//! [`Command`] is what goes through the log and [`Output`] what comes back; [`Query`] is a read
//! and [`Answer`] its result. [`Limits::check`] refuses what is too large before it is proposed.

mod blob;
mod command;
mod limits;
mod output;
mod query;
mod words;

pub use command::{
    Command, Compare, DeleteRange, Expected, Op, Put, Relation, SessionSerial, Txn, TxnOp,
};
pub use limits::{LimitExceeded, Limits};
pub use output::{Deleted, Outcome, Output, Refused, TxnOpResult, TxnResult};
pub use query::{Answer, AnswerBody, HashAnswer, Projection, Query, RangeRequest, RangeResult};
pub use words::{FormatError, KeyRange, KeyValue, Revision, SessionId};
