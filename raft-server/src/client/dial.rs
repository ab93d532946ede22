//! Establishes connections.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::{ConnectError, Connection, ConnectionError, Endpoint, IdleTimeout, TransportConfig};
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::{self, Role, SERVER_NAME};
use tokio::time::timeout;

use super::link::Link;
use super::{ClientConfig, Error};
use crate::client_api::{
    FrameReader, Hello, PROTOCOL_VERSION, Welcome, check_hello, read_message, write_frame,
};

/// How long a connection may be silent before QUIC gives it up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an idle connection shows that it lives.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// Why there is no connection to a node.
#[derive(Clone, Debug)]
pub(super) struct DialError {
    /// What happened, with the address.
    pub(super) reason: String,
    /// Whether it will be the same next time.
    pub(super) lasting: bool,
}

/// Dials nodes with the client's certificate.
#[derive(Debug)]
pub(super) struct Dialler {
    client: quinn::ClientConfig,
    hello: Hello,
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
            .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
        client.transport_config(Arc::new(transport));
        let cluster = config.tls.identity().cluster();
        Ok(Self {
            client,
            hello: Hello { version: PROTOCOL_VERSION, cluster: Some(cluster) },
            dial_timeout: config.dial_timeout,
            silence_timeout: config.silence_timeout,
            v4: OnceLock::new(),
            v6: OnceLock::new(),
        })
    }

    /// Connects to the node at an address, makes sure that it is one of the cluster, and says
    /// hello.
    pub(super) async fn dial(&self, address: &str) -> Result<Arc<Link>, DialError> {
        match timeout(self.dial_timeout, self.connect(address)).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(Fault::Silent)) | Err(_) => {
                Err(DialError { reason: silent(address), lasting: false })
            }
            Ok(Err(Fault::Passing(reason))) => {
                Err(DialError { reason: format!("{address}: {reason}"), lasting: false })
            }
            Ok(Err(Fault::Lasting(reason))) => {
                Err(DialError { reason: format!("{address}: {reason}"), lasting: true })
            }
        }
    }

    async fn connect(&self, address: &str) -> Result<Arc<Link>, Fault> {
        let resolved = resolve(address).await?;
        let connecting = self
            .endpoint(resolved)?
            .connect_with(self.client.clone(), resolved, SERVER_NAME)
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
        let welcome: Welcome = loop {
            let frame = reader.next_frame().map_err(|error| Fault::Lasting(error.to_string()))?;
            if let Some(frame) = frame {
                break read_message(frame).map_err(|error| Fault::Lasting(error.to_string()))?;
            }
            match receive.read(&mut chunk).await.map_err(|error| passing(error.to_string()))? {
                Some(bytes) => reader.extend(&chunk[..bytes]),
                None => return Err(passing("the node closed the stream".to_owned())),
            }
        };
        if let Err(mismatch) = check_hello(&self.hello, &welcome) {
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
enum Fault {
    Silent,
    Passing(String),
    Lasting(String),
}

async fn resolve(address: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let mut found = tokio::net::lookup_host(address).await.map_err(|error| {
        Fault::Passing(format!("is no host:port that can be resolved: {error}"))
    })?;
    found.next().ok_or_else(|| Fault::Passing("the name has no address".to_owned()))
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
