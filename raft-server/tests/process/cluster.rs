//! A cluster of processes in a temporary directory.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use raft_core::{ClusterId, Identity, NodeId};
use raft_server::certificates::{Authority, Validity};
use raft_server::kv::client::{Client, ClientConfig};
use raft_server::kv::protocol::StatusReport;
use raft_server::loopback_ports::LoopbackPorts;
use raft_storage::RocksLogStore;
use raft_transport_quic::tls::{PeerIdentity, TlsFiles, TlsIdentity};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::poll::{self, PATIENCE};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_raft-server");

/// Nodes that run as processes, with their configurations and certificates. Dropping this kills
/// them.
pub(crate) struct Cluster {
    directory: TempDir,
    id: ClusterId,
    authority: Authority,
    nodes: Vec<Node>,
    _reserved: LoopbackPorts,
}

struct Node {
    ports: Ports,
    process: Option<Child>,
}

/// The addresses of a node's ports.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) peer: SocketAddr,
    pub(crate) client: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Cluster {
    /// Creates configurations and certificates for some nodes and starts none of them.
    pub(crate) fn new(count: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let id = ClusterId(fastrand::u128(1..));
        let authority = Authority::new("process tests").unwrap();
        let reserved = LoopbackPorts::reserve(2 * count, count).unwrap();
        let udp: Vec<_> = reserved.udp().collect();
        let node = |(udp, http): (&[SocketAddr], _)| Node {
            ports: Ports { peer: udp[0], client: udp[1], http },
            process: None,
        };
        let nodes = udp.chunks(2).zip(reserved.tcp()).map(node).collect();
        let cluster = Self { directory, id, authority, nodes, _reserved: reserved };
        std::fs::write(cluster.path("ca.pem"), cluster.authority.certificate_pem()).unwrap();
        cluster.certify("client", &cluster.client_identity(), Validity::ten_years());
        for node in cluster.ids() {
            let holder = PeerIdentity::Node { cluster: id, node: NodeId(node) };
            cluster.certify(&format!("node-{node}"), &holder, Validity::ten_years());
            std::fs::write(cluster.config(node), cluster.config_text(node)).unwrap();
        }
        let endpoints: Vec<_> = cluster.endpoints().iter().map(|e| format!("{e:?}")).collect();
        let client_file = format!(
            "endpoints = [{}]\nca = \"ca.pem\"\ncertificate = \"client.pem\"\nkey = \"client.key\"\n",
            endpoints.join(", ")
        );
        std::fs::write(cluster.path("client.toml"), client_file).unwrap();
        cluster
    }

    /// As [`Cluster::new`], with every node started.
    pub(crate) fn started(count: usize) -> Self {
        let mut cluster = Self::new(count);
        for node in cluster.ids() {
            cluster.start(node);
        }
        cluster
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> + use<> {
        1..=self.nodes.len() as u64
    }

    /// A file or directory of the cluster.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config(&self, node: u64) -> PathBuf {
        self.path(&format!("node-{node}.toml"))
    }

    pub(crate) fn data_dir(&self, node: u64) -> PathBuf {
        self.path(&format!("node-{node}"))
    }

    pub(crate) fn ports(&self, node: u64) -> Ports {
        self.nodes[usize::try_from(node).unwrap() - 1].ports
    }

    pub(crate) const fn id(&self) -> ClusterId {
        self.id
    }

    /// The process id of a running node.
    pub(crate) fn pid(&self, node: u64) -> u32 {
        let position = usize::try_from(node).unwrap() - 1;
        self.nodes[position].process.as_ref().expect("the node runs").id()
    }

    /// The identity that a node's data carries, once there is any.
    pub(crate) fn try_identity(&self, node: u64) -> Option<Identity> {
        RocksLogStore::identity_of(self.data_dir(node).join("log")).ok().flatten()
    }

    /// The identity that a node's data carries.
    pub(crate) fn identity(&self, node: u64) -> Identity {
        identity_in(&self.data_dir(node))
    }

    fn client_identity(&self) -> PeerIdentity {
        PeerIdentity::Client { cluster: self.id, name: "test".to_owned() }
    }

    /// Writes NAME.pem and NAME.key for a holder.
    pub(crate) fn certify(&self, name: &str, holder: &PeerIdentity, validity: Validity) {
        let issued = self.authority.issue(holder, validity).unwrap();
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        issued.write(&self.path(&certificate), &self.path(&key)).unwrap();
    }

    /// The text of a node's configuration, which lists every node. Further keys may be written
    /// before it.
    pub(crate) fn config_text(&self, node: u64) -> String {
        self.config_text_listing(node, &self.ids().collect::<Vec<_>>())
    }

    /// Writes the configuration of a node with these members.
    pub(crate) fn list_members(&self, node: u64, members: &[u64]) {
        std::fs::write(self.config(node), self.config_text_listing(node, members)).unwrap();
    }

    fn config_text_listing(&self, node: u64, members: &[u64]) -> String {
        let mut text = format!(
            "cluster_id = \"{}\"\nnode_id = {node}\ndata_dir = \"node-{node}\"\n\
             listen_http = \"{}\"\ntls_ca = \"ca.pem\"\ntls_certificate = \"node-{node}.pem\"\n\
             tls_key = \"node-{node}.key\"\n",
            self.id,
            self.ports(node).http
        );
        for &member in members {
            let Ports { peer, client, .. } = self.ports(member);
            text +=
                &format!("[[members]]\nid = {member}\npeer = \"{peer}\"\nclient = \"{client}\"\n");
        }
        text
    }

    /// Starts a node. Only its first start may initialise the data directory.
    pub(crate) fn start(&mut self, node: u64) {
        let bootstrap = !self.data_dir(node).exists();
        self.start_with(node, bootstrap);
    }

    /// Starts a node with or without `--bootstrap`.
    pub(crate) fn start_with(&mut self, node: u64, bootstrap: bool) {
        let log_path = self.path(&format!("node-{node}.log"));
        let log = OpenOptions::new().create(true).append(true).open(log_path).unwrap();
        let mut command = self.serve(node);
        if bootstrap {
            command.arg("--bootstrap");
        }
        let process = command.stderr(log).spawn().unwrap();
        self.slot(node).replace(process);
    }

    /// The command that runs a node.
    pub(crate) fn serve(&self, node: u64) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("serve").arg("--config").arg(self.config(node)).stdin(Stdio::null());
        command
    }

    /// Kills a node with SIGKILL and waits until its process has ended.
    pub(crate) fn kill(&mut self, node: u64) {
        let mut process = self.slot(node).take().expect("the node runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Sends a signal to a node.
    pub(crate) fn signal(&mut self, node: u64, signal: Signal) {
        let process = self.slot(node).as_ref().expect("the node runs");
        let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether a node's process runs.
    pub(crate) fn is_running(&mut self, node: u64) -> bool {
        let process = self.slot(node).as_mut().expect("the node was started");
        process.try_wait().unwrap().is_none()
    }

    /// Waits until a node's process has ended by itself, and returns its status.
    pub(crate) fn ended(&mut self, node: u64) -> ExitStatus {
        let mut process = self.slot(node).take().expect("the node runs");
        poll::ended(&mut process)
    }

    /// Sends SIGTERM to every running node and waits until all have shut down in order.
    pub(crate) fn stop(&mut self) {
        let running: Vec<_> = self.ids().filter(|node| self.slot(*node).is_some()).collect();
        for node in &running {
            self.signal(*node, Signal::TERM);
        }
        for node in running {
            assert!(self.ended(node).success(), "node {node}: {}", self.log(node));
        }
    }

    /// The log lines of a node.
    pub(crate) fn log(&self, node: u64) -> String {
        std::fs::read_to_string(self.path(&format!("node-{node}.log"))).unwrap_or_default()
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.ports.client.to_string()).collect()
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with_timeout(PATIENCE)
    }

    pub(crate) fn client_with_timeout(&self, timeout: Duration) -> Client {
        let files = TlsFiles {
            ca: self.path("ca.pem"),
            certificate: self.path("client.pem"),
            key: self.path("client.key"),
        };
        let mut config = ClientConfig::new(self.endpoints(), TlsIdentity::load(&files).unwrap());
        config.timeout = timeout;
        Client::new(config).unwrap()
    }

    /// Waits until the status of a running node fulfils a condition.
    pub(crate) async fn until(
        &self,
        client: &Client,
        node: u64,
        wanted: impl Fn(&StatusReport) -> bool,
    ) -> StatusReport {
        let address = self.ports(node).client.to_string();
        poll::until(
            async || client.status_of(&address).await.ok().filter(&wanted),
            || format!("node {node} does not reach the expected state: {}", self.log(node)),
        )
        .await
    }

    /// Waits until a running node is the leader, and returns its id.
    pub(crate) async fn leader(&self, client: &Client) -> u64 {
        let node = self.nodes.iter().position(|node| node.process.is_some());
        let node = node.expect("a node runs") as u64 + 1;
        let running = |leader: NodeId| {
            usize::try_from(leader.get() - 1)
                .is_ok_and(|position| self.nodes[position].process.is_some())
        };
        let report = self.until(client, node, |report| report.leader.is_some_and(running)).await;
        report.leader.expect("the report has a leader").get()
    }

    fn slot(&mut self, node: u64) -> &mut Option<Child> {
        &mut self.nodes[usize::try_from(node).unwrap() - 1].process
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The identity that a data directory carries.
pub(crate) fn identity_in(data_dir: &Path) -> Identity {
    let log = RocksLogStore::identity_of(data_dir.join("log"));
    log.unwrap().expect("a node has created it")
}

/// A file to which a process writes and which a test reads.
pub(crate) fn capture(path: &Path) -> File {
    File::create(path).unwrap()
}
