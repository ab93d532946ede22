//! One call: attempts at one node after another, until one succeeds or the timeout expires.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::config::{ClientConfig, Retry};
use super::connection::RequestError;
use super::dial::{Dialler, no_response};
use super::error::Error;
use super::nodes::{NodeIndex, Nodes, Target};
use super::progress::{Attempts, Progress, RetrySafety};
use crate::kv::protocol::{FrameError, Refusal, RequestBody, Response, ResponseBody};
use crate::kv::state_machine::SessionId;

/// What all clones of a client share.
#[derive(Debug)]
pub(super) struct Caller {
    nodes: Nodes,
    timeout: Duration,
    silence_timeout: Duration,
    retry: Retry,
    idle_sessions: Mutex<Vec<IdleSession>>,
}

/// A session without a write in flight.
#[derive(Debug)]
pub(super) struct IdleSession {
    pub(super) id: SessionId,
    pub(super) last_serial: u64,
}

/// How one attempt ended.
enum Attempt {
    Response(Response),
    /// The request did not reach the node.
    NotSent(String),
    /// The request may have reached the node.
    Lost(String),
    /// The request does not fit in a frame and was not sent.
    TooLarge(FrameError),
}

impl Caller {
    pub(super) fn new(config: ClientConfig) -> Result<Self, Error> {
        if config.endpoints.is_empty() {
            let reason = "no endpoint is set: set the client address of at least one node";
            return Err(Error::Config(reason.to_owned()));
        }
        let dialler = Dialler::new(&config)?;
        Ok(Self {
            nodes: Nodes::new(dialler, &config.endpoints),
            timeout: config.timeout,
            silence_timeout: config.silence_timeout,
            retry: config.retry,
            idle_sessions: Mutex::default(),
        })
    }

    pub(super) const fn retry(&self) -> Retry {
        self.retry
    }

    /// The deadline of a call that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Calls the leader.
    pub(super) async fn call_leader(
        &self,
        body: RequestBody,
        retry_safety: RetrySafety,
        deadline: Instant,
    ) -> Result<(ResponseBody, Attempts), Error> {
        self.call(Target::Leader, body, retry_safety, deadline).await
    }

    /// Calls any node.
    pub(super) async fn call_any(&self, body: RequestBody) -> Result<ResponseBody, Error> {
        let deadline = self.deadline();
        let called = self.call(Target::AnyNode, body, RetrySafety::Idempotent, deadline).await;
        called.map(|(response, _)| response)
    }

    /// Calls one node, without a retry.
    pub(super) async fn call_at(
        &self,
        address: &str,
        body: RequestBody,
    ) -> Result<ResponseBody, Error> {
        let node = self.nodes.index_of(address);
        let deadline = self.deadline();
        let unavailable = |reason| Error::Unavailable { reason };
        let connection = match timeout_at(deadline, self.nodes.connection(node)).await {
            Ok(dialled) => dialled.map_err(|error| unavailable(error.reason))?,
            Err(_) => return Err(unavailable(format!("{address} does not respond in time"))),
        };
        match timeout_at(deadline, connection.request(body)).await {
            Ok(Ok(Response { body: ResponseBody::Refused(refusal), .. })) => {
                Err(unavailable(refusal.to_string()))
            }
            Ok(Ok(response)) => Ok(response.body),
            Ok(Err(RequestError::NotSent(reason) | RequestError::Lost(reason))) => {
                Err(unavailable(format!("{address}: {reason}")))
            }
            Ok(Err(RequestError::Frame(error))) => {
                Err(Error::Invalid { reason: error.to_string() })
            }
            Err(_) => Err(unavailable(format!("{address} does not respond in time"))),
        }
    }

