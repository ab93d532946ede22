//! One call: attempts at one node after another, until one answers or time is up.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::dial::{Dialler, silent};
use super::link::LinkError;
use super::nodes::{Nodes, Place, Target};
use super::session::IdleSession;
use super::{ClientConfig, Error, Retry};
use crate::kv::protocol::{FrameError, Refusal, RequestBody, ResponseBody};

/// How long a caller waits before the next attempt, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(80);
/// How many redirects are followed without a pause between them.
const REDIRECTS_MAX: u32 = 3;

/// What it means to ask again after an answer was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RetrySafety {
    /// Nothing: a read, or a command that does no harm when it is carried out twice.
    Idempotent,
    /// Nothing either, as it belongs to a session; but whether it happened is not known until
    /// somebody answers.
    Deduplicated,
    /// It might be carried out twice.
    Unsafe,
}

/// Whether a request may have reached the log before the attempt that was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempts {
    /// No other attempt can have.
    Single,
    /// An earlier one may have.
    Repeated,
}

/// What all clones of a client share.
#[derive(Debug)]
pub(super) struct Caller {
    nodes: Nodes,
    timeout: Duration,
    silence_timeout: Duration,
    retry: Retry,
    idle_sessions: Mutex<Vec<IdleSession>>,
}

/// How one attempt ended.
enum Attempt {
    Answered(ResponseBody),
    /// It did not reach the node.
    NotSent(String),
    /// It may have reached the node.
    Lost(String),
    /// It does not fit in a frame, so it was not sent.
    TooLarge(FrameError),
}

/// The state of a call between its attempts.
struct Progress {
    repeat: RetrySafety,
    attempts: Attempts,
    redirects: u32,
    pauses: u32,
    pause: Option<Duration>,
    reason: String,
}

