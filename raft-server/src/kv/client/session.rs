//! Writes that are carried out once, however often they are asked for.
//!
//! A session has one write under way at a time, so a client keeps as many as it ever had writes
//! side by side and lends one to each.

use tokio::time::Instant;

use crate::kv::protocol::RequestBody;
use crate::kv::state_machine::{Command, Op, Outcome, Output, SessionId, SessionSerial};

use super::call::{Attempts, Caller, RetrySafety};
use super::{Error, ends_session, output};

/// A session that nobody uses at present.
#[derive(Debug)]
pub(super) struct IdleSession {
    id: SessionId,
    last_serial: u64,
}

/// Has an operation carried out once.
pub(super) async fn command(caller: &Caller, op: Op) -> Result<Output, Error> {
    let deadline = caller.deadline();
    let taken = caller.take_session();
    let was_idle = taken.is_some();
    let session = match taken {
        Some(session) => session,
        None => open(caller, deadline).await?,
    };
    let (done, session) = attempt(caller, session, op.clone(), deadline).await;
    match done {
        // It was evicted while it lay idle: its write has the first word only now.
        Ok((Output { outcome: Outcome::Refused(refused), .. }, attempts))
            if ends_session(&refused) && was_idle && attempts == Attempts::Single =>
        {
            let session = open(caller, deadline).await?;
            let (done, session) = attempt(caller, session, op, deadline).await;
            conclude(caller, done, session)
        }
        done => conclude(caller, done, session),
    }
}

type Done = Result<(Output, Attempts), Error>;

async fn attempt(
    caller: &Caller,
    session: IdleSession,
    op: Op,
    deadline: Instant,
) -> (Done, IdleSession) {
    let IdleSession { id, last_serial } = session;
    let serial = last_serial + 1;
    let command = Command { session: Some(SessionSerial { session: id, serial }), op };
    let called = caller
        .call_leader(RequestBody::Command(command), RetrySafety::Deduplicated, deadline)
        .await;
    let done = called.and_then(|(response, attempts)| Ok((output(response)?, attempts)));
    (done, IdleSession { id, last_serial: serial })
}

fn conclude(caller: &Caller, done: Done, session: IdleSession) -> Result<Output, Error> {
    let done = match done {
        // No attempt of it is in the log, so the session's next write may follow.
        Err(error @ (Error::Unavailable { .. } | Error::Invalid { .. } | Error::NoSpace(_))) => {
            caller.return_session(session);
            return Err(error);
        }
        done => done?,
    };
    match done {
        (Output { outcome: Outcome::Refused(refused), .. }, attempts) if ends_session(&refused) => {
            match attempts {
                Attempts::Single => Err(Error::Refused(refused)),
                Attempts::Repeated => Err(Error::Unknown { reason: refused.to_string() }),
            }
        }
        (output, _) => {
            caller.return_session(session);
            Ok(output)
        }
    }
}

/// Opens a session. The caller's write is not sent before that has succeeded.
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
            | Outcome::Refused(_)) => Err(super::mismatch(outcome)),
        });
    opened.map_err(|error| match error {
        // The outcome of the opening may be open; the write was not carried out.
        Error::Unknown { .. } | Error::Failed { .. } | Error::OutputNotKept => {
            Error::Unavailable { reason: format!("no session could be opened: {error}") }
        }
        Error::Config(_)
        | Error::Tls(_)
        | Error::Unavailable { .. }
        | Error::Invalid { .. }
        | Error::NoSpace(_)
        | Error::Refused(_)
        | Error::Protocol(_) => error,
    })
}
