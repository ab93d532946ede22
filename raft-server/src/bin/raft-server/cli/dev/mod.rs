//! `raft-server dev`: a cluster of processes on this machine, for trying out.

mod directory;
mod nodes;
mod tour;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use raft_core::NodeId;
use raft_server::kv::client::{Client, ClientConfig};
use raft_transport_quic::tls::{TlsFiles, TlsIdentity};

use self::directory::{DevDirectory, DirectoryError, Wish};
use self::nodes::{Ended, Nodes};
use super::verbs::connection::ClientFile;
use super::{Exit, Failure, show};
use crate::shutdown::Signals;

/// How long a cluster may take to have a leader.
const READY_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a killed node stays away before it is started again.
const RESTART_AFTER: Duration = Duration::from_secs(3);
/// How often a state is asked for that nobody announces.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What `dev` takes.
#[derive(Args, Debug)]
pub(super) struct DevArgs {
    /// How many nodes [default: 3, or as many as the directory has]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// The directory for certificates, configurations, data and logs
    #[arg(long, value_name = "DIRECTORY", default_value = "raft-dev")]
    dir: PathBuf,
    /// The first of three consecutive ports a node [default: the system chooses once]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Leave nodes that were killed dead rather than start them again
    #[arg(long)]
    no_restart: bool,
    /// Show first that a write survives the death of the leader
    #[arg(long)]
    tour: bool,
    /// End once the cluster is up and the tour, if asked for, is over
    #[arg(long)]
    exit: bool,
}

/// A running development cluster.
struct Dev {
    directory: DevDirectory,
    nodes: Nodes,
    client: Client,
    program: PathBuf,
}

/// Runs a cluster until Ctrl-C.
pub(super) fn run(args: &DevArgs) -> Result<(), Failure> {
    // One thread, this one: a node ends when the thread that started it does.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::install()
            .map_err(|error| Failure::new(Exit::Failure, format!("no signals: {error}")))?;
        let mut dev = Dev::start(args)?;
        let outcome = tokio::select! {
            outcome = dev.live(args) => outcome,
            signal = signals.next() => {
                show(&format!("{signal}: ending all nodes"));
                Ok(())
            }
        };
        signals.next_one_kills();
        dev.nodes.stop().await;
        show(&format!(
            "all nodes have ended; their data stays in {}",
            dev.directory.path().display()
        ));
        outcome
    })
}

