//! `raft-server serve`: one node in the foreground.

use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::{ConfigArgs, Exit, Failure};
use crate::server::Server;
use crate::shutdown::Signals;
use crate::telemetry;

/// What `serve` takes.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// End when this process, the parent, does
    #[arg(long, hide = true, value_name = "PID")]
    end_with_parent: Option<i32>,
}

/// Runs a node until it stops or is told to.
pub(super) fn run(args: ServeArgs) -> Result<(), Failure> {
    if let Some(parent) = args.end_with_parent {
        end_with(parent)?;
    }
    let (config, warnings) = args.config.load()?;
    telemetry::start(&config.log);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let grace = config.shutdown_grace;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.runtime_threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::install()
            .map_err(|error| Failure::new(Exit::Failure, format!("no signals: {error}")))?;
        match Server::start(config, &mut signals).await? {
            Some(server) => server.run(signals).await,
            None => Ok(()),
        }
    });
    // Tasks and blocking reads hold the stores open. A store that is in use when the process exits
    // aborts it, which would hide the exit code.
    runtime.shutdown_timeout(grace);
    outcome
}

/// Asks the system to end this process with its parent, which may have died already.
fn end_with(parent: i32) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failure, format!("cannot watch the parent: {error}"));
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(failed)?;
    if getppid() == Pid::from_raw(parent) {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failure, "the process that started this node has ended"))
    }
}
