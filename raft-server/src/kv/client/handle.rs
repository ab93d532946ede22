//! The client as programs use it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::{LogIndex, NodeId};

use super::call::Caller;
use super::config::{ClientConfig, Retry};
use super::error::Error;
use super::outputs::{mismatch, output, unexpected};
use super::progress::RetrySafety;
use super::snapshots::SnapshotDownload;
use super::{session, snapshots};
use crate::kv::protocol::{
    Consistency, ExplanationReport, MemberChange, MemberReport, MembershipReport, RequestBody,
    ResponseBody, StatusReport,
};
use crate::kv::state_machine::{
    Command, DeleteRange, Deleted, KeyRange, KeyValue, Op, Outcome, Output, Put, QueryResult,
    QueryResultBody, RangeRequest, RangeResult, Revision, Txn, TxnResult,
};

/// A client of one cluster. Clones share connections and sessions; a clone is cheap.
#[derive(Clone, Debug)]
pub struct Client {
    caller: Arc<Caller>,
}

/// A result, and the revision of the store that it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revisioned<T> {
    /// The revision of the store after a write, or of the state that a read returned.
    pub revision: Revision,
    /// The result.
    pub value: T,
}

/// The result of a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read<T> {
    /// The revision of the state that was read.
    pub revision: Revision,
    /// What was read.
    pub value: T,
    /// How old the state was at most when the read arrived at the node; zero if the read was
    /// linearizable. `None` if it permitted any age.
    pub staleness: Option<Duration>,
}

