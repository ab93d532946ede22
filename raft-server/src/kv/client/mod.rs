//! A client of the replicated key-value store.
//!
//! A [`Client`] knows some of the cluster's addresses, finds the leader by itself, follows it when
//! it changes, and shares one connection a node among all its clones and callers. It asks again
//! where that is safe: after a refusal always; after a lost answer only if the request was a read
//! or belongs to a session, which makes the cluster carry it out once. Otherwise the caller hears
//! [`Error::Unknown`] and decides.

mod addresses;
mod call;
mod config;
mod dial;
mod error;
mod link;
mod nodes;
mod session;

use std::sync::Arc;

use bytes::Bytes;

pub use config::{ClientConfig, Retry};
pub use error::Error;

use crate::kv::protocol::{Consistency, MemberReport, RequestBody, ResponseBody, StatusReport};
use crate::kv::state_machine::{
    Command, DeleteRange, Deleted, KeyRange, KeyValue, Op, Outcome, Output, Put, QueryResult,
    QueryResultBody, RangeRequest, RangeResult, Revision, StoreRefusal, Txn, TxnResult,
};
use call::{Caller, RetrySafety};

/// A client of one cluster. Clones share everything and cost nothing.
#[derive(Clone, Debug)]
pub struct Client {
    caller: Arc<Caller>,
}

/// An answer, and the store's revision when it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revisioned<T> {
    /// The store's revision after the request.
    pub revision: Revision,
    /// What came of it.
    pub value: T,
}

