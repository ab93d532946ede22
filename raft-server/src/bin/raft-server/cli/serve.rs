//! `raft-server serve`: runs one node in the foreground.

use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::config_args::ConfigArgs;
use crate::exit::{Exit, Failure};
use crate::signals::Signals;
use crate::{server, telemetry};

/// The arguments of `serve`.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Shut down when the parent process, which has this id, exits
    #[arg(long, hide = true, value_name = "PID")]
    exit_with_parent: Option<i32>,
}

/// Runs a node until it stops or receives a signal.
pub(super) fn run(args: ServeArgs) -> Result<(), Failure> {
    if let Some(parent) = args.exit_with_parent {
        exit_with(parent)?;
    }
    let (config, warnings) = args.config.load()?;
    telemetry::start(&config.log);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let (grace, data_dir) = (config.shutdown_grace, config.data_dir.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.runtime_threads)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot start the asynchronous runtime: {error}"))
        })?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::install().map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot handle signals: {error}"))
        })?;
        match server::start(config, &mut signals).await? {
            Some(server) => server.run(signals).await,
            None => Ok(()),
        }
    });
    // Tasks and blocking reads keep the stores open, here and on the threads of the handshakes.
    runtime.shutdown_timeout(grace);
    server::wait_until_closed(&data_dir, grace);
    outcome
}

/// Requests SIGTERM for this process when its parent exits. The parent may have exited already.
fn exit_with(parent: i32) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failure, format!("cannot watch the parent: {error}"));
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(failed)?;
    if getppid() == Pid::from_raw(parent) {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failure, "the process that started this node has exited"))
    }
}
