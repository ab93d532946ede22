//! Establishes connections.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::{ConnectError, Connection, ConnectionError, Endpoint, IdleTimeout, TransportConfig};
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::{self, Role, SERVER_NAME};
use tokio::time::Instant;

use super::addresses::{self, FailedAttempt, connect_to_any};
use super::link::Link;
use super::{ClientConfig, Error};
use crate::kv::protocol::{
    ClientHello, FrameReader, SUPPORTED_VERSIONS, ServerHello, negotiate, read_extensible,
    write_frame,
};

/// How long a connection may be silent before QUIC gives it up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an idle connection shows that it lives.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(3);
/// The round-trip time that is assumed before one is measured: a lost first packet, or one sent
/// to a node that is being started, is repeated after three times this.
const INITIAL_RTT: Duration = Duration::from_millis(50);

/// Why there is no connection to a node.
#[derive(Clone, Debug)]
pub(super) struct DialError {
    /// What happened, with the address.
    pub(super) reason: String,
    /// Whether it will be the same next time.
    pub(super) lasting: bool,
}

impl DialError {
    /// The runtime ended while the attempt was under way.
    pub(super) fn interrupted() -> Self {
        Self { reason: "the attempt to connect was interrupted".to_owned(), lasting: false }
    }
}

/// Dials nodes with the client's certificate.
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
        let mut client = tls::client_config(&config.tls, Role::Client)?;
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

    /// Connects to the node at one of the addresses that `address` resolves to, makes sure that it
    /// is one of the cluster, and exchanges hellos.
    pub(super) async fn dial(&self, address: &str) -> Result<Arc<Link>, DialError> {
        let deadline = Instant::now() + self.dial_timeout;
        let resolved = addresses::resolve(address, deadline).await.map_err(|reason| DialError {
            reason: format!("{address}: {reason}"),
            lasting: false,
        })?;
        self.dial_resolved(address, &resolved, deadline).await
    }

    async fn dial_resolved(
        &self,
        name: &str,
        resolved: &[SocketAddr],
        deadline: Instant,
    ) -> Result<Arc<Link>, DialError> {
        let time = deadline.saturating_duration_since(Instant::now());
        let dialled = connect_to_any(resolved, time, |address| self.connect(address)).await;
        dialled.map_err(|tried| dial_error(name, &tried))
    }

    async fn connect(&self, address: SocketAddr) -> Result<Arc<Link>, Fault> {
        let connecting = self
            .endpoint(address)?
            .connect_with(self.client.clone(), address, SERVER_NAME)
            .map_err(|error: ConnectError| Fault::Lasting(error.to_string()))?;
        let connection = connecting.await.map_err(fault)?;
        let cluster = self.hello.cluster.unwrap_or_default();
        if let Err(refusal) = tls::dialled_identity(&connection, cluster, None) {
            refusal.close(&connection);
            return Err(Fault::Lasting(refusal.to_string()));
        }
        self.greet(&connection).await.map_err(|stream_error| match connection.close_reason() {
            // It was closed here, for the reason at hand.
            None | Some(ConnectionError::LocallyClosed) => stream_error,
            // The node said why it closed the connection, which tells more than the stream.
            Some(reason) => fault(reason),
        })
    }

    async fn greet(&self, connection: &Connection) -> Result<Arc<Link>, Fault> {
        let passing = |text: String| Fault::Passing(text);
        let (mut send, mut receive) = connection.open_bi().await.map_err(fault)?;
        let mut out = Vec::new();
        write_frame(&mut out, &self.hello).map_err(|error| passing(error.to_string()))?;
        send.write_all(&out).await.map_err(|error| passing(error.to_string()))?;
        let mut reader = FrameReader::default();
        let mut chunk = vec![0; 1024];
        let welcome: ServerHello = loop {
            let frame = reader.next_frame().map_err(|error| Fault::Lasting(error.to_string()))?;
            if let Some(frame) = frame {
                break read_extensible(frame).map_err(|error| Fault::Lasting(error.to_string()))?;
            }
            match receive.read(&mut chunk).await.map_err(|error| passing(error.to_string()))? {
                Some(bytes) => reader.extend(&chunk[..bytes]),
                None => return Err(passing("the node closed the stream".to_owned())),
            }
        };
        if let Err(mismatch) = negotiate(&self.hello, &welcome) {
            connection.close(CloseCode::Protocol.into(), mismatch.to_string().as_bytes());
            return Err(Fault::Lasting(mismatch.to_string()));
        }
        let streams = (send, receive);
        Ok(Link::start(connection.clone(), welcome, streams, reader, self.silence_timeout))
    }

    /// The client's own port, one for each family of addresses, opened when first needed.
    fn endpoint(&self, to: SocketAddr) -> Result<&Endpoint, Fault> {
        let (cell, local) = match to {
            SocketAddr::V4(_) => (&self.v4, SocketAddr::from(([0; 4], 0))),
            SocketAddr::V6(_) => (&self.v6, SocketAddr::from(([0_u16; 8], 0))),
        };
        if let Some(endpoint) = cell.get() {
            return Ok(endpoint);
        }
        let opened = Endpoint::client(local)
            .map_err(|error| Fault::Passing(format!("cannot open a UDP port: {error}")))?;
        Ok(cell.get_or_init(|| opened))
    }
}

