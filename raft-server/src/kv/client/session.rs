//! Writes that are applied once, however often they are sent.
//!
//! A session has one write in flight at a time. The client keeps as many sessions as it ever had
//! concurrent writes and assigns one to each write.

use tokio::time::Instant;

use super::call::{Caller, IdleSession};
use super::error::Error;
use super::outputs::{mismatch, output};
use super::progress::{Attempts, RetrySafety};
use crate::kv::protocol::RequestBody;
use crate::kv::state_machine::{Command, Op, Outcome, Output, SessionSerial};

/// Applies an operation once.
pub(super) async fn command(caller: &Caller, op: Op) -> Result<Output, Error> {
    let deadline = caller.deadline();
    let taken = caller.take_session();
    let was_idle = taken.is_some();
    let session = match taken {
        Some(session) => session,
        None => open(caller, deadline).await?,
    };
    let (result, session) = attempt(caller, session, op.clone(), deadline).await;
    match result {
        // The session was evicted while it was idle, and no other attempt can have been applied:
        // a new session is safe.
        Ok((Output { outcome: Outcome::Refused(refusal), .. }, attempts))
            if refusal.ends_session() && was_idle && attempts == Attempts::Single =>
        {
            let session = open(caller, deadline).await?;
            let (result, session) = attempt(caller, session, op, deadline).await;
            conclude(caller, result, session)
        }
        result => conclude(caller, result, session),
    }
}

type AttemptResult = Result<(Output, Attempts), Error>;

async fn attempt(
    caller: &Caller,
    session: IdleSession,
    op: Op,
    deadline: Instant,
) -> (AttemptResult, IdleSession) {
    let IdleSession { id, last_serial } = session;
    let serial = last_serial + 1;
    let command = Command { session: Some(SessionSerial { session: id, serial }), op };
    let called = caller
        .call_leader(RequestBody::Command(command), RetrySafety::Deduplicated, deadline)
        .await;
    let result = called.and_then(|(response, attempts)| Ok((output(response)?, attempts)));
    (result, IdleSession { id, last_serial: serial })
}

fn conclude(caller: &Caller, result: AttemptResult, session: IdleSession) -> Result<Output, Error> {
    let (output, attempts) = match result {
        // No attempt is in the log, so the session can carry the next write.
        Err(error @ (Error::Unavailable { .. } | Error::Invalid { .. } | Error::NoSpace(_))) => {
            caller.return_session(session);
            return Err(error);
        }
        result => result?,
    };
    if let Outcome::Refused(refusal) = &output.outcome
        && refusal.ends_session()
    {
        return Err(match attempts {
            Attempts::Single => Error::Refused(*refusal),
            Attempts::Repeated => Error::Unknown { reason: refusal.to_string() },
        });
    }
    caller.return_session(session);
    Ok(output)
}

/// Opens a session. The caller's write is sent only after that has succeeded.
async fn open(caller: &Caller, deadline: Instant) -> Result<IdleSession, Error> {
    let body = RequestBody::Command(Command::without_session(Op::OpenSession));
    let opened = caller
        .call_leader(body, RetrySafety::Idempotent, deadline)
        .await
        .and_then(|(response, _)| output(response))
        .and_then(|output| match output.outcome {
            Outcome::SessionOpened { session } => Ok(IdleSession { id: session, last_serial: 0 }),
            outcome @ (Outcome::Put { .. }
            | Outcome::DeleteRange(_)
            | Outcome::Txn(_)
            | Outcome::Compact
            | Outcome::OutputNotKept
            | Outcome::Refused(_)) => Err(mismatch(outcome)),
        });
    opened.map_err(|error| match error {
        // The outcome of the opening may be unknown; the write was not applied.
        Error::Unknown { .. } | Error::Failed { .. } | Error::OutputNotKept => {
            Error::Unavailable { reason: format!("no session could be opened: {error}") }
        }
        Error::Config(_)
        | Error::Tls(_)
        | Error::Unavailable { .. }
        | Error::Invalid { .. }
        | Error::NoSpace(_)
        | Error::Refused(_)
        | Error::NotTransferred { .. }
        | Error::Lagging { .. }
        | Error::MembershipNotChanged { .. }
        | Error::Protocol(_) => error,
    })
}