impl Dev {
    fn start(args: &DevArgs) -> Result<Self, Failure> {
        let wish = Wish { nodes: args.nodes, base_port: args.base_port };
        let directory = DevDirectory::open(&args.dir, wish).map_err(directory_failure)?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(Exit::Failure, format!("where am I? {error}")))?;
        let client = client(&directory)?;
        let mut nodes = Nodes::new(program.clone());
        for node in directory.nodes() {
            nodes.start(&directory, node).map_err(|error| start_failure(node.id, &error))?;
        }
        Ok(Self { directory, nodes, client, program })
    }

    /// Waits until the cluster works, shows it, and looks after it.
    async fn live(&mut self, args: &DevArgs) -> Result<(), Failure> {
        let leader = self.ready().await?;
        self.directory.bootstrapped().map_err(directory_failure)?;
        show(&self.overview(leader));
        let leader = if args.tour { self.tour().await? } else { leader };
        if args.exit {
            show(&self.how_to_go_on());
            return Ok(());
        }
        show(&self.next_commands(leader));
        loop {
            let ended = self.nodes.next_end().await;
            self.on_end(&ended, args).await?;
        }
    }

    /// Reports a node that has ended, and starts it again if it was killed. One that ended by
    /// itself would only do so again.
    async fn on_end(&mut self, ended: &Ended, args: &DevArgs) -> Result<(), Failure> {
        let id = ended.id;
        let killed = ended.status.is_some_and(|status| status.signal().is_some());
        show(&self.obituary(ended));
        if killed && !args.no_restart {
            tokio::time::sleep(RESTART_AFTER).await;
            self.restart(id)?;
            show(&format!("node {id} is started again"));
        }
        Ok(())
    }

    fn restart(&mut self, id: u64) -> Result<(), Failure> {
        let node = self.directory.node(id).expect("only nodes of the directory were started");
        self.nodes.start(&self.directory, node).map_err(|error| start_failure(id, &error))
    }

    /// How a node ended, with the end of its log.
    fn obituary(&self, ended: &Ended) -> String {
        let how = ended.status.map_or_else(|| "for unknown reasons".to_owned(), |s| s.to_string());
        let log = self.directory.log(ended.id);
        let lines = nodes::last_lines(&log, 3);
        format!("node {} has ended ({how}); its log {} ends with\n{lines}", ended.id, log.display())
    }

    /// Waits until a linearizable read is answered, and says who leads. A node that ends meanwhile
    /// ends the wait: at the start that is no accident.
    async fn ready(&mut self) -> Result<u64, Failure> {
        let Self { nodes, client, .. } = self;
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(READY_TIME_MAX, answered(client)) => outcome,
            ended = nodes.next_end() => {
                return Err(Failure::new(Exit::Failure, self.obituary(&ended)));
            }
        };
        if outcome.is_err() {
            let log = nodes::last_lines(&self.directory.log(1), 5);
            let message = format!("no leader within {READY_TIME_MAX:?}; node 1 says\n{log}");
            return Err(Failure::new(Exit::Failure, message));
        }
        self.leader().await
    }

    /// Who leads, as the nodes say.
    async fn leader(&self) -> Result<u64, Failure> {
        for node in self.directory.nodes() {
            if self.nodes.pid(node.id).is_some()
                && let Ok(report) = self.client.status_of(&node.client.to_string()).await
                && let Some(NodeId(leader)) = report.leader
            {
                return Ok(leader);
            }
        }
        Err(Failure::new(Exit::Failure, "no node knows a leader"))
    }

    fn overview(&self, leader: u64) -> String {
        let nodes = self.directory.nodes();
        let mut text =
            format!("{} nodes are up in {}\n", nodes.len(), self.directory.path().display());
        for node in nodes {
            let role = if node.id == leader { "leads" } else { "     " };
            let pid = self.nodes.pid(node.id).unwrap_or_default();
            text += &format!(
                "  node {} {role}  pid {pid}  peers udp {}  clients udp {}  http://{}\n",
                node.id, node.peer, node.client, node.http,
            );
        }
        text
    }

    /// What to type to have the cluster again.
    fn how_to_go_on(&self) -> String {
        let (program, directory) = (quote(&self.program), quote(self.directory.path()));
        let client = quote(&self.directory.client_file());
        format!(
            "To keep the cluster running and try it yourself:\n\n  {program} dev --dir {directory}\n\n\
             and in another terminal:\n\n  \
               export RAFT_CLIENT={client}\n  \
               {program} put greeting hello\n  \
               {program} get greeting\n  \
               {program} status\n"
        )
    }

    /// Commands for another terminal, exactly as they can be typed there.
    fn next_commands(&self, leader: u64) -> String {
        let program = quote(&self.program);
        let client = quote(&self.directory.client_file());
        let http =
            self.directory.node(leader).map_or_else(String::new, |node| node.http.to_string());
        let pid = self.nodes.pid(leader).unwrap_or_default();
        format!(
            "Try it, in another terminal:\n\n  \
               export RAFT_CLIENT={client}\n  \
               {program} put greeting hello\n  \
               {program} get greeting\n  \
               {program} status\n  \
               {program} members\n  \
               curl http://{http}/readyz\n  \
               kill -9 {pid}\n  \
               {program} get greeting\n\n\
             (The `kill` ends the leader, node {leader}; it is started again after a few seconds.)\n\
             Ctrl-C here ends all nodes; the same command starts them again with their data."
        )
    }
}

/// Reads until a read is answered.
async fn answered(client: &Client) {
    while client.get(Bytes::from_static(b"-")).await.is_err() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn client(directory: &DevDirectory) -> Result<Client, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::new(Exit::Config, error);
    let file = ClientFile::read(&directory.client_file()).map_err(|error| fail(&error))?;
    let files = TlsFiles { ca: file.ca, certificate: file.certificate, key: file.key };
    let tls = TlsIdentity::load(&files).map_err(|error| fail(&error))?;
    Client::new(ClientConfig::new(file.endpoints, tls)).map_err(|error| fail(&error))
}

#[allow(clippy::needless_pass_by_value, reason = "used with map_err")]
fn directory_failure(error: DirectoryError) -> Failure {
    Failure::new(Exit::Config, error)
}

fn start_failure(id: u64, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failure, format!("cannot start node {id}: {error}"))
}

/// A path as a shell reads it back.
fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+');
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_only_where_a_shell_would_misread_it() {
        assert_eq!(quote(Path::new("/a/b-1.toml")), "/a/b-1.toml");
        assert_eq!(quote(Path::new("/a b/c")), "'/a b/c'");
        assert_eq!(quote(Path::new("/it's")), r"'/it'\''s'");
    }
}