impl Client {
    /// Prepares a client; needs a tokio runtime. Nodes are dialled when they are first needed, so
    /// that a cluster that is down now is no error yet.
    ///
    /// # Errors
    /// When the configuration cannot work or no UDP port can be had.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        Ok(Self { caller: Arc::new(Caller::new(config)?) })
    }

    /// Prepares a client and waits until a node has answered.
    ///
    /// # Errors
    /// As [`Client::new`], and when no node answers in time.
    pub async fn connect(config: ClientConfig) -> Result<Self, Error> {
        let client = Self::new(config)?;
        client.members().await?;
        Ok(client)
    }

    /// Sets a key. The answer tells what it was before if `prev_kv` asks for it.
    ///
    /// # Errors
    /// [`Error`] tells what is known of the outcome.
    pub async fn put(&self, put: Put) -> Result<Revisioned<Option<KeyValue>>, Error> {
        let output = self.command(Op::Put(put)).await?;
        let Output { revision, outcome: Outcome::Put { prev_kv } } = output else {
            return Err(mismatch(output.outcome));
        };
        Ok(Revisioned { revision, value: prev_kv })
    }

    /// Deletes one key or many.
    ///
    /// # Errors
    /// [`Error`] tells what is known of the outcome.
    pub async fn delete(&self, delete: DeleteRange) -> Result<Revisioned<Deleted>, Error> {
        let output = self.command(Op::DeleteRange(delete)).await?;
        let Output { revision, outcome: Outcome::DeleteRange(deleted) } = output else {
            return Err(mismatch(output.outcome));
        };
        Ok(Revisioned { revision, value: deleted })
    }

    /// Compares, then does one list of operations or the other.
    ///
    /// # Errors
    /// [`Error`] tells what is known of the outcome. Comparisons that do not hold are no error.
    pub async fn txn(&self, txn: Txn) -> Result<Revisioned<TxnResult>, Error> {
        let output = self.command(Op::Txn(txn)).await?;
        let Output { revision, outcome: Outcome::Txn(result) } = output else {
            return Err(mismatch(output.outcome));
        };
        Ok(Revisioned { revision, value: result })
    }

    /// Forgets what was superseded at this revision or before. Returns the store's revision.
    ///
    /// # Errors
    /// [`Error`] tells what is known of the outcome.
    pub async fn compact(&self, revision: Revision) -> Result<Revision, Error> {
        let output = self.command(Op::Compact(revision)).await?;
        let Output { revision, outcome: Outcome::Compact } = output else {
            return Err(mismatch(output.outcome));
        };
        Ok(revision)
    }

    /// Reads one key; `None` if it does not exist. Linearizable.
    ///
    /// # Errors
    /// When no node answers in time, or the request is refused.
    pub async fn get(&self, key: Bytes) -> Result<Revisioned<Option<KeyValue>>, Error> {
        let request = RangeRequest::new(KeyRange::Key(key));
        let Revisioned { revision, mut value } =
            self.range(request, Consistency::Linearizable).await?;
        Ok(Revisioned { revision, value: value.kvs.pop() })
    }

    /// Reads keys.
    ///
    /// # Errors
    /// When no node answers in time, or the request is refused.
    pub async fn range(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Revisioned<RangeResult>, Error> {
        let body = RequestBody::Range { request, consistency };
        let response = match consistency {
            Consistency::Linearizable => {
                let deadline = self.caller.deadline();
                self.caller.call_leader(body, RetrySafety::Idempotent, deadline).await?.0
            }
            Consistency::Serializable => self.caller.call_any(body).await?,
        };
        let ResponseBody::Range(QueryResult { revision, body }) = response else {
            return Err(unexpected(&response));
        };
        match body {
            QueryResultBody::Range(value) => Ok(Revisioned { revision, value }),
            QueryResultBody::Refused(refused) => Err(Error::Refused(refused)),
            QueryResultBody::Hash(_) => Err(Error::Protocol("a hash nobody asked for".to_owned())),
        }
    }

    /// What the node at one of the endpoints tells of itself.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn status_of(&self, endpoint: &str) -> Result<StatusReport, Error> {
        let response = self.caller.call_at(endpoint, RequestBody::Status).await?;
        let ResponseBody::Status(report) = response else { return Err(unexpected(&response)) };
        Ok(*report)
    }

    /// Who takes part in the cluster, as far as the node that answers knows.
    ///
    /// # Errors
    /// When no node answers in time.
    pub async fn members(&self) -> Result<Vec<MemberReport>, Error> {
        let response = self.caller.call_any(RequestBody::Members).await?;
        let ResponseBody::Members(members) = response else { return Err(unexpected(&response)) };
        Ok(members)
    }

    /// Has an operation carried out, in a session if the configuration says so.
    async fn command(&self, op: Op) -> Result<Output, Error> {
        let output = match self.caller.retry() {
            Retry::WhenSafe => {
                let body = RequestBody::Command(Command::without_session(op));
                let deadline = self.caller.deadline();
                output(self.caller.call_leader(body, RetrySafety::Unsafe, deadline).await?.0)?
            }
            Retry::ExactlyOnce => session::command(&self.caller, op).await?,
        };
        if let Outcome::Refused(refused) = output.outcome {
            return Err(Error::Refused(refused));
        }
        Ok(output)
    }
}

/// The output of a command. A node that answers with anything else may have carried it out.
fn output(response: ResponseBody) -> Result<Output, Error> {
    let ResponseBody::Output(output) = response else {
        return Err(Error::Unknown { reason: unexpected(&response).to_string() });
    };
    Ok(output)
}

fn unexpected(response: &ResponseBody) -> Error {
    Error::Protocol(format!("{response:?} answers another question"))
}

/// What a command came to whose output is not of its own kind.
fn mismatch(outcome: Outcome) -> Error {
    match outcome {
        Outcome::OutputNotKept => Error::OutputNotKept,
        Outcome::Refused(refused) => Error::Refused(refused),
        Outcome::Put { .. }
        | Outcome::DeleteRange(_)
        | Outcome::Txn(_)
        | Outcome::Compact
        | Outcome::SessionOpened { .. } => {
            let broken = Error::Protocol(format!("{outcome:?} answers another question"));
            Error::Unknown { reason: broken.to_string() }
        }
    }
}

/// Whether a refusal of the store means that the session is of no further use.
const fn ends_session(refused: &StoreRefusal) -> bool {
    matches!(refused, StoreRefusal::SessionExpired | StoreRefusal::SessionStale { .. })
}
