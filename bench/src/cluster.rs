//! Three processes of `raft-server serve`, with certificates of their own.
#![expect(clippy::missing_errors_doc, reason = "every failure ends the benchmark with its cause")]

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use raft_core::{ClusterId, NodeId};
use raft_server::certificates::{Authority, Validity};
use raft_server::kv::client::{Client, ClientConfig, Retry};
use raft_server::kv::protocol::{Role, StatusReport};
use raft_server::kv::state_machine::Put;
use raft_server::loopback_ports::LoopbackPorts;
use raft_transport_quic::tls::{PeerIdentity, TlsFiles, TlsIdentity};

use crate::proxy::Proxy;

const CLUSTER: ClusterId = ClusterId(0x0b_e9c4);
const NODES: u64 = 3;
/// The time limit of the first write.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS_A_SECOND: u32 = 100;

/// A running cluster. Dropping this kills its processes.
#[derive(Debug)]
pub struct Cluster {
    server: PathBuf,
    nodes: Vec<Node>,
    proxies: Vec<Proxy>,
    tls: TlsIdentity,
}

/// What clusters differ in.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program of the nodes.
    pub server: PathBuf,
    /// The directory for configurations, data and logs.
    pub dir: PathBuf,
    /// Lines that every configuration begins with, after the keys that all clusters have.
    pub keys: String,
    /// Whether the nodes reach each other through proxies, which can cut the traffic.
    pub proxied: bool,
}

#[derive(Debug)]
struct Node {
    config: PathBuf,
    log: PathBuf,
    listen_peer: SocketAddr,
    client_address: String,
    process: Option<Child>,
}

/// The addresses of a node.
#[derive(Clone, Copy, Debug)]
struct Ports {
    /// Where the other nodes reach it.
    peer: SocketAddr,
    /// Where it listens for them: the same, or behind its proxy.
    listen_peer: SocketAddr,
    client: SocketAddr,
}

impl Ports {
    fn reserve(proxied: bool) -> anyhow::Result<Vec<Self>> {
        let reserved = LoopbackPorts::reserve(3 * usize::try_from(NODES)?, 0)?;
        let addresses: Vec<SocketAddr> = reserved.udp().collect();
        let ports = addresses.chunks_exact(3).map(|own| Self {
            peer: own[0],
            listen_peer: if proxied { own[1] } else { own[0] },
            client: own[2],
        });
        Ok(ports.collect())
    }
}

impl Cluster {
    /// Starts the nodes and waits until a write succeeds.
    pub async fn start(setup: &Setup) -> anyhow::Result<Self> {
        let dir = setup.dir.as_path();
        fs::create_dir_all(dir)?;
        let authority = Authority::new("the load generator")?;
        fs::write(dir.join("ca.pem"), authority.certificate_pem())?;
        let issue = |holder: &PeerIdentity, name: &str| -> anyhow::Result<TlsFiles> {
            let files = TlsFiles {
                ca: dir.join("ca.pem"),
                certificate: dir.join(format!("{name}.pem")),
                key: dir.join(format!("{name}.key")),
            };
            let issued = authority.issue(holder, Validity::ten_years())?;
            issued.write(&files.certificate, &files.key)?;
            Ok(files)
        };
        let client = PeerIdentity::Client { cluster: CLUSTER, name: "load".to_owned() };
        let tls = TlsIdentity::load(&issue(&client, "client")?)?;
        let ports = Ports::reserve(setup.proxied)?;
        let mut proxies = Vec::new();
        let mut nodes = Vec::new();
        for (id, own) in (1..).zip(&ports) {
            if setup.proxied {
                proxies.push(Proxy::start(own.peer, own.listen_peer).await?);
            }
            let node = PeerIdentity::Node { cluster: CLUSTER, node: NodeId(id) };
            let files = issue(&node, &format!("node{id}"))?;
            let config = dir.join(format!("node{id}.toml"));
            fs::write(&config, config_text(setup, id, &ports, &files))?;
            nodes.push(Node {
                config,
                log: dir.join(format!("node{id}.log")),
                listen_peer: own.listen_peer,
                client_address: own.client.to_string(),
                process: None,
            });
        }
        let mut cluster = Self { server: setup.server.clone(), nodes, proxies, tls };
        for place in 0..cluster.nodes.len() {
            cluster.spawn(place, &["--bootstrap"])?;
        }
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    /// A client with a connection of its own.
    pub fn client(&self, retry: Retry) -> anyhow::Result<Client> {
        let endpoints = self.nodes.iter().map(|node| node.client_address.clone()).collect();
        let mut config = ClientConfig::new(endpoints, self.tls.clone());
        config.retry = retry;
        config.timeout = START_TIME_MAX;
        Ok(Client::new(config)?)
    }

    /// The CPU time of all nodes.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        self.nodes
            .iter()
            .filter_map(|node| node.process.as_ref())
            .map(|node| cpu_time(node.id()))
            .sum()
    }

    /// The resident memory of a node.
    pub fn memory_bytes(&self, place: usize) -> anyhow::Result<u64> {
        let process = self.nodes[place].process.as_ref().context("the node does not run")?;
        let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
        Ok(kib.parse::<u64>()? << 10)
    }

    /// The client address of a node.
    pub fn client_address(&self, place: usize) -> anyhow::Result<SocketAddr> {
        Ok(self.nodes[place].client_address.parse()?)
    }

