//! Establishes connections.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::{ConnectError, Connection, ConnectionError, Endpoint, IdleTimeout, TransportConfig};
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::{self, Protocol, SERVER_NAME};
use tokio::time::Instant;

use super::addresses::{self, FailedAttempt, connect_to_any};
use super::config::ClientConfig;
use super::connection::NodeConnection;
use super::error::Error;
use crate::kv::protocol::{
    ClientHello, FrameReader, SUPPORTED_VERSIONS, ServerHello, negotiate, read_extensible,
    write_frame,
};

/// How long a connection may receive nothing before QUIC closes it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of QUIC keep-alive packets on an idle connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(3);
/// The round-trip time that is assumed before one is measured: a lost first packet is sent again
/// after three times this.
const INITIAL_RTT: Duration = Duration::from_millis(50);

/// Why there is no connection to a node.
#[derive(Clone, Debug)]
pub(super) struct DialError {
    /// The failure, with the address.
    pub(super) reason: String,
    /// Whether another attempt would fail in the same way.
    pub(super) permanent: bool,
}

impl DialError {
    /// The runtime shut down during the attempt.
    pub(super) fn interrupted() -> Self {
        Self { reason: "the attempt to connect was interrupted".to_owned(), permanent: false }
    }
}

/// Establishes connections with the certificate of the client.
#[derive(Debug)]
pub(super) struct Dialler {
    client: quinn::ClientConfig,
    hello: ClientHello,
    dial_timeout: Duration,
    silence_timeout: Duration,
    v4: OnceLock<Endpoint>,
    v6: OnceLock<Endpoint>,
}

