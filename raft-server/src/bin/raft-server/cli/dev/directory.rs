//! The directory of a development cluster: its nodes with their certificates, configurations, data
//! and logs. Created once and reused by later starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use raft_core::{ClusterId, MEMBERS_MAX, NodeId};
use raft_server::certificates::{Authority, CertificateError, Validity};
use raft_server::loopback_ports::LoopbackPorts;
use raft_storage::data_directory::{DirectoryError as LockError, DirectoryLock};
use raft_transport_quic::tls::PeerIdentity;
use serde::{Deserialize, Serialize};

use crate::cli::client_file::ClientFile;

/// The file that describes the cluster.
const CLUSTER_FILE: &str = "cluster.toml";
const CA_FILE: &str = "ca.pem";
const CLIENT_FILE: &str = "client.toml";

/// The directory of a development cluster, locked by this process.
#[derive(Debug)]
pub(super) struct DevDirectory {
    path: PathBuf,
    cluster: Cluster,
    _lock: DirectoryLock,
}

/// The cluster that the directory holds.
#[derive(Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Cluster {
    cluster_id: String,
    /// Whether every node has been up once. From then on an empty data directory is a lost disk.
    bootstrapped: bool,
    nodes: Vec<DevNode>,
}

/// A node and its addresses on this machine.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct DevNode {
    /// Its id.
    pub(super) id: u64,
    /// The address for the other nodes (UDP).
    pub(super) peer: SocketAddr,
    /// The address for clients (UDP).
    pub(super) client: SocketAddr,
    /// The address for probes and metrics (TCP).
    pub(super) http: SocketAddr,
}

/// Options of a new cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClusterOptions {
    /// The number of nodes; 3 by default.
    pub(super) nodes: Option<usize>,
    /// The first port; each node uses three consecutive ports. The system chooses by default.
    pub(super) base_port: Option<u16>,
}

/// A directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DirectoryError {
    #[error("cannot {operation} {}: {source}", path.display())]
    File { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "{} is in use by another `raft-server dev`: stop that one, or name another directory with \
         --dir", .0.display()
    )]
    InUse(PathBuf),
    #[error(transparent)]
    Lock(LockError),
    #[error(
        "{} holds a cluster of {found} nodes, not {wanted}: name another directory with --dir, or \
         delete this one", path.display()
    )]
    OtherSize { path: PathBuf, found: usize, wanted: usize },
    #[error("{} is damaged: {detail}; delete the directory to create a new cluster", path.display())]
    Damaged { path: PathBuf, detail: String },
    #[error("--nodes must be 1 to {MEMBERS_MAX}, not {0}")]
    Nodes(usize),
    #[error("--base-port {0} leaves no room for three ports a node")]
    BasePort(u16),
    #[error("no free ports: {0}")]
    Ports(std::io::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl DevDirectory {
    /// Opens the cluster of a directory, or creates one there.
    pub(super) fn open(path: &Path, options: ClusterOptions) -> Result<Self, DirectoryError> {
        std::fs::create_dir_all(path).map_err(|source| file_error("create", path, source))?;
        let path = path.canonicalize().map_err(|source| file_error("find", path, source))?;
        let lock = DirectoryLock::acquire(&path).map_err(|error| {
            let in_use = matches!(error, LockError::Locked { .. });
            if in_use { DirectoryError::InUse(path.clone()) } else { DirectoryError::Lock(error) }
        })?;
        let cluster_path = path.join(CLUSTER_FILE);
        let cluster = match std::fs::read_to_string(&cluster_path) {
            Ok(text) => found(&path, &text, options)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(&path, options)?,
            Err(source) => return Err(file_error("read", &cluster_path, source)),
        };
        Ok(Self { path, cluster, _lock: lock })
    }

    /// The nodes.
    pub(super) fn nodes(&self) -> &[DevNode] {
        &self.cluster.nodes
    }

    /// A node.
    pub(super) fn node(&self, id: u64) -> Option<&DevNode> {
        self.cluster.nodes.iter().find(|node| node.id == id)
    }

    /// The absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration file of a node.
    pub(super) fn config(&self, id: u64) -> PathBuf {
        self.path.join(config_name(id))
    }

    /// The file with the log lines of a node.
    pub(super) fn log(&self, id: u64) -> PathBuf {
        self.path.join(format!("node-{id}.log"))
    }

    /// The client file.
    pub(super) fn client_file(&self) -> PathBuf {
        self.path.join(CLIENT_FILE)
    }

    /// Whether empty data directories may be initialised: until all nodes have been up once.
    pub(super) const fn may_bootstrap(&self) -> bool {
        !self.cluster.bootstrapped
    }

    /// Records that every node has data.
    pub(super) fn bootstrapped(&mut self) -> Result<(), DirectoryError> {
        if self.cluster.bootstrapped {
            return Ok(());
        }
        self.cluster.bootstrapped = true;
        write(&self.path, CLUSTER_FILE, &self.cluster.to_toml())
    }
}

impl Cluster {
    fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers, addresses and texts have a form in TOML")
    }
}

