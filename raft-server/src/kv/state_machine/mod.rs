//! A replicated key-value store, shaped like etcd's.
//!
//! The store has one revision, which every command that changes something raises by one. A key
//! knows the revision that created it, the one that changed it last, and how often it changed
//! since. Reads see the newest state or any past revision that is not compacted away.
//!
//! [`Command`] is what goes through the log and [`Output`] what comes back; [`Query`] is a read
//! and [`QueryResult`] its result. [`Limits::check`] refuses what is too large before it is proposed;
//! [`Rules`] hold every constant that decides what a command does once it is in the log.
//!
//! [`KvStateMachine`] applies commands, [`KvReader`] reads beside it. What is on disk is written
//! down in the `layout` module.

mod apply;
mod blob;
mod budget;
mod cached;
mod command;
mod cursor;
mod database;
mod error;
mod hash;
mod identity;
mod layout;
mod limits;
mod machine;
mod output;
mod query;
mod reader;
mod rules;
mod session;
mod staged;
mod sweeper;
mod txn;
mod view;
mod words;

pub use command::{
    Command, Compare, DeleteRange, Expected, Op, Put, Relation, SessionSerial, Txn, TxnOp,
};
pub use error::{OpenError, ReadError};
pub use limits::{LimitExceeded, Limits};
pub use machine::{KvOptions, KvStateMachine};
pub use output::{Deleted, Outcome, Output, StoreRefusal, TxnOpResult, TxnResult};
pub use query::{
    HashResult, Projection, Query, QueryResult, QueryResultBody, RangeRequest, RangeResult,
};
pub use reader::KvReader;
pub use rules::{RangeBounds, Rules};
pub use words::{FormatError, KeyRange, KeyValue, Revision, SessionId};
