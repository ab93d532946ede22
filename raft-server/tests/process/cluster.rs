//! A cluster of processes in a temporary directory.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use raft_core::{ClusterId, GroupId, Identity, Incarnation, NodeId};
use raft_server::certificates::{Authority, Validity};
use raft_server::kv::client::{Client, ClientConfig};
use raft_server::kv::protocol::StatusReport;
use raft_transport_quic::tls::{PeerIdentity, TlsFiles, TlsIdentity};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_raft-server");
/// How long anything may take that a healthy cluster does at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often a state is asked for that nobody announces.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Nodes that run as processes, and what belongs to them. Ends them when dropped.
pub(crate) struct Cluster {
    directory: TempDir,
    id: ClusterId,
    authority: Authority,
    nodes: Vec<Node>,
}

struct Node {
    ports: Ports,
    process: Option<Child>,
}

/// Where a node listens.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) peer: SocketAddr,
    pub(crate) client: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Cluster {
    /// Configurations and certificates for some nodes, none of which is started.
    pub(crate) fn new(count: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let id = ClusterId(fastrand::u128(1..));
        let authority = Authority::new("process tests").unwrap();
        let nodes: Vec<_> =
            free_ports(count).into_iter().map(|ports| Node { ports, process: None }).collect();
        let cluster = Self { directory, id, authority, nodes };
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
        let place = usize::try_from(node).unwrap() - 1;
        self.nodes[place].process.as_ref().expect("only a running node has one").id()
    }

    /// What a node's data says of its owner.
    pub(crate) const fn identity(&self, node: u64) -> Identity {
        Identity {
            cluster: self.id,
            group: GroupId(0),
            node: NodeId(node),
            incarnation: Incarnation(1),
        }
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

    /// A node's configuration; keys of the top level can be put in front of it.
    pub(crate) fn config_text(&self, node: u64) -> String {
        let mut text = format!(
            "cluster_id = \"{}\"\nnode_id = {node}\ndata_dir = \"node-{node}\"\n\
             listen_http = \"{}\"\ntls_ca = \"ca.pem\"\ntls_certificate = \"node-{node}.pem\"\n\
             tls_key = \"node-{node}.key\"\n",
            self.id,
            self.ports(node).http
        );
        for member in self.ids() {
            let Ports { peer, client, .. } = self.ports(member);
            text +=
                &format!("[[members]]\nid = {member}\npeer = \"{peer}\"\nclient = \"{client}\"\n");
        }
        text
    }

    /// Starts a node; it may initialise its data directory the first time alone.
    pub(crate) fn start(&mut self, node: u64) {
        let log_path = self.path(&format!("node-{node}.log"));
        let log = OpenOptions::new().create(true).append(true).open(log_path).unwrap();
        let mut command = self.serve(node);
        if !self.data_dir(node).exists() {
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

    /// Ends a node as a power cut would, and returns once it is gone.
    pub(crate) fn kill(&mut self, node: u64) {
        let mut process = self.slot(node).take().expect("only a running node is killed");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Asks a node to end.
    pub(crate) fn signal(&mut self, node: u64, signal: Signal) {
        let process = self.slot(node).as_ref().expect("only a running node is told");
        let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether a node's process has not ended yet.
    pub(crate) fn is_running(&mut self, node: u64) -> bool {
        let process = self.slot(node).as_mut().expect("it was started");
        process.try_wait().unwrap().is_none()
    }

    /// Waits until a node has ended by itself, and says how.
    pub(crate) fn ended(&mut self, node: u64) -> ExitStatus {
        let mut process = self.slot(node).take().expect("only a running node ends");
        ended(&mut process)
    }

    /// Asks every node to end and waits until they have.
    pub(crate) fn stop(&mut self) {
        let running: Vec<_> = self.ids().filter(|node| self.slot(*node).is_some()).collect();
        for node in &running {
            self.signal(*node, Signal::TERM);
        }
        for node in running {
            assert!(self.ended(node).success(), "node {node}: {}", self.log(node));
        }
    }

    /// What a node has said so far.
    pub(crate) fn log(&self, node: u64) -> String {
        std::fs::read_to_string(self.path(&format!("node-{node}.log"))).unwrap_or_default()
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.ports.client.to_string()).collect()
    }

    pub(crate) fn client(&self) -> Client {
        let files = TlsFiles {
            ca: self.path("ca.pem"),
            certificate: self.path("client.pem"),
            key: self.path("client.key"),
        };
        let mut config = ClientConfig::new(self.endpoints(), TlsIdentity::load(&files).unwrap());
        config.timeout = PATIENCE;
        Client::new(config).unwrap()
    }

    /// Waits until a running node's status is as wanted.
    pub(crate) async fn until(
        &self,
        client: &Client,
        node: u64,
        wanted: impl Fn(&StatusReport) -> bool,
    ) -> StatusReport {
        let address = self.ports(node).client.to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(report) = client.status_of(&address).await
                && wanted(&report)
            {
                return report;
            }
            assert!(Instant::now() < deadline, "node {node} is not as wanted: {}", self.log(node));
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until somebody who runs leads, and says who.
    pub(crate) async fn leader(&self, client: &Client) -> u64 {
        let node = self.nodes.iter().position(|node| node.process.is_some());
        let node = node.expect("a cluster without running nodes has no leader") as u64 + 1;
        let running = |leader: NodeId| {
            usize::try_from(leader.get() - 1).is_ok_and(|place| self.nodes[place].process.is_some())
        };
        let report = self.until(client, node, |report| report.leader.is_some_and(running)).await;
        report.leader.expect("waited for").get()
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

/// Waits for a process to end by itself, within bounds.
pub(crate) fn ended(process: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = process.kill();
            panic!("the process does not end");
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A file for a process to write to and a test to read.
pub(crate) fn capture(path: &Path) -> File {
    File::create(path).unwrap()
}

/// Ports that nobody uses now; all are held until the last is chosen, so that they differ.
fn free_ports(count: usize) -> Vec<Ports> {
    let mut held = Vec::new();
    for _ in 0..count {
        let (peer, client) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let http = TcpListener::bind("127.0.0.1:0").unwrap();
        let ports = Ports {
            peer: peer.local_addr().unwrap(),
            client: client.local_addr().unwrap(),
            http: http.local_addr().unwrap(),
        };
        held.push((ports, peer, client, http));
    }
    held.into_iter().map(|(ports, ..)| ports).collect()
}
