//! A running development cluster: its directory, its processes and a client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use raft_core::NodeId;
use raft_server::kv::client::{Client, ClientConfig};
use raft_transport_quic::tls::TlsIdentity;

use super::directory::{ClusterOptions, DevDirectory, DirectoryError};
use super::nodes::{self, Ended, Nodes};
use crate::cli::client_file::ClientFile;
use crate::exit::{Exit, Failure};

/// The time limit for a first leader, and for a restarted node to catch up.
pub(super) const READY_TIME_MAX: Duration = Duration::from_secs(30);
/// The interval at which the state of a node is read. Nodes are other processes and send no
/// notification.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A running development cluster.
pub(super) struct DevCluster {
    directory: DevDirectory,
    nodes: Nodes,
    client: Client,
    program: PathBuf,
}

impl DevCluster {
    /// Opens or creates the directory and starts all nodes.
    pub(super) fn start(path: &Path, options: ClusterOptions) -> Result<Self, Failure> {
        let directory = DevDirectory::open(path, options).map_err(directory_failure)?;
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot find the path of this program: {error}"))
        })?;
        let client = client(&directory)?;
        let mut nodes = Nodes::new(program.clone());
        for node in directory.nodes() {
            nodes.start(&directory, node).map_err(|error| start_failure(node.id, &error))?;
        }
        Ok(Self { directory, nodes, client, program })
    }

    /// The directory of the cluster.
    pub(super) const fn directory(&self) -> &DevDirectory {
        &self.directory
    }

    /// This program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// A client of the cluster.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The process id of a running node.
    pub(super) fn pid(&self, id: u64) -> Option<i32> {
        self.nodes.pid(id)
    }

    /// Waits until a linearizable read succeeds, and returns the leader's id. A node that exits
    /// meanwhile is an error.
    pub(super) async fn ready(&mut self) -> Result<u64, Failure> {
        let Self { nodes, client, .. } = self;
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(READY_TIME_MAX, first_read(client)) => outcome,
            ended = nodes.next_end() => {
                return Err(Failure::new(Exit::Failure, self.end_report(&ended)));
            }
        };
        if outcome.is_err() {
            let log = nodes::last_lines(&self.directory.log(1), 5);
            let message =
                format!("no leader within {READY_TIME_MAX:?}; the log of node 1 ends with\n{log}");
            return Err(Failure::new(Exit::Failure, message));
        }
        self.directory.bootstrapped().map_err(directory_failure)?;
        self.leader().await
    }

    /// The leader that a running node reports.
    pub(super) async fn leader(&self) -> Result<u64, Failure> {
        for node in self.directory.nodes() {
            if self.nodes.pid(node.id).is_some()
                && let Ok(report) = self.client.status_of(&node.client.to_string()).await
                && let Some(NodeId(leader)) = report.leader
            {
                return Ok(leader);
            }
        }
        Err(Failure::new(Exit::Failure, "no node reports a leader"))
    }

    /// Kills a node with SIGKILL and waits until its process has ended.
    pub(super) async fn kill(&mut self, id: u64) -> Result<(), Failure> {
        self.nodes.kill(id).map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot kill node {id}: {error}"))
        })?;
        self.nodes.next_end().await;
        Ok(())
    }

    /// Starts a node again.
    pub(super) fn restart(&mut self, id: u64) -> Result<(), Failure> {
        let node = self.directory.node(id).expect("only nodes of the directory were started");
        self.nodes.start(&self.directory, node).map_err(|error| start_failure(id, &error))
    }

    /// Waits for the next process to end.
    pub(super) async fn next_end(&mut self) -> Ended {
        self.nodes.next_end().await
    }

    /// Stops all nodes and returns the directory with their data.
    pub(super) async fn stop(mut self) -> PathBuf {
        self.nodes.stop().await;
        self.directory.path().to_owned()
    }

    /// How a node ended, with the last lines of its log.
    pub(super) fn end_report(&self, ended: &Ended) -> String {
        let how =
            ended.status.map_or_else(|| "status unknown".to_owned(), |status| status.to_string());
        let log = self.directory.log(ended.id);
        let lines = nodes::last_lines(&log, 3);
        format!("node {} has ended ({how}); its log {} ends with\n{lines}", ended.id, log.display())
    }
}

/// Reads until a read succeeds.
async fn first_read(client: &Client) {
    while client.get(Bytes::from_static(b"-")).await.is_err() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn client(directory: &DevDirectory) -> Result<Client, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::new(Exit::Config, error);
    let file = ClientFile::read(&directory.client_file()).map_err(|error| fail(&error))?;
    let tls = TlsIdentity::load(&file.tls_files()).map_err(|error| fail(&error))?;
    Client::new(ClientConfig::new(file.endpoints, tls)).map_err(|error| fail(&error))
}

#[allow(clippy::needless_pass_by_value, reason = "used with map_err")]
fn directory_failure(error: DirectoryError) -> Failure {
    Failure::new(Exit::Config, error)
}

fn start_failure(id: u64, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failure, format!("cannot start node {id}: {error}"))
}