impl Dialler {
    pub(super) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let mut client = tls::client_config(&config.tls, Protocol::Client)?;
        let mut transport = TransportConfig::default();
        let idle = IdleTimeout::try_from(IDLE_TIMEOUT).map_err(|e| Error::Config(e.to_string()))?;
        transport
            .max_concurrent_bidi_streams(0_u32.into())
            .max_concurrent_uni_streams(0_u32.into())
            .datagram_receive_buffer_size(None)
            .max_idle_timeout(Some(idle))
            .initial_rtt(INITIAL_RTT)
            .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
        client.transport_config(Arc::new(transport));
        let cluster = config.tls.identity().cluster();
        Ok(Self {
            client,
            hello: ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(cluster) },
            dial_timeout: config.dial_timeout,
            silence_timeout: config.silence_timeout,
            v4: OnceLock::new(),
            v6: OnceLock::new(),
        })
    }

    /// Connects to the node at one of the addresses that `address` resolves to, checks that it
    /// belongs to the cluster, and exchanges hellos.
    pub(super) async fn dial(&self, address: &str) -> Result<Arc<NodeConnection>, DialError> {
        let deadline = Instant::now() + self.dial_timeout;
        let resolved = addresses::resolve(address, deadline).await.map_err(|reason| DialError {
            reason: format!("{address}: {reason}"),
            permanent: false,
        })?;
        self.dial_resolved(address, &resolved, deadline).await
    }

    async fn dial_resolved(
        &self,
        name: &str,
        resolved: &[SocketAddr],
        deadline: Instant,
    ) -> Result<Arc<NodeConnection>, DialError> {
        let time = deadline.saturating_duration_since(Instant::now());
        let dialled = connect_to_any(resolved, time, |address| self.connect(address)).await;
        dialled.map_err(|failures| dial_error(name, &failures))
    }

    async fn connect(&self, address: SocketAddr) -> Result<Arc<NodeConnection>, DialFault> {
        let connecting = self
            .endpoint(address)?
            .connect_with(self.client.clone(), address, SERVER_NAME)
            .map_err(|error: ConnectError| DialFault::Permanent(error.to_string()))?;
        let connection = connecting.await.map_err(fault)?;
        let cluster = self.hello.cluster.unwrap_or_default();
        if let Err(refusal) = tls::dialled_identity(&connection, cluster, None) {
            refusal.close(&connection);
            return Err(DialFault::Permanent(refusal.to_string()));
        }
        self.exchange_hellos(&connection).await.map_err(|stream_error| {
            match connection.close_reason() {
                // This side closed it; the stream error is the reason.
                None | Some(ConnectionError::LocallyClosed) => stream_error,
                // The close reason of the node is more precise than the error of the stream.
                Some(reason) => fault(reason),
            }
        })
    }

    async fn exchange_hellos(
        &self,
        connection: &Connection,
    ) -> Result<Arc<NodeConnection>, DialFault> {
        let transient = |text: String| DialFault::Transient(text);
        let (mut send, mut receive) = connection.open_bi().await.map_err(fault)?;
        let mut out = Vec::new();
        write_frame(&mut out, &self.hello).map_err(|error| transient(error.to_string()))?;
        send.write_all(&out).await.map_err(|error| transient(error.to_string()))?;
        let mut reader = FrameReader::default();
        let mut chunk = vec![0; 1024];
        let server_hello: ServerHello = loop {
            let frame =
                reader.next_frame().map_err(|error| DialFault::Permanent(error.to_string()))?;
            if let Some(frame) = frame {
                break read_extensible(frame)
                    .map_err(|error| DialFault::Permanent(error.to_string()))?;
            }
            match receive.read(&mut chunk).await.map_err(|error| transient(error.to_string()))? {
                Some(bytes) => reader.extend(&chunk[..bytes]),
                None => return Err(transient("the node closed the stream".to_owned())),
            }
        };
        if let Err(mismatch) = negotiate(&self.hello, &server_hello) {
            connection.close(CloseCode::Protocol.into(), mismatch.to_string().as_bytes());
            return Err(DialFault::Permanent(mismatch.to_string()));
        }
        let streams = (send, receive);
        Ok(NodeConnection::start(
            connection.clone(),
            server_hello,
            streams,
            reader,
            self.silence_timeout,
        ))
    }

    /// The local endpoint for an address family, opened when it is first needed.
    fn endpoint(&self, to: SocketAddr) -> Result<&Endpoint, DialFault> {
        let (cell, local) = match to {
            SocketAddr::V4(_) => (&self.v4, SocketAddr::from(([0; 4], 0))),
            SocketAddr::V6(_) => (&self.v6, SocketAddr::from(([0_u16; 8], 0))),
        };
        if let Some(endpoint) = cell.get() {
            return Ok(endpoint);
        }
        let opened = Endpoint::client(local)
            .map_err(|error| DialFault::Transient(format!("cannot open a UDP port: {error}")))?;
        Ok(cell.get_or_init(|| opened))
    }
}

/// The error text for a node that does not respond.
pub(super) fn no_response(address: &str) -> String {
    format!(
        "{address} does not respond (UDP): is the node running, and is this its client address?"
    )
}

/// Why an attempt failed, and whether another attempt can succeed.
#[derive(Debug)]
enum DialFault {
    NoResponse,
    Transient(String),
    Permanent(String),
}

/// The error when no address led to a connection: each address with its reason. It is permanent if
/// the failure at every address is.
fn dial_error(name: &str, failures: &[FailedAttempt<DialFault>]) -> DialError {
    let permanent =
        failures.iter().all(|failure| matches!(failure.error, Some(DialFault::Permanent(_))));
    let reason_at = |address: &str, error: &Option<DialFault>| match error {
        Some(DialFault::NoResponse) | None => no_response(address),
        Some(DialFault::Transient(reason) | DialFault::Permanent(reason)) => {
            format!("{address}: {reason}")
        }
    };
    let socket_address = |failure: &FailedAttempt<DialFault>| failure.address.to_string();
    let reason = match failures {
        [only] if socket_address(only) == name => reason_at(name, &only.error),
        [only] => reason_at(&format!("{name} ({})", only.address), &only.error),
        many => {
            let reasons: Vec<_> = many
                .iter()
                .map(|failure| reason_at(&socket_address(failure), &failure.error))
                .collect();
            format!("{name} cannot be reached: {}", reasons.join("; "))
        }
    };
    DialError { reason, permanent }
}

