//! The exit codes of the errors of a node.

use std::path::Path;

use raft_core::RecoveryError;
use raft_server::kv::client_api::ClientApiError;
use raft_server::kv::state_machine::OpenError as StoreOpenError;
use raft_server::{StartError, StopReason};
use raft_storage::OpenError;
use raft_transport_quic::TransportError;

use crate::exit::{Exit, Failure};

/// A log that cannot be opened.
pub(crate) fn open_failure(error: &OpenError) -> Failure {
    let exit = match error {
        OpenError::Locked { .. } => Exit::Locked,
        OpenError::OtherIdentity { .. }
        | OpenError::NewerFormat { .. }
        | OpenError::OlderFormat { .. } => Exit::Config,
        OpenError::Io { .. }
        | OpenError::Damaged { .. }
        | OpenError::Database { .. }
        | OpenError::Store { .. }
        | _ => Exit::Storage,
    };
    Failure::with_sources(exit, error)
}

/// A key-value store that cannot be opened.
pub(crate) fn store_failure(error: &StoreOpenError) -> Failure {
    let exit = match error {
        StoreOpenError::Locked { .. } => Exit::Locked,
        StoreOpenError::OtherIdentity { .. } | StoreOpenError::NewerFormat { .. } => Exit::Config,
        StoreOpenError::File { .. }
        | StoreOpenError::DamagedIdentity { .. }
        | StoreOpenError::Database { .. }
        | StoreOpenError::Read { .. }
        | StoreOpenError::Thread(_)
        | _ => Exit::Storage,
    };
    Failure::with_sources(exit, error)
}

/// A client port that cannot be served.
pub(super) fn client_api_failure(error: &ClientApiError) -> Failure {
    let exit = match error {
        ClientApiError::Listen { .. } => Exit::Port,
        ClientApiError::Tls(_) => Exit::Config,
        ClientApiError::Thread(_) | _ => Exit::Failure,
    };
    Failure::new(exit, error)
}

/// A node that cannot start.
pub(super) fn start_failure(error: &StartError, data_dir: &Path) -> Failure {
    match error {
        StartError::Recovery(RecoveryError::Broken { .. }) => Failure::new(
            Exit::Halted,
            format!("{error}: raft-server log mark-fixed --data-dir {}", data_dir.display()),
        ),
        StartError::LeaseWithoutClock
        | StartError::Config(_)
        | StartError::Recovery(_)
        | StartError::Missing(_) => Failure::with_sources(Exit::Config, error),
        StartError::Transport(source) => match source.downcast_ref::<TransportError>() {
            Some(bind @ TransportError::Bind { .. }) => Failure::new(Exit::Port, bind),
            Some(thread @ TransportError::Thread(_)) => Failure::new(Exit::Failure, thread),
            Some(other) => Failure::new(Exit::Config, other),
            None => Failure::with_sources(Exit::Failure, error),
        },
        StartError::Store(_)
        | StartError::StateMachine(_)
        | StartError::Diverged { .. }
        | StartError::Restore { .. } => Failure::with_sources(Exit::Storage, error),
        StartError::Panicked { .. } => Failure::with_sources(Exit::Halted, error),
        StartError::Thread { .. } | _ => Failure::with_sources(Exit::Failure, error),
    }
}

/// A node that has stopped by itself.
pub(super) fn stop_failure(reason: &StopReason) -> Failure {
    let exit = match reason {
        StopReason::Storage(_)
        | StopReason::StateMachineStorage(_)
        | StopReason::Restore { .. } => Exit::Storage,
        // As with data of a newer format, another release is needed; a restart does not help.
        StopReason::UnsupportedCommand { .. } => Exit::Config,
        StopReason::Halted(_)
        | StopReason::StateMachinePanicked { .. }
        | StopReason::Panicked { .. } => Exit::Halted,
        StopReason::Shutdown | StopReason::RuntimeEnded | _ => Exit::Failure,
    };
    Failure::with_sources(exit, reason).context("the node has stopped")
}
