//! What can go wrong, and the codes with which connections are closed.

use std::net::SocketAddr;

use quinn::{ConnectionError, TransportErrorCode, VarInt};
use raft_core::{ClusterId, NodeId};

use crate::tls::{PeerIdentity, TlsError};

/// Why a transport could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The socket could not be had.
    #[error("cannot listen on UDP {address}: {source}{}", hint(source))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificates are no good.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate is somebody else's.
    #[error(
        "this is node {node} of cluster {cluster}, but the certificate is the one of {certificate}"
    )]
    NotOurCertificate {
        /// The cluster that was configured.
        cluster: ClusterId,
        /// The node that was configured.
        node: NodeId,
        /// Whom the certificate names.
        certificate: PeerIdentity,
    },
    /// A setting out of its range.
    #[error("invalid transport setting: {0}")]
    Setting(String),
    /// The operating system refused a thread.
    #[error("a thread for handshakes could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// Started outside a runtime.
    #[error("a QUIC transport must be started inside a tokio runtime")]
    NoRuntime,
}

fn hint(source: &std::io::Error) -> &'static str {
    if source.kind() == std::io::ErrorKind::AddrInUse {
        " (another process uses this UDP port; TCP tools do not show it)"
    } else {
        ""
    }
}

/// Why a connection was closed, as the other side reads it. The numbers are part of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseCode {
    /// The node shuts down.
    Shutdown = 0,
    /// The other protocol lives on another port.
    WrongPort = 1,
    /// The certificate does not say who its holder is.
    NoIdentity = 2,
    /// The holder of the certificate belongs to another cluster.
    WrongCluster = 3,
    /// The holder is not the node that was dialled.
    WrongNode = 4,
    /// The holder is no node.
    NotANode = 5,
    /// A frame claimed to be longer than allowed.
    FrameTooLarge = 6,
    /// Bytes that are no message.
    Malformed = 7,
    /// A message in somebody else's name.
    WrongSender = 8,
    /// Another connection of the same pair is in use, or is preferred.
    Replaced = 9,
    /// The node is no peer any more.
    Removed = 10,
    /// A protocol step was left out or took too long.
    Protocol = 11,
    /// Too many connections or requests.
    Overloaded = 12,
    /// The node is not among the configured peers.
    NotAPeer = 13,
    /// The two sides support no common version of the protocol.
    Version = 14,
}

impl From<CloseCode> for VarInt {
    fn from(code: CloseCode) -> Self {
        Self::from_u32(code as u32)
    }
}

/// Whether the other side closed this connection because it prefers another one of the pair.
pub(crate) fn is_replaced(end: &ConnectionError) -> bool {
    matches!(
        end,
        ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Replaced.into()
    )
}

/// Says in words why a connection ended, and which side wanted it.
pub(crate) fn describe_close(end: &ConnectionError) -> String {
    match end {
        ConnectionError::TransportError(error) if is_tls(error.code) => {
            format!("refused here: {}", tls_reason(&error.reason))
        }
        ConnectionError::TransportError(error) => format!("broken protocol: {error}"),
        ConnectionError::ConnectionClosed(close) if is_tls(close.error_code) => {
            format!("refused by the other side: {}", tls_reason(&printable(&close.reason)))
        }
        ConnectionError::ConnectionClosed(close) => {
            format!("ended by the other side: {} {}", close.error_code, printable(&close.reason))
        }
        ConnectionError::ApplicationClosed(close) if close.reason.is_empty() => {
            format!("closed by the other side with code {}", close.error_code)
        }
        ConnectionError::ApplicationClosed(close) => {
            format!("closed by the other side: {}", printable(&close.reason))
        }
        ConnectionError::Reset => "the other side has restarted".to_owned(),
        ConnectionError::TimedOut => "nothing was heard from the other side any more".to_owned(),
        ConnectionError::LocallyClosed => "closed here".to_owned(),
        ConnectionError::VersionMismatch => {
            "the other side speaks no version of QUIC that is known here".to_owned()
        }
        ConnectionError::CidsExhausted => "no connection ids are left".to_owned(),
    }
}

fn is_tls(code: TransportErrorCode) -> bool {
    const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;
    CRYPTO_ERRORS.contains(&u64::from(code))
}

/// Our own verifier's words without what rustls wraps them in.
fn tls_reason(reason: &str) -> &str {
    const OPENING: &str = "invalid peer certificate: Other(OtherError(";
    match reason.strip_prefix(OPENING) {
        Some(inner) => inner.strip_suffix("))").unwrap_or(inner),
        None => reason,
    }
}

/// A reason comes from the other side: it may be long, and must not end a log line.
fn printable(reason: &[u8]) -> String {
    const SHOWN_CHARS_MAX: usize = 400;
    let text = String::from_utf8_lossy(reason);
    text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}