fn config_name(id: u64) -> String {
    format!("node-{id}.toml")
}

fn file_error(operation: &'static str, path: &Path, source: std::io::Error) -> DirectoryError {
    DirectoryError::File { operation, path: path.to_owned(), source }
}

fn found(path: &Path, text: &str, options: ClusterOptions) -> Result<Cluster, DirectoryError> {
    let cluster: Cluster = toml::from_str(text).map_err(|error| DirectoryError::Damaged {
        path: path.join(CLUSTER_FILE),
        detail: error.to_string().trim_end().to_owned(),
    })?;
    let found = cluster.nodes.len();
    match options.nodes {
        Some(wanted) if wanted != found => {
            Err(DirectoryError::OtherSize { path: path.to_owned(), found, wanted })
        }
        Some(_) | None => Ok(cluster),
    }
}

/// Creates certificates and configurations. The file that describes the cluster is written last, so
/// that the next start repeats an interrupted attempt.
fn create(path: &Path, options: ClusterOptions) -> Result<Cluster, DirectoryError> {
    let count = options.nodes.unwrap_or(3);
    if count == 0 || count > MEMBERS_MAX {
        return Err(DirectoryError::Nodes(count));
    }
    let nodes = match options.base_port {
        Some(base) => consecutive_ports(base, count)?,
        None => free_ports(count).map_err(DirectoryError::Ports)?,
    };
    let cluster_id = ClusterId(fastrand::u128(1..));
    certify(path, cluster_id, &nodes)?;
    let cluster = Cluster { cluster_id: cluster_id.to_string(), bootstrapped: false, nodes };
    for node in &cluster.nodes {
        write(path, &config_name(node.id), &node_config(&cluster, node))?;
    }
    let client = ClientFile {
        endpoints: cluster.nodes.iter().map(|node| node.client.to_string()).collect(),
        ca: CA_FILE.into(),
        certificate: "client.pem".into(),
        key: "client.key".into(),
    };
    write(path, CLIENT_FILE, &client.to_toml())?;
    write(path, CLUSTER_FILE, &cluster.to_toml())?;
    Ok(cluster)
}

/// Creates certificates for the nodes and a client. The private key of the authority is not kept.
fn certify(path: &Path, cluster: ClusterId, nodes: &[DevNode]) -> Result<(), DirectoryError> {
    let authority = Authority::new(&format!("raft-server dev {cluster}"))?;
    write(path, CA_FILE, authority.certificate_pem())?;
    let mut holders =
        vec![("client".to_owned(), PeerIdentity::Client { cluster, name: "dev".to_owned() })];
    holders.extend(nodes.iter().map(|node| {
        let holder = PeerIdentity::Node { cluster, node: NodeId(node.id) };
        (format!("node-{}", node.id), holder)
    }));
    for (name, holder) in holders {
        let issued = authority.issue(&holder, Validity::ten_years())?;
        issued.write(&path.join(format!("{name}.pem")), &path.join(format!("{name}.key")))?;
    }
    Ok(())
}

