//! Ports for nodes that run on this machine only: clusters for development, tests and benchmarks.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Ports below this one are often those of well-known services.
const FIRST: u16 = 10_000;
/// The first port that Linux gives to outgoing connections by default.
const EPHEMERAL_FIRST: u16 = 32_768;
const ATTEMPTS_MAX: usize = 1_000;

/// Ports of the loopback interface, reserved until this is dropped.
///
/// The ports are below those that the system gives to outgoing connections, and are bound neither
/// for UDP nor for TCP. A node uses a port for one of the two protocols; the reservation holds it
/// for the other one, so that other reservations do not choose it, also in other processes.
#[derive(Debug)]
pub struct LoopbackPorts {
    udp: Vec<(u16, TcpListener)>,
    tcp: Vec<(u16, UdpSocket)>,
}

impl LoopbackPorts {
    /// Reserves ports that are to be bound for UDP, and ports that are to be bound for TCP.
    ///
    /// # Errors
    /// When the system refuses sockets, or no free port is found.
    pub fn reserve(udp: usize, tcp: usize) -> io::Result<Self> {
        let last = ephemeral_first().filter(|&first| first > 2 * FIRST).unwrap_or(EPHEMERAL_FIRST);
        let mut reserved = Self { udp: Vec::with_capacity(udp), tcp: Vec::with_capacity(tcp) };
        for _ in 0..ATTEMPTS_MAX {
            let (udp_missing, tcp_missing) = (reserved.udp.len() < udp, reserved.tcp.len() < tcp);
            if !udp_missing && !tcp_missing {
                return Ok(reserved);
            }
            let port = fastrand::u16(FIRST..last);
            let at = on_loopback(port);
            match (UdpSocket::bind(at), TcpListener::bind(at)) {
                (Ok(_), Ok(reservation)) if udp_missing => reserved.udp.push((port, reservation)),
                (Ok(reservation), Ok(_)) => reserved.tcp.push((port, reservation)),
                (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::AddrInUse => {
                    return Err(error);
                }
                (Err(_), _) | (_, Err(_)) => {}
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "no free port was found on the loopback interface",
        ))
    }

    /// The addresses with the ports to be bound for UDP.
    pub fn udp(&self) -> impl Iterator<Item = SocketAddr> {
        self.udp.iter().map(|&(port, _)| on_loopback(port))
    }

    /// The addresses with the ports to be bound for TCP.
    pub fn tcp(&self) -> impl Iterator<Item = SocketAddr> {
        self.tcp.iter().map(|&(port, _)| on_loopback(port))
    }
}

fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The first port that the system gives to outgoing connections.
fn ephemeral_first() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_can_be_bound_for_their_protocol_and_not_be_reserved_again() {
        let reserved = LoopbackPorts::reserve(40, 20).unwrap();
        let others = LoopbackPorts::reserve(40, 20).unwrap();
        let all = |ports: &LoopbackPorts| ports.udp().chain(ports.tcp()).collect::<Vec<_>>();
        let mut ports = [all(&reserved), all(&others)].concat();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 120, "no port is reserved twice");
        for port in reserved.udp() {
            UdpSocket::bind(port).unwrap();
        }
        for port in reserved.tcp() {
            TcpListener::bind(port).unwrap();
        }
    }

    #[test]
    fn the_system_gives_no_reserved_port_to_other_sockets() {
        let first = ephemeral_first().unwrap_or(EPHEMERAL_FIRST);
        let reserved = LoopbackPorts::reserve(20, 20).unwrap();
        let ports = reserved.udp().chain(reserved.tcp()).map(|address| address.port());
        assert!(first <= 2 * FIRST || ports.max().unwrap() < first);
    }
}