fn fault(error: ConnectionError) -> DialFault {
    /// TLS alerts, as QUIC numbers them (RFC 9001 §4.8).
    const CRYPTO_ERRORS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
    match error {
        ConnectionError::TimedOut => DialFault::NoResponse,
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason).into_owned();
            let transient = [CloseCode::Shutdown, CloseCode::Overloaded]
                .into_iter()
                .any(|code| close.error_code == code.into());
            if transient { DialFault::Transient(reason) } else { DialFault::Permanent(reason) }
        }
        ConnectionError::TransportError(error) if CRYPTO_ERRORS.contains(&error.code.into()) => {
            DialFault::Permanent(format!("the TLS handshake failed: {}", error.reason))
        }
        ConnectionError::ConnectionClosed(close)
            if CRYPTO_ERRORS.contains(&close.error_code.into()) =>
        {
            let reason = String::from_utf8_lossy(&close.reason);
            DialFault::Permanent(format!("the node refuses the TLS handshake: {reason}"))
        }
        error @ (ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted) => DialFault::Transient(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use raft_core::{ClusterId, NodeId};
    use raft_transport_quic::tls::{PeerIdentity, TlsFiles, TlsIdentity};

    use super::*;
    use crate::certificates::{Authority, Validity};

    const CLUSTER: ClusterId = ClusterId(0xc1);

    fn issue(authority: &Authority, holder: &PeerIdentity) -> TlsIdentity {
        let issued = authority.issue(holder, Validity::ten_years()).unwrap();
        let named = |name: &str| name.into();
        let files = TlsFiles { ca: named("ca"), certificate: named("cert"), key: named("key") };
        TlsIdentity::from_pem(
            &files,
            authority.certificate_pem().as_bytes(),
            issued.certificate_pem.as_bytes(),
            issued.key_pem.as_bytes(),
        )
        .unwrap()
    }

    /// Accepts one connection and responds to its hello.
    async fn accept_one(endpoint: Endpoint) -> Connection {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (mut send, _receive) = connection.accept_bi().await.unwrap();
        let server_hello = ServerHello {
            versions: SUPPORTED_VERSIONS,
            cluster: CLUSTER,
            node: NodeId(1),
            in_flight_max: 1,
            members: Vec::new(),
        };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &server_hello).unwrap();
        send.write_all(&bytes).await.unwrap();
        connection.closed().await;
        connection
    }

    /// A name may resolve to an address that is unreachable or at which no node listens.
    #[tokio::test]
    async fn every_address_of_a_name_is_tried() {
        let authority = Authority::new("the tests").unwrap();
        let node = issue(&authority, &PeerIdentity::Node { cluster: CLUSTER, node: NodeId(1) });
        let name = "tester".to_owned();
        let client = issue(&authority, &PeerIdentity::Client { cluster: CLUSTER, name });
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // Receives packets and never responds.
        let unresponsive = UdpSocket::bind(any).unwrap();
        let endpoint =
            Endpoint::server(tls::server_config(&node, Protocol::Client).unwrap(), any).unwrap();
        let resolved = [unresponsive.local_addr().unwrap(), endpoint.local_addr().unwrap()];
        let config = ClientConfig::new(Vec::new(), client);
        let dialler = Dialler::new(&config).unwrap();

        let node = tokio::spawn(accept_one(endpoint));
        let deadline = Instant::now() + Duration::from_secs(30);
        let connection =
            dialler.dial_resolved("node.example:7002", &resolved, deadline).await.unwrap();
        assert_eq!(connection.server_hello().node, NodeId(1));
        connection.close("the test is done");
        node.await.unwrap();

        let soon = Instant::now() + Duration::from_millis(300);
        let error = dialler.dial_resolved("node.example:7002", &resolved, soon).await.unwrap_err();
        assert!(error.reason.contains("node.example:7002 cannot be reached: "), "{error:?}");
        for address in resolved {
            assert!(error.reason.contains(&address.to_string()), "{error:?}");
        }
    }
}
