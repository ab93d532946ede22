//! The members of the cluster and their addresses.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::Deserialize;

/// One member of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// The node id, from 1.
    pub(crate) id: u64,
    /// The address for the other nodes, `HOST:PORT` (UDP).
    pub(crate) peer: String,
    /// The address for clients, `HOST:PORT` (UDP).
    pub(crate) client: String,
}

/// The keys of a member's table.
pub(crate) const MEMBER_KEYS: [&str; 3] = ["id", "peer", "client"];

/// A text that is not a member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is not a member: write ID=PEER/CLIENT, such as 1=10.0.0.1:7001/10.0.0.1:7101, and \
     separate members with commas"
)]
pub(crate) struct MemberError(String);

impl FromStr for Member {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || MemberError(text.to_owned());
        let (id, addresses) = text.trim().split_once('=').ok_or_else(error)?;
        let (peer, client) = addresses.split_once('/').ok_or_else(error)?;
        let id = id.trim().parse().map_err(|_| error())?;
        if peer.trim().is_empty() || client.trim().is_empty() {
            return Err(error());
        }
        Ok(Self { id, peer: peer.trim().to_owned(), client: client.trim().to_owned() })
    }
}

/// All members, as one setting.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Members(pub(crate) Vec<Member>);

impl FromStr for Members {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}/{}", self.id, self.peer, self.client)
    }
}

/// A fault of an address to which others connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AddressFault {
    /// The address is not `HOST:PORT`.
    #[error("is not HOST:PORT")]
    Form,
    /// The address is the unspecified one, to which no other machine can connect.
    #[error("is the unspecified address, to which other machines cannot connect; name one address")]
    Unspecified,
    /// The port is 0, to which no machine can connect.
    #[error("has port 0, to which other machines cannot connect; name the port")]
    PortZero,
}

/// Checks an address to which others connect: a host name or IP address, and a port.
pub(crate) fn check_advertised(address: &str) -> Result<(), AddressFault> {
    if let Ok(socket) = address.parse::<SocketAddr>() {
        return match (socket.ip().is_unspecified(), socket.port()) {
            (true, _) => Err(AddressFault::Unspecified),
            (false, 0) => Err(AddressFault::PortZero),
            (false, _) => Ok(()),
        };
    }
    let (host, port) = address.rsplit_once(':').ok_or(AddressFault::Form)?;
    let host_is_name = !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    match port.parse::<u16>() {
        Ok(0) => Err(AddressFault::PortZero),
        Ok(_) if host_is_name => Ok(()),
        Ok(_) | Err(_) => Err(AddressFault::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_in_a_flag_is_parsed_and_printed_alike() {
        let text = "3=node-3.example:7001/10.0.0.3:7101";
        assert_eq!(text.parse::<Member>().unwrap().to_string(), text);
        for wrong in ["3", "3=a:1", "x=a:1/b:2", "=a:1/b:2", "1=/b:2", "1=a:1/"] {
            assert_eq!(wrong.parse::<Member>(), Err(MemberError(wrong.to_owned())));
        }
    }

    #[test]
    fn advertised_address_names_one_host_and_port() {
        for right in ["127.0.0.1:7001", "[::1]:7001", "node-1.example:7001"] {
            assert_eq!(check_advertised(right), Ok(()), "{right}");
        }
        assert_eq!(check_advertised("0.0.0.0:7001"), Err(AddressFault::Unspecified));
        assert_eq!(check_advertised("[::]:7001"), Err(AddressFault::Unspecified));
        assert_eq!(check_advertised("127.0.0.1:0"), Err(AddressFault::PortZero));
        assert_eq!(check_advertised("node-1:0"), Err(AddressFault::PortZero));
        for wrong in ["127.0.0.1", "", ":7001", "a b:1", "host:99999", "udp://host:1"] {
            assert_eq!(check_advertised(wrong), Err(AddressFault::Form), "{wrong}");
        }
    }
}