impl Caller {
    pub(super) fn new(config: ClientConfig) -> Result<Self, Error> {
        if config.endpoints.is_empty() {
            let reason = "no endpoint is set: name the client address of at least one node";
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

    /// When a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Calls whoever leads.
    pub(super) async fn call_leader(
        &self,
        body: RequestBody,
        repeat: RetrySafety,
        deadline: Instant,
    ) -> Result<(ResponseBody, Attempts), Error> {
        self.call(Target::Leader, body, repeat, deadline).await
    }

    /// Calls whoever answers.
    pub(super) async fn call_any(&self, body: RequestBody) -> Result<ResponseBody, Error> {
        let called =
            self.call(Target::AnyNode, body, RetrySafety::Idempotent, self.deadline()).await;
        called.map(|(response, _)| response)
    }

    /// Calls one node, once.
    pub(super) async fn call_at(
        &self,
        address: &str,
        body: RequestBody,
    ) -> Result<ResponseBody, Error> {
        let place = self.nodes.place_of(address);
        let deadline = self.deadline();
        let unavailable = |reason| Error::Unavailable { reason };
        let link = match timeout_at(deadline, self.nodes.link(place)).await {
            Ok(dialled) => dialled.map_err(|error| unavailable(error.reason))?,
            Err(_) => return Err(unavailable(format!("{address} does not answer in time"))),
        };
        match timeout_at(deadline, link.request(body)).await {
            Ok(Ok(ResponseBody::Refused(refusal))) => Err(unavailable(refusal.to_string())),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(LinkError::NotSent(reason) | LinkError::Lost(reason))) => {
                Err(unavailable(format!("{address}: {reason}")))
            }
            Ok(Err(LinkError::Frame(error))) => Err(Error::Invalid { reason: error.to_string() }),
            Err(_) => Err(unavailable(format!("{address} does not answer in time"))),
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
        repeat: RetrySafety,
        deadline: Instant,
    ) -> Result<(ResponseBody, Attempts), Error> {
        let mut progress = Progress::new(repeat);
        loop {
            let place = self.nodes.pick(target);
            match self.attempt(place, body.clone(), deadline).await {
                Attempt::Answered(response) => {
                    if let Some(response) = self.answered(target, place, response, &mut progress)? {
                        return Ok((response, progress.attempts));
                    }
                }
                Attempt::NotSent(reason) => {
                    debug!(address = self.nodes.address(place), reason, "request not sent");
                    self.nodes.avoid(place);
                    if let Some(reason) = self.nodes.hopeless() {
                        return Err(progress.refused(Error::Unavailable { reason }));
                    }
                    progress.failed(reason);
                }
                Attempt::Lost(reason) => {
                    debug!(address = self.nodes.address(place), reason, "response lost");
                    self.nodes.avoid(place);
                    progress.lost(reason)?;
                }
                Attempt::TooLarge(error) => {
                    return Err(progress.refused(Error::Invalid { reason: error.to_string() }));
                }
            }
            let pause = progress.pause.take().unwrap_or_default();
            if Instant::now() + pause >= deadline {
                let reason = progress.reason.clone();
                return Err(progress.refused(Error::Unavailable { reason }));
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn attempt(&self, place: Place, body: RequestBody, deadline: Instant) -> Attempt {
        let patience = deadline.min(Instant::now() + self.silence_timeout);
        let link = match timeout_at(patience, self.nodes.link(place)).await {
            Ok(Ok(link)) => link,
            Ok(Err(error)) => return Attempt::NotSent(error.reason),
            Err(_) => return Attempt::NotSent(silent(&self.nodes.address(place))),
        };
        match timeout_at(deadline, link.request(body)).await {
            Ok(Ok(response)) => Attempt::Answered(response),
            Ok(Err(LinkError::NotSent(reason))) => Attempt::NotSent(reason),
            Ok(Err(LinkError::Lost(reason))) => Attempt::Lost(reason),
            Ok(Err(LinkError::Frame(error))) => Attempt::TooLarge(error),
            Err(_) => Attempt::Lost("no answer came in time".to_owned()),
        }
    }

    /// Judges an answer: the response if it ends the call, nothing if another attempt is due.
    fn answered(
        &self,
        target: Target,
        place: Place,
        response: ResponseBody,
        progress: &mut Progress,
    ) -> Result<Option<ResponseBody>, Error> {
        match response {
            ResponseBody::Refused(refusal) => self.refused(place, refusal, progress)?,
            ResponseBody::Unknown { leader } => {
                self.nodes.redirected(place, leader.as_ref());
                progress.lost("leadership was lost while the request was under way".to_owned())?;
            }
            ResponseBody::Failed { reason } => return Err(Error::Failed { reason }),
            ResponseBody::Output(_)
            | ResponseBody::Range(_)
            | ResponseBody::Status(_)
            | ResponseBody::Members(_)
            | ResponseBody::Pong => {
                match target {
                    Target::Leader => self.nodes.leads(place),
                    Target::AnyNode => self.nodes.answered(place),
                }
                return Ok(Some(response));
            }
        }
        Ok(None)
    }

    fn refused(
        &self,
        place: Place,
        refusal: Refusal,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        debug!(address = self.nodes.address(place), %refusal, "request refused");
        match &refusal {
            Refusal::NotLeader { leader } => {
                let follow = self.nodes.redirected(place, Some(leader));
                progress.failed(refusal.to_string());
                if follow {
                    progress.redirected();
                }
            }
            Refusal::NoLeader => {
                self.nodes.redirected(place, None);
                progress.failed(refusal.to_string());
            }
            Refusal::NotReady => progress.failed(refusal.to_string()),
            Refusal::Busy { retry_after_ms } => {
                let wait = Duration::from_millis(u64::from(*retry_after_ms));
                progress.failed(refusal.to_string());
                progress.pause = progress.pause.max(Some(wait));
            }
            Refusal::Stopped | Refusal::Unreadable { .. } => {
                self.nodes.avoid(place);
                progress.failed(refusal.to_string());
            }
            Refusal::Invalid { reason } => {
                return Err(progress.refused(Error::Invalid { reason: reason.clone() }));
            }
            Refusal::NoSpace(no_space) => return Err(progress.refused(Error::NoSpace(*no_space))),
        }
        Ok(())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.nodes.close();
    }
}

impl Progress {
    fn new(repeat: RetrySafety) -> Self {
        Self {
            repeat,
            attempts: Attempts::Single,
            redirects: 0,
            pauses: 0,
            pause: None,
            reason: "time was up at once".to_owned(),
        }
    }

    /// The attempt came to nothing: another one, after a pause.
    fn failed(&mut self, reason: String) {
        self.reason = reason;
        let pause = PAUSE_MIN.saturating_mul(1 << self.pauses.min(8)).min(PAUSE_MAX);
        self.pauses += 1;
        self.pause = Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0));
    }

    /// The attempt may have done its work without anybody hearing of it.
    fn lost(&mut self, reason: String) -> Result<(), Error> {
        if self.repeat == RetrySafety::Unsafe {
            return Err(Error::Unknown { reason });
        }
        self.attempts = Attempts::Repeated;
        self.failed(reason);
        Ok(())
    }

    /// The next attempt knows where to go: no pause, as long as that is not all there is.
    fn redirected(&mut self) {
        self.redirects += 1;
        if self.redirects <= REDIRECTS_MAX {
            self.pauses -= 1;
            self.pause = None;
        }
    }

    /// How the call ends when the last attempt was refused or not sent and no other follows. That
    /// says nothing of an earlier attempt whose response was lost.
    fn refused(&self, refusal: Error) -> Error {
        match (self.repeat, self.attempts) {
            (RetrySafety::Deduplicated, Attempts::Repeated) => Error::Unknown {
                reason: format!("the response to an earlier attempt was lost, and then: {refusal}"),
            },
            // A harmless request has no outcome to lose; the others end with the first loss.
            (RetrySafety::Deduplicated, Attempts::Single)
            | (RetrySafety::Idempotent | RetrySafety::Unsafe, _) => refusal,
        }
    }
}