    /// The clients' certificate.
    #[must_use]
    pub const fn tls(&self) -> &TlsIdentity {
        &self.tls
    }

    /// Cuts the traffic between a node of a proxied cluster and the others, or ends the cut.
    pub fn cut(&self, place: usize, is_cut: bool) {
        for (at, proxy) in self.proxies.iter().enumerate() {
            if at == place {
                proxy.cut_all(is_cut);
            } else {
                proxy.cut(self.nodes[place].listen_peer, is_cut);
            }
        }
    }

    /// The bytes that the proxies have forwarded between a node and the others, whichever of them
    /// dialled.
    #[must_use]
    pub fn forwarded_bytes(&self, place: usize) -> u64 {
        let bytes = self.proxies.iter().enumerate().map(|(at, proxy)| {
            if at == place {
                proxy.forwarded_bytes()
            } else {
                proxy.forwarded_bytes_of(self.nodes[place].listen_peer)
            }
        });
        bytes.sum()
    }

    /// The status of a node.
    pub async fn status(&self, client: &Client, place: usize) -> anyhow::Result<StatusReport> {
        Ok(client.status_of(&self.nodes[place].client_address).await?)
    }

    /// The position of the leader.
    pub async fn leader(&self, client: &Client) -> anyhow::Result<usize> {
        for _ in 0..100 {
            for (place, node) in self.nodes.iter().enumerate() {
                let status = client.status_of(&node.client_address).await;
                if status.is_ok_and(|status| status.role == Role::Leader) {
                    return Ok(place);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("no node is the leader; {}", self.logs())
    }

    /// Kills a node with SIGKILL and waits until its process has ended.
    pub async fn kill(&mut self, place: usize) -> anyhow::Result<()> {
        let Some(mut process) = self.nodes[place].process.take() else {
            bail!("node {} does not run", place + 1);
        };
        process.kill()?;
        // The clients share this thread: they must run while the process ends.
        tokio::task::spawn_blocking(move || process.wait()).await??;
        Ok(())
    }

    /// Starts a node again.
    pub fn start_again(&mut self, place: usize) -> anyhow::Result<()> {
        self.spawn(place, &[])
    }

    /// Starts a node again and waits until it has caught up with the leader.
    pub async fn restart(&mut self, place: usize, client: &Client) -> anyhow::Result<()> {
        self.start_again(place)?;
        let leader = self.leader(client).await?;
        let target = client.status_of(&self.nodes[leader].client_address).await?.commit_index;
        for _ in 0..600 {
            let status = client.status_of(&self.nodes[place].client_address).await;
            if status.is_ok_and(|status| status.applied_index >= target) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("node {} does not catch up; {}", place + 1, self.logs())
    }

    fn spawn(&mut self, place: usize, flags: &[&str]) -> anyhow::Result<()> {
        let node = &mut self.nodes[place];
        let log = File::options().create(true).append(true).open(&node.log)?;
        let process = Command::new(&self.server)
            .arg("serve")
            .arg("--config")
            .arg(&node.config)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.server.display()))?;
        node.process = Some(process);
        Ok(())
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let put = Put { key: "ready".into(), value: "yes".into(), prev_kv: false };
        let client = self.client(Retry::ExactlyOnce)?;
        client
            .put(put)
            .await
            .with_context(|| format!("the cluster does not start; {}", self.logs()))?;
        Ok(())
    }

    /// The name and the log of each node.
    #[must_use]
    pub fn logs_of_nodes(&self) -> Vec<(String, PathBuf)> {
        let named = |(node, number): (&Node, u64)| (format!("node {number}"), node.log.clone());
        self.nodes.iter().zip(1..).map(named).collect()
    }

    /// The last lines of the nodes' logs.
    fn logs(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let log = fs::read_to_string(&node.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(5)..];
            text += &format!("\n{}:\n{}", node.log.display(), end.join("\n"));
        }
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            // A process that has ended already needs no kill.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn config_text(setup: &Setup, id: u64, members: &[Ports], files: &TlsFiles) -> String {
    let mut text = format!(
        "cluster_id = \"{CLUSTER}\"\nnode_id = {id}\ndata_dir = {:?}\ntls_ca = {:?}\n\
         tls_certificate = {:?}\ntls_key = {:?}\nlog_level = \"info\"\nlog_format = \"json\"\n{}\n",
        setup.dir.join(format!("data{id}")),
        files.ca,
        files.certificate,
        files.key,
        setup.keys,
    );
    if let Some(own) = usize::try_from(id - 1).ok().and_then(|place| members.get(place)) {
        text += &format!("listen_peer = \"{}\"\n", own.listen_peer);
    }
    for (id, Ports { peer, client, .. }) in (1..=NODES).zip(members) {
        text += &format!("\n[[members]]\nid = {id}\npeer = \"{peer}\"\nclient = \"{client}\"\n");
    }
    text
}

/// The CPU time of a process, from the 14th and 15th field of its `stat`.
fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses, which may contain any character.
    let (_, fields) = stat.rsplit_once(')').context("a stat without a name")?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let mut next = || times.next().context("a short stat");
    let ticks = next()?? + next()??;
    Ok(Duration::from_secs(1) * ticks / TICKS_A_SECOND)
}