    pub(super) fn take_session(&self) -> Option<IdleSession> {
        self.idle_sessions.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(super) fn return_session(&self, session: IdleSession) {
        self.idle_sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    async fn call(
        &self,
        target: Target,
        body: RequestBody,
        retry_safety: RetrySafety,
        deadline: Instant,
    ) -> Result<(ResponseBody, Attempts), Error> {
        let mut progress = Progress::new(retry_safety);
        loop {
            let node = self.nodes.pick(target);
            match self.attempt(node, body.clone(), deadline).await {
                Attempt::Response(response) => {
                    if let Some(response) =
                        self.on_response(target, node, response, &mut progress)?
                    {
                        return Ok((response, progress.attempts()));
                    }
                }
                Attempt::NotSent(reason) => {
                    debug!(address = self.nodes.address(node), reason, "request not sent");
                    self.nodes.avoid(node);
                    if let Some(reason) = self.nodes.permanent_failures() {
                        return Err(progress.error(Error::Unavailable { reason }));
                    }
                    progress.failed(reason);
                }
                Attempt::Lost(reason) => {
                    debug!(address = self.nodes.address(node), reason, "response lost");
                    self.nodes.avoid(node);
                    progress.lost(reason)?;
                }
                Attempt::TooLarge(error) => {
                    return Err(progress.error(Error::Invalid { reason: error.to_string() }));
                }
            }
            let pause = progress.take_pause();
            if Instant::now() + pause >= deadline {
                return Err(progress.timed_out());
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn attempt(&self, node: NodeIndex, body: RequestBody, deadline: Instant) -> Attempt {
        let dial_deadline = deadline.min(Instant::now() + self.silence_timeout);
        let connection = match timeout_at(dial_deadline, self.nodes.connection(node)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Attempt::NotSent(error.reason),
            Err(_) => return Attempt::NotSent(no_response(&self.nodes.address(node))),
        };
        match timeout_at(deadline, connection.request(body)).await {
            Ok(Ok(response)) => Attempt::Response(response),
            Ok(Err(RequestError::NotSent(reason))) => Attempt::NotSent(reason),
            Ok(Err(RequestError::Lost(reason))) => Attempt::Lost(reason),
            Ok(Err(RequestError::Frame(error))) => Attempt::TooLarge(error),
            Err(_) => Attempt::Lost("no response arrived in time".to_owned()),
        }
    }

    /// Returns the response if it ends the call, `None` if another attempt is due.
    fn on_response(
        &self,
        target: Target,
        node: NodeIndex,
        response: Response,
        progress: &mut Progress,
    ) -> Result<Option<ResponseBody>, Error> {
        let Response { body, leader: other_leader, .. } = response;
        match body {
            ResponseBody::Refused(refusal) => self.on_refusal(node, refusal, progress)?,
            ResponseBody::Unknown { leader } => {
                self.nodes.redirected(node, leader.as_ref());
                progress.lost("leadership was lost while the request was in flight".to_owned())?;
            }
            ResponseBody::Failed { reason } => return Err(Error::Failed { reason }),
            ResponseBody::Output(_)
            | ResponseBody::Range { .. }
            | ResponseBody::Status(_)
            | ResponseBody::Members(_)
            | ResponseBody::Transferred { .. }
            | ResponseBody::Explanation(_)
            | ResponseBody::Snapshot(_)
            | ResponseBody::Membership(_)
            | ResponseBody::MembershipChanged { .. }
            | ResponseBody::Pong => {
                match target {
                    Target::Leader => self.nodes.completed(node, other_leader.as_ref()),
                    Target::AnyNode => self.nodes.responded(node),
                }
                return Ok(Some(body));
            }
        }
        Ok(None)
    }

    fn on_refusal(
        &self,
        node: NodeIndex,
        refusal: Refusal,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        debug!(address = self.nodes.address(node), %refusal, "request refused");
        let reason = refusal.to_string();
        match refusal {
            Refusal::NotLeader { leader } => {
                if self.nodes.redirected(node, Some(&leader)) {
                    progress.redirected(reason);
                } else {
                    progress.failed(reason);
                }
            }
            Refusal::NoLeader => {
                self.nodes.redirected(node, None);
                progress.failed(reason);
            }
            Refusal::NotReady | Refusal::ChangeInProgress { .. } => progress.failed(reason),
            Refusal::TooStale { .. } => {
                self.nodes.redirected(node, None);
                progress.failed(reason);
            }
            Refusal::Busy { retry_after_ms } => {
                progress.failed_busy(reason, Duration::from_millis(u64::from(retry_after_ms)));
            }
            Refusal::Stopped | Refusal::Unreadable { .. } => {
                self.nodes.avoid(node);
                progress.failed(reason);
            }
            Refusal::Invalid { reason } => return Err(progress.error(Error::Invalid { reason })),
            Refusal::NotTransferred { reason } => {
                return Err(progress.error(Error::NotTransferred { reason }));
            }
            Refusal::Lagging { reason, match_index, last_index } => {
                return Err(progress.error(Error::Lagging { reason, match_index, last_index }));
            }
            Refusal::MembershipNotChanged { reason } => {
                return Err(progress.error(Error::MembershipNotChanged { reason }));
            }
            Refusal::NoSpace(no_space) => return Err(progress.error(Error::NoSpace(no_space))),
        }
        Ok(())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.nodes.close();
    }
}
