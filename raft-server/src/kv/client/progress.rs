//! The state of a call between its attempts: when the next one is due, and which error is true if
//! there is none.

use std::time::Duration;

use super::error::Error;

/// How long a call pauses before the next attempt, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(80);
/// How many redirects are followed without a pause.
const REDIRECTS_MAX: u32 = 3;

/// Whether a request may be sent again after its response was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RetrySafety {
    /// Yes: it is a read, or a command that may be applied twice.
    Idempotent,
    /// Yes, because it belongs to a session. Until a response arrives it is unknown whether the
    /// command was applied.
    Deduplicated,
    /// No: it could be applied twice.
    Unsafe,
}

/// Whether an earlier attempt of the call may be in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempts {
    /// Only the attempt that received the response.
    Single,
    /// An earlier attempt as well: its response was lost.
    Repeated,
}

/// The state of a call between its attempts.
pub(super) struct Progress {
    retry_safety: RetrySafety,
    attempts: Attempts,
    redirects: u32,
    pauses: u32,
    pause: Option<Duration>,
    /// Why the last attempt failed.
    reason: String,
}

impl Progress {
    pub(super) fn new(retry_safety: RetrySafety) -> Self {
        Self {
            retry_safety,
            attempts: Attempts::Single,
            redirects: 0,
            pauses: 0,
            pause: None,
            reason: "the timeout expired before the first attempt".to_owned(),
        }
    }

    pub(super) const fn attempts(&self) -> Attempts {
        self.attempts
    }

    /// The pause before the next attempt.
    pub(super) fn take_pause(&mut self) -> Duration {
        self.pause.take().unwrap_or_default()
    }

    /// The attempt failed and is not in the log: another one follows after a pause.
    pub(super) fn failed(&mut self, reason: String) {
        self.reason = reason;
        let pause = PAUSE_MIN.saturating_mul(1 << self.pauses.min(8)).min(PAUSE_MAX);
        self.pauses += 1;
        self.pause = Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0));
    }

    /// As [`Self::failed`], with a pause of at least `pause_min`.
    pub(super) fn failed_busy(&mut self, reason: String, pause_min: Duration) {
        self.failed(reason);
        self.pause = self.pause.max(Some(pause_min));
    }

    /// As [`Self::failed`], but the next node is known: no pause follows unless there were many
    /// redirects.
    pub(super) fn redirected(&mut self, reason: String) {
        self.failed(reason);
        self.redirects += 1;
        if self.redirects <= REDIRECTS_MAX {
            self.pauses -= 1;
            self.pause = None;
        }
    }

    /// The attempt may be in the log, but its response is lost.
    ///
    /// # Errors
    /// [`Error::Unknown`] if the request must not be sent again.
    pub(super) fn lost(&mut self, reason: String) -> Result<(), Error> {
        if self.retry_safety == RetrySafety::Unsafe {
            return Err(Error::Unknown { reason });
        }
        self.attempts = Attempts::Repeated;
        self.failed(reason);
        Ok(())
    }

    /// The error of a call whose timeout expired.
    pub(super) fn timed_out(&self) -> Error {
        self.error(Error::Unavailable { reason: self.reason.clone() })
    }

    /// The error of a call whose last attempt was refused or not sent. That attempt is not in the
    /// log; an earlier one whose response was lost may be.
    pub(super) fn error(&self, last: Error) -> Error {
        match (self.retry_safety, self.attempts) {
            (RetrySafety::Deduplicated, Attempts::Repeated) => Error::Unknown {
                reason: format!("the response to an earlier attempt was lost, and then: {last}"),
            },
            // An idempotent request has no outcome to lose; an unsafe one ends with the first
            // lost response.
            (RetrySafety::Deduplicated, Attempts::Single)
            | (RetrySafety::Idempotent | RetrySafety::Unsafe, _) => last,
        }
    }
}