impl Client {
    /// Creates a client. Connections are established when they are first needed: a cluster that is
    /// unreachable is not an error here. The calls need a Tokio runtime with timers.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        Ok(Self { caller: Arc::new(Caller::new(config)?) })
    }

    /// Creates a client and waits for the first response of a node.
    ///
    /// # Errors
    /// As [`Client::new`], and when no node responds in time.
    pub async fn connect(config: ClientConfig) -> Result<Self, Error> {
        let client = Self::new(config)?;
        client.members().await?;
        Ok(client)
    }

    /// Sets a key. Returns its previous version if `prev_kv` requests it.
    ///
    /// # Errors
    /// See [`Error`] for what each variant states about the outcome.
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
    /// See [`Error`] for what each variant states about the outcome.
    pub async fn delete(&self, delete: DeleteRange) -> Result<Revisioned<Deleted>, Error> {
        let output = self.command(Op::DeleteRange(delete)).await?;
        let Output { revision, outcome: Outcome::DeleteRange(deleted) } = output else {
            return Err(mismatch(output.outcome));
        };
        Ok(Revisioned { revision, value: deleted })
    }

    /// Compares, then applies one of two lists of operations.
    ///
    /// # Errors
    /// See [`Error`] for what each variant states about the outcome. Comparisons that do not hold
    /// are not an error.
    pub async fn txn(&self, txn: Txn) -> Result<Revisioned<TxnResult>, Error> {
        let output = self.command(Op::Txn(txn)).await?;
        let Output { revision, outcome: Outcome::Txn(result) } = output else {
            return Err(mismatch(output.outcome));
        };
        Ok(Revisioned { revision, value: result })
    }

    /// Removes the versions that were superseded at this revision or before. Returns the revision
    /// of the store.
    ///
    /// # Errors
    /// See [`Error`] for what each variant states about the outcome.
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
    /// When no node responds in time, or the request is refused.
    pub async fn get(&self, key: Bytes) -> Result<Revisioned<Option<KeyValue>>, Error> {
        let request = RangeRequest::new(KeyRange::Key(key));
        let Read { revision, mut value, .. } =
            self.range(request, Consistency::Linearizable).await?;
        Ok(Revisioned { revision, value: value.kvs.pop() })
    }

    /// Reads a range of keys.
    ///
    /// # Errors
    /// When no node responds in time, or the request is refused. A read that permits a bounded age
    /// is tried at one node after another until one knows that its state is recent enough.
    pub async fn range(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Read<RangeResult>, Error> {
        let body = RequestBody::Range { request, consistency };
        let response = match consistency {
            Consistency::Linearizable | Consistency::Leased => {
                let deadline = self.caller.deadline();
                self.caller.call_leader(body, RetrySafety::Idempotent, deadline).await?.0
            }
            Consistency::Serializable | Consistency::Bounded { .. } => {
                self.caller.call_any(body).await?
            }
        };
        let ResponseBody::Range { result, staleness_ms } = response else {
            return Err(unexpected(&response));
        };
        let QueryResult { revision, body } = result;
        let staleness = staleness_ms.map(Duration::from_millis);
        match body {
            QueryResultBody::Range(value) => Ok(Read { revision, value, staleness }),
            QueryResultBody::Refused(refusal) => Err(Error::Refused(refusal)),
            QueryResultBody::Hash(_) => {
                Err(Error::Protocol("the response to a range is a hash".to_owned()))
            }
        }
    }

    /// The status of the node at one of the endpoints.
    ///
    /// # Errors
    /// When it does not respond in time.
    pub async fn status_of(&self, endpoint: &str) -> Result<StatusReport, Error> {
        let response = self.caller.call_at(endpoint, RequestBody::Status).await?;
        let ResponseBody::Status(report) = response else { return Err(unexpected(&response)) };
        Ok(*report)
    }

    /// What the node at one of the endpoints waits for, and why.
    ///
    /// # Errors
    /// When it does not respond in time.
    pub async fn explain(&self, endpoint: &str) -> Result<ExplanationReport, Error> {
        let response = self.caller.call_at(endpoint, RequestBody::Explain).await?;
        let ResponseBody::Explanation(report) = response else { return Err(unexpected(&response)) };
        Ok(*report)
    }

    /// The members of the cluster, from any node that responds.
    ///
    /// # Errors
    /// When no node responds in time.
    pub async fn members(&self) -> Result<Vec<MemberReport>, Error> {
        let response = self.caller.call_any(RequestBody::Members).await?;
        let ResponseBody::Members(members) = response else { return Err(unexpected(&response)) };
        Ok(members)
    }

    /// Transfers the leadership to a voter, or to one that the leader chooses, and returns the new
    /// leader. Writes wait or are redirected meanwhile.
    ///
    /// # Errors
    /// [`Error::NotTransferred`] when the node is no voter, is too far behind or does not respond,
    /// and when the response was lost; [`Client::status_of`] then shows which node leads.
    pub async fn transfer(&self, to: Option<NodeId>) -> Result<NodeId, Error> {
        // A transfer to a named node has the same effect when it is repeated.
        let safety = if to.is_some() { RetrySafety::Idempotent } else { RetrySafety::Unsafe };
        let deadline = self.caller.deadline();
        let body = RequestBody::Transfer { to };
        let called = self.caller.call_leader(body, safety, deadline).await;
        if let Err(Error::Unknown { reason }) = called {
            let reason = format!("{reason}; the status of the nodes shows which one leads");
            return Err(Error::NotTransferred { reason });
        }
        let (response, _) = called?;
        let ResponseBody::Transferred { leader } = response else {
            return Err(unexpected(&response));
        };
        Ok(leader)
    }

    /// Captures the state of the node at an endpoint, to read it in parts: a backup. Any member
    /// serves it; a follower may be behind the leader.
    ///
    /// # Errors
    /// When the node does not respond in time, or cannot capture its state.
    pub async fn save_snapshot(&self, endpoint: &str) -> Result<SnapshotDownload, Error> {
        SnapshotDownload::begin(Arc::clone(&self.caller), endpoint).await
    }

    /// Compacts the log of the node at an endpoint now, whatever its settings keep, and returns the
    /// index of its first entry.
    ///
    /// # Errors
    /// When the node does not respond in time, or cannot make its state durable.
    pub async fn compact_log(&self, endpoint: &str) -> Result<LogIndex, Error> {
        snapshots::compact_log(&self.caller, endpoint).await
    }

    /// The membership with its version, from any node that responds: it may be an earlier one.
    ///
    /// # Errors
    /// When no node responds in time.
    pub async fn membership(&self) -> Result<MembershipReport, Error> {
        let response = self.caller.call_any(RequestBody::Membership).await?;
        let ResponseBody::Membership(report) = response else { return Err(unexpected(&response)) };
        Ok(report)
    }

    /// Changes the membership, and returns its version once the final configuration is committed.
    /// With `if_version` only if the membership has that version. Waits while another change is in
    /// progress.
    ///
    /// # Errors
    /// [`Error::MembershipNotChanged`] and [`Error::Lagging`] when the change is refused,
    /// [`Error::Unknown`] when the response was lost: [`Client::membership`] then shows whether it
    /// was made.
    pub async fn change_membership(
        &self,
        change: MemberChange,
        if_version: Option<LogIndex>,
    ) -> Result<LogIndex, Error> {
        let body = RequestBody::ChangeMembership { change, if_version };
        let deadline = self.caller.deadline();
        let (response, _) = self.caller.call_leader(body, RetrySafety::Unsafe, deadline).await?;
        let ResponseBody::MembershipChanged { version } = response else {
            return Err(unexpected(&response));
        };
        Ok(version)
    }

    /// Sends a command, in a session if the configuration requires it.
    async fn command(&self, op: Op) -> Result<Output, Error> {
        let output = match self.caller.retry() {
            Retry::WhenSafe => {
                let body = RequestBody::Command(Command::without_session(op));
                let deadline = self.caller.deadline();
                output(self.caller.call_leader(body, RetrySafety::Unsafe, deadline).await?.0)?
            }
            Retry::ExactlyOnce => session::command(&self.caller, op).await?,
        };
        if let Outcome::Refused(refusal) = output.outcome {
            return Err(Error::Refused(refusal));
        }
        Ok(output)
    }
}
