//! Close codes of connections, and descriptions of why a connection was closed.

use quinn::{ConnectionError, TransportErrorCode, VarInt};
use raft_core::ports::PeerRefusal;

/// The application error code with which a connection is closed. The numbers are part of both
/// protocols. A close also carries a text for logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseCode {
    /// The node shuts down.
    Shutdown = 0,
    /// The connection has negotiated a protocol that belongs to another port, or none.
    WrongPort = 1,
    /// The certificate contains no identity.
    NoIdentity = 2,
    /// The holder of the certificate belongs to another cluster.
    WrongCluster = 3,
    /// The holder is not the dialled node, or is the accepting node itself.
    WrongNode = 4,
    /// The holder is not a node.
    NotANode = 5,
    /// A frame exceeds the size limit.
    FrameTooLarge = 6,
    /// The content of a frame is not a message.
    Malformed = 7,
    /// The envelope of a message contradicts the certificates: another cluster, sender or
    /// recipient.
    WrongSender = 8,
    /// Another connection of the same pair of nodes is in use or preferred.
    Replaced = 9,
    /// The node was removed from the peer set.
    Removed = 10,
    /// The protocol was violated, or a step of it took too long.
    Protocol = 11,
    /// There are too many connections, or responses are not read.
    Overloaded = 12,
    /// The node is not in the peer set.
    NotAPeer = 13,
    /// The two sides support no common protocol version.
    Version = 14,
    /// The side that receives the close is not the incarnation that the closing side admits.
    WrongIncarnation = 15,
    /// The closing side is not the incarnation that the side that receives the close admits.
    NotAdmitted = 16,
    /// The two nodes were bootstrapped with different memberships.
    OtherBootstrap = 17,
}

impl From<CloseCode> for VarInt {
    fn from(code: CloseCode) -> Self {
        Self::from_u32(code as u32)
    }
}

/// Whether the peer closed a connection because it prefers another one of the pair.
pub(crate) fn is_replaced(close: &ConnectionError) -> bool {
    matches!(
        close,
        ConnectionError::ApplicationClosed(close) if close.error_code == CloseCode::Replaced.into()
    )
}

/// The refusal of this node that a close by the peer states; `None` if the close states none.
pub(crate) fn refusal_in(close: &ConnectionError) -> Option<PeerRefusal> {
    let ConnectionError::ApplicationClosed(close) = close else { return None };
    let refusals = [
        (CloseCode::NotAPeer, PeerRefusal::NotAPeer),
        (CloseCode::Removed, PeerRefusal::NotAPeer),
        (CloseCode::WrongIncarnation, PeerRefusal::WrongIncarnation),
        (CloseCode::OtherBootstrap, PeerRefusal::OtherBootstrap),
        (CloseCode::Version, PeerRefusal::Version),
    ];
    let found = refusals.into_iter().find(|&(code, _)| close.error_code == code.into());
    found.map(|(_, refusal)| refusal)
}

/// Describes why a connection was closed, and by which side.
pub(crate) fn describe_close(close: &ConnectionError) -> String {
    match close {
        ConnectionError::TransportError(error) if is_tls(error.code) => {
            format!("refused here: {}", tls_reason(&error.reason))
        }
        ConnectionError::TransportError(error) => format!("QUIC protocol error: {error}"),
        ConnectionError::ConnectionClosed(close) if is_tls(close.error_code) => {
            format!("refused by the other side: {}", tls_reason(&printable(&close.reason)))
        }
        ConnectionError::ConnectionClosed(close) => {
            format!(
                "closed by the QUIC layer of the other side: {} {}",
                close.error_code,
                printable(&close.reason)
            )
        }
        ConnectionError::ApplicationClosed(close) if close.reason.is_empty() => {
            format!("closed by the other side with code {}", close.error_code)
        }
        ConnectionError::ApplicationClosed(close) => {
            format!("closed by the other side: {}", printable(&close.reason))
        }
        ConnectionError::Reset => "the other side has restarted".to_owned(),
        ConnectionError::TimedOut => {
            "no packet arrived from the other side within the idle timeout".to_owned()
        }
        ConnectionError::LocallyClosed => "closed by this side".to_owned(),
        ConnectionError::VersionMismatch => {
            "the other side supports no common version of QUIC".to_owned()
        }
        ConnectionError::CidsExhausted => "no connection ids are left".to_owned(),
    }
}

fn is_tls(code: TransportErrorCode) -> bool {
    const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;
    CRYPTO_ERRORS.contains(&u64::from(code))
}

/// Removes the text that rustls adds around the text of this crate's verifier.
fn tls_reason(reason: &str) -> &str {
    const OPENING: &str = "invalid peer certificate: Other(OtherError(";
    match reason.strip_prefix(OPENING) {
        Some(inner) => inner.strip_suffix("))").unwrap_or(inner),
        None => reason,
    }
}

/// Shortens a reason and escapes its control characters: the other side chooses it, and it is
/// logged.
fn printable(reason: &[u8]) -> String {
    const SHOWN_CHARS_MAX: usize = 400;
    let text = String::from_utf8_lossy(reason);
    text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}
