//! UDP proxies in front of nodes, whose traffic can be cut.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// The largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Forwards datagrams between the other nodes and one node, which sees each of them at an address of
/// its own, so that its responses find their way back.
#[derive(Debug)]
pub struct Proxy {
    traffic: Arc<Mutex<Traffic>>,
    _tasks: JoinSet<()>,
}

/// What a proxy forwards, by the address of the other node.
#[derive(Debug, Default)]
struct Traffic {
    cuts_all: bool,
    cut: BTreeSet<SocketAddr>,
    forwarded_bytes: BTreeMap<SocketAddr, u64>,
}

impl Traffic {
    /// Whether a datagram between the node and this one is forwarded. If so, its bytes count.
    fn permits(&mut self, other: SocketAddr, bytes: usize) -> bool {
        let permits = !self.cuts_all && !self.cut.contains(&other);
        if permits {
            *self.forwarded_bytes.entry(other).or_default() += bytes as u64;
        }
        permits
    }
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
        let traffic = Arc::default();
        let forwarder = Forwarder { socket: Arc::new(socket), node, traffic: Arc::clone(&traffic) };
        let mut tasks = JoinSet::new();
        tasks.spawn(forwarder.run());
        Ok(Self { traffic, _tasks: tasks })
    }

    /// While the traffic is cut, every datagram from and to the node is lost.
    pub fn cut_all(&self, is_cut: bool) {
        self.traffic().cuts_all = is_cut;
    }

    /// While the traffic with another node is cut, every datagram between the two is lost.
    pub fn cut(&self, other: SocketAddr, is_cut: bool) {
        if is_cut {
            self.traffic().cut.insert(other);
        } else {
            self.traffic().cut.remove(&other);
        }
    }

    /// The bytes that were forwarded between the node and all others.
    #[must_use]
    pub fn forwarded_bytes(&self) -> u64 {
        self.traffic().forwarded_bytes.values().sum()
    }

    /// The bytes that were forwarded between the node and this one.
    #[must_use]
    pub fn forwarded_bytes_of(&self, other: SocketAddr) -> u64 {
        self.traffic().forwarded_bytes.get(&other).copied().unwrap_or_default()
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Forwarder {
    socket: Arc<UdpSocket>,
    node: SocketAddr,
    traffic: Arc<Mutex<Traffic>>,
}

impl Forwarder {
    /// Forwards what the other nodes send, until the proxy is dropped.
    async fn run(self) {
        let mut returns = JoinSet::new();
        let mut sockets = BTreeMap::<SocketAddr, Arc<UdpSocket>>::new();
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let Ok((length, other)) = self.socket.recv_from(&mut datagram).await else { continue };
            if !permits(&self.traffic, other, length) {
                continue;
            }
            let to_node = match sockets.entry(other) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let Ok(to_node) = self.connect().await else { continue };
                    let to_node = new.insert(Arc::new(to_node));
                    returns.spawn(self.responses(Arc::clone(to_node), other));
                    to_node
                }
            };
            // Datagrams may be lost.
            let _ = to_node.send(&datagram[..length]).await;
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
        other: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (socket, traffic) = (Arc::clone(&self.socket), Arc::clone(&self.traffic));
        async move {
            let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
            loop {
                let Ok(length) = from_node.recv(&mut datagram).await else { continue };
                if permits(&traffic, other, length) {
                    let _ = socket.send_to(&datagram[..length], other).await;
                }
            }
        }
    }
}

fn permits(traffic: &Mutex<Traffic>, other: SocketAddr, bytes: usize) -> bool {
    traffic.lock().unwrap_or_else(PoisonError::into_inner).permits(other, bytes)
}