/// What to say of a node that does not answer.
pub(super) fn silent(address: &str) -> String {
    format!("{address} does not answer (UDP): is the node running, and is this its client address?")
}

/// What went wrong, and whether it is worth trying again.
#[derive(Debug)]
enum Fault {
    Silent,
    Passing(String),
    Lasting(String),
}

/// What to report when no address led to a connection: each address with its reason. The error is
/// lasting if it is so at every address.
fn dial_error(name: &str, tried: &[FailedAttempt<Fault>]) -> DialError {
    let lasting = tried.iter().all(|tried| matches!(tried.fault, Some(Fault::Lasting(_))));
    let reason_at = |address: &str, fault: &Option<Fault>| match fault {
        Some(Fault::Silent) | None => silent(address),
        Some(Fault::Passing(reason) | Fault::Lasting(reason)) => format!("{address}: {reason}"),
    };
    let numbers = |tried: &FailedAttempt<Fault>| tried.address.to_string();
    let reason = match tried {
        [only] if numbers(only) == name => reason_at(name, &only.fault),
        [only] => reason_at(&format!("{name} ({})", only.address), &only.fault),
        many => {
            let reasons: Vec<_> =
                many.iter().map(|tried| reason_at(&numbers(tried), &tried.fault)).collect();
            format!("{name} cannot be reached: {}", reasons.join("; "))
        }
    };
    DialError { reason, lasting }
}

fn fault(error: ConnectionError) -> Fault {
    /// TLS alerts, as QUIC numbers them (RFC 9001 §4.8).
    const CRYPTO_ERRORS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
    match error {
        ConnectionError::TimedOut => Fault::Silent,
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason).into_owned();
            let passing = [CloseCode::Shutdown, CloseCode::Overloaded]
                .into_iter()
                .any(|code| close.error_code == code.into());
            if passing { Fault::Passing(reason) } else { Fault::Lasting(reason) }
        }
        ConnectionError::TransportError(error) if CRYPTO_ERRORS.contains(&error.code.into()) => {
            Fault::Lasting(format!("the TLS handshake failed: {}", error.reason))
        }
        ConnectionError::ConnectionClosed(close)
            if CRYPTO_ERRORS.contains(&close.error_code.into()) =>
        {
            let reason = String::from_utf8_lossy(&close.reason);
            Fault::Lasting(format!("the node refuses the TLS handshake: {reason}"))
        }
        error @ (ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted) => Fault::Passing(error.to_string()),
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

    /// Answers one client's hello.
    async fn answer_one(endpoint: Endpoint) -> Connection {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (mut send, _receive) = connection.accept_bi().await.unwrap();
        let welcome = ServerHello {
            versions: SUPPORTED_VERSIONS,
            cluster: CLUSTER,
            node: NodeId(1),
            in_flight_max: 1,
            members: Vec::new(),
        };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &welcome).unwrap();
        send.write_all(&bytes).await.unwrap();
        connection.closed().await;
        connection
    }

    /// A name may resolve to an address that is not routed or that no node listens at.
    #[tokio::test]
    async fn every_address_of_a_name_is_tried() {
        let authority = Authority::new("the tests").unwrap();
        let node = issue(&authority, &PeerIdentity::Node { cluster: CLUSTER, node: NodeId(1) });
        let name = "tester".to_owned();
        let client = issue(&authority, &PeerIdentity::Client { cluster: CLUSTER, name });
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // Takes what is sent to it and never answers.
        let silent = UdpSocket::bind(any).unwrap();
        let endpoint =
            Endpoint::server(tls::server_config(&node, Role::Client).unwrap(), any).unwrap();
        let resolved = [silent.local_addr().unwrap(), endpoint.local_addr().unwrap()];
        let config = ClientConfig::new(Vec::new(), client);
        let dialler = Dialler::new(&config).unwrap();

        let node = tokio::spawn(answer_one(endpoint));
        let deadline = Instant::now() + Duration::from_secs(30);
        let link = dialler.dial_resolved("node.example:7002", &resolved, deadline).await.unwrap();
        assert_eq!(link.welcome().node, NodeId(1));
        link.close("the test is done");
        node.await.unwrap();

        let soon = Instant::now() + Duration::from_millis(300);
        let error = dialler.dial_resolved("node.example:7002", &resolved, soon).await.unwrap_err();
        assert!(error.reason.contains("node.example:7002 cannot be reached: "), "{error:?}");
        for address in resolved {
            assert!(error.reason.contains(&address.to_string()), "{error:?}");
        }
    }
}
