//! Why a client port cannot be opened, and why a connection is closed.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ReadError, WriteError};
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::TlsError;

use crate::kv::protocol::{FrameError, HelloMismatch};

/// The most time from the end of the handshake to the hello of the client.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a client port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientApiError {
    /// The address is in use or not permitted.
    #[error("cannot listen for clients at {address} (UDP): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operating system refused a thread.
    #[error("a thread for the handshakes of clients could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why a connection of a client is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("no hello within {} s", HELLO_TIMEOUT.as_secs())]
    HelloTimeout,
    #[error(transparent)]
    Mismatch(#[from] HelloMismatch),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a request other than a ping on the stream for pings")]
    NotAPing,
    #[error("the client does not read its responses")]
    WriteTimeout,
    #[error("the stream failed: {0}")]
    Read(#[from] ReadError),
    #[error("the stream failed: {0}")]
    Write(#[from] WriteError),
}

impl ConnectionError {
    /// The code that the connection is closed with.
    pub(super) const fn code(&self) -> CloseCode {
        match self {
            Self::HelloTimeout | Self::NotAPing => CloseCode::Protocol,
            Self::Mismatch(HelloMismatch::Version { .. }) => CloseCode::Version,
            Self::Mismatch(HelloMismatch::Cluster { .. }) => CloseCode::WrongCluster,
            Self::Frame(FrameError::TooLarge { .. }) => CloseCode::FrameTooLarge,
            Self::Frame(FrameError::Malformed(_) | FrameError::TrailingBytes(_)) => {
                CloseCode::Malformed
            }
            Self::WriteTimeout => CloseCode::Overloaded,
            Self::Read(_) | Self::Write(_) => CloseCode::Shutdown,
        }
    }
}