/// The text of a node's configuration file.
fn node_config(cluster: &Cluster, node: &DevNode) -> String {
    let id = node.id;
    let mut text = format!(
        "# Node {id} of a cluster that `raft-server dev` created. `raft-server config reference`\n\
         # describes every key. Paths are relative to this file.\n\
         cluster_id = \"{}\"\nnode_id = {id}\ndata_dir = \"node-{id}\"\n\
         listen_http = \"{}\"\n\
         tls_ca = \"{CA_FILE}\"\ntls_certificate = \"node-{id}.pem\"\ntls_key = \"node-{id}.key\"\n",
        cluster.cluster_id, node.http
    );
    for member in &cluster.nodes {
        text += &format!(
            "\n[[members]]\nid = {}\npeer = \"{}\"\nclient = \"{}\"\n",
            member.id, member.peer, member.client
        );
    }
    text
}

/// Ports that are free now. The system gives none of them to an outgoing connection later.
fn free_ports(count: usize) -> Result<Vec<DevNode>, std::io::Error> {
    let reserved = LoopbackPorts::reserve(2 * count, count)?;
    let udp: Vec<_> = reserved.udp().collect();
    let nodes = (1..).zip(udp.chunks(2)).zip(reserved.tcp());
    Ok(nodes
        .map(|((id, ports), http)| DevNode { id, peer: ports[0], client: ports[1], http })
        .collect())
}

fn consecutive_ports(base: u16, count: usize) -> Result<Vec<DevNode>, DirectoryError> {
    let wanted = u64::from(base) + 3 * count as u64 - 1;
    if base == 0 || wanted > u64::from(u16::MAX) {
        return Err(DirectoryError::BasePort(base));
    }
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let node = |(id, first): (u64, u16)| DevNode {
        id,
        peer: at(first),
        client: at(first + 1),
        http: at(first + 2),
    };
    Ok((1..).zip((base..=u16::MAX).step_by(3)).take(count).map(node).collect())
}

/// Writes a file atomically.
fn write(directory: &Path, name: &str, text: &str) -> Result<(), DirectoryError> {
    let path = directory.join(name);
    let draft = directory.join(format!(".{name}.draft"));
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, &path))
        .map_err(|source| file_error("write", &path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Settings};

    const ANY: ClusterOptions = ClusterOptions { nodes: None, base_port: None };

    #[test]
    fn existing_directory_is_opened_with_the_same_ports() {
        let directory = tempfile::tempdir().unwrap();
        let first = DevDirectory::open(directory.path(), ANY).unwrap();
        let addresses = |directory: &DevDirectory| format!("{:?}", directory.nodes());
        let before = addresses(&first);
        assert_eq!(first.nodes().len(), 3);
        assert!(matches!(DevDirectory::open(directory.path(), ANY), Err(DirectoryError::InUse(_))));
        drop(first);
        let mut again = DevDirectory::open(directory.path(), ANY).unwrap();
        assert_eq!(addresses(&again), before);
        assert!(again.may_bootstrap());
        again.bootstrapped().unwrap();
        drop(again);
        assert!(!DevDirectory::open(directory.path(), ANY).unwrap().may_bootstrap());
        let five = ClusterOptions { nodes: Some(5), base_port: None };
        assert!(matches!(
            DevDirectory::open(directory.path(), five),
            Err(DirectoryError::OtherSize { .. })
        ));
    }

    #[test]
    fn created_files_are_valid() {
        let directory = tempfile::tempdir().unwrap();
        let dev = DevDirectory::open(directory.path(), ANY).unwrap();
        for node in dev.nodes() {
            let (config, warnings) =
                config::load(Settings::default(), Some(&dev.config(node.id))).unwrap();
            assert_eq!(warnings, []);
            assert_eq!(config.node, NodeId(node.id));
            assert_eq!(config.listen.peer, node.peer);
            crate::identity::load(&config).unwrap();
        }
        assert_eq!(ClientFile::read(&dev.client_file()).unwrap().endpoints.len(), 3);
    }

    #[test]
    fn each_node_has_three_consecutive_ports() {
        let nodes = consecutive_ports(7000, 2).unwrap();
        assert_eq!(nodes[1].peer.port(), 7003);
        assert_eq!(nodes[1].http.port(), 7005);
        assert!(consecutive_ports(65533, 1).is_ok());
        assert!(consecutive_ports(65534, 1).is_err());
        assert!(consecutive_ports(0, 1).is_err());
    }
}
