//! Checks that a response is of the kind that its request requires.

use super::error::Error;
use crate::kv::protocol::ResponseBody;
use crate::kv::state_machine::{Outcome, Output};

/// The output of a command. A node that responds with anything else may have applied it.
pub(super) fn output(response: ResponseBody) -> Result<Output, Error> {
    let ResponseBody::Output(output) = response else {
        return Err(Error::Unknown { reason: unexpected(&response).to_string() });
    };
    Ok(output)
}

/// The error for a response of the wrong kind.
pub(super) fn unexpected(response: &ResponseBody) -> Error {
    Error::Protocol(format!("{response:?} is the response to another kind of request"))
}

/// The error for the outcome of a command that is not of the kind of its operation.
pub(super) fn mismatch(outcome: Outcome) -> Error {
    match outcome {
        Outcome::OutputNotKept => Error::OutputNotKept,
        Outcome::Refused(refusal) => Error::Refused(refusal),
        Outcome::Put { .. }
        | Outcome::DeleteRange(_)
        | Outcome::Txn(_)
        | Outcome::Compact
        | Outcome::SessionOpened { .. } => {
            let violation =
                Error::Protocol(format!("{outcome:?} is the outcome of another operation"));
            Error::Unknown { reason: violation.to_string() }
        }
    }
}
