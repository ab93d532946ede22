//! A UDP proxy in front of a node, whose traffic can be cut.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// The largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Forwards datagrams between the other nodes and one node. The node sees each of them at an address
/// of its own, so that its responses find their way back.
#[derive(Debug)]
pub struct Proxy {
    is_cut: Arc<AtomicBool>,
    forwarded: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens at `listen` and forwards to `node`.
    ///
    /// # Errors
    /// When the address is in use.
    pub async fn start(listen: SocketAddr, node: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(listen)
            .await
            .with_context(|| format!("a proxy cannot listen at {listen}"))?;
        let is_cut = Arc::new(AtomicBool::new(false));
        let forwarded = Arc::new(AtomicU64::new(0));
        let forwarder = Forwarder {
            socket: Arc::new(socket),
            node,
            is_cut: Arc::clone(&is_cut),
            forwarded: Arc::clone(&forwarded),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(forwarder.run());
        Ok(Self { is_cut, forwarded, _tasks: tasks })
    }

    /// While the traffic is cut, every datagram is lost, in both directions.
    pub fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// The bytes that were forwarded, in both directions.
    #[must_use]
    pub fn forwarded_bytes(&self) -> u64 {
        self.forwarded.load(Ordering::Relaxed)
    }
}

struct Forwarder {
    socket: Arc<UdpSocket>,
    node: SocketAddr,
    is_cut: Arc<AtomicBool>,
    forwarded: Arc<AtomicU64>,
}

impl Forwarder {
    /// Forwards what the other nodes send, until the proxy is dropped.
    async fn run(self) {
        let mut returns = JoinSet::new();
        let mut by_source = BTreeMap::<SocketAddr, Arc<UdpSocket>>::new();
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let Ok((length, source)) = self.socket.recv_from(&mut datagram).await else { continue };
            if self.is_cut.load(Ordering::Relaxed) {
                continue;
            }
            let towards_node = match by_source.entry(source) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let Ok(towards_node) = self.connect().await else { continue };
                    let towards_node = new.insert(Arc::new(towards_node));
                    returns.spawn(self.responses(Arc::clone(towards_node), source));
                    towards_node
                }
            };
            // Datagrams may be lost.
            if towards_node.send(&datagram[..length]).await.is_ok() {
                self.forwarded.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    }

    async fn connect(&self) -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(self.node).await?;
        Ok(socket)
    }

    /// Forwards what the node sends to one of the others.
    fn responses(
        &self,
        from_node: Arc<UdpSocket>,
        source: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (socket, is_cut) = (Arc::clone(&self.socket), Arc::clone(&self.is_cut));
        let forwarded = Arc::clone(&self.forwarded);
        async move {
            let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
            loop {
                let Ok(length) = from_node.recv(&mut datagram).await else { continue };
                if is_cut.load(Ordering::Relaxed) {
                    continue;
                }
                if socket.send_to(&datagram[..length], source).await.is_ok() {
                    forwarded.fetch_add(length as u64, Ordering::Relaxed);
                }
            }
        }
    }
}
