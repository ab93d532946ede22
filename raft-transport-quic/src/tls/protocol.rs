//! The two protocols of a node.

/// The protocol of a port or of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// Between nodes.
    Peer,
    /// Between clients and nodes.
    Client,
}

impl Protocol {
    pub(super) const ALL: [Self; 2] = [Self::Peer, Self::Client];

    /// The identifier with which TLS negotiates the protocol (ALPN, RFC 7301).
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Peer => b"raft-peer/1",
            Self::Client => b"raft-client/1",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Peer => Self::Client,
            Self::Client => Self::Peer,
        }
    }
}
