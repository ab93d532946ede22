//! Who takes part and where.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::Deserialize;

/// One member of the cluster as the configuration names it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// Its node id, from 1.
    pub(crate) id: u64,
    /// `host:port` (UDP) at which the other nodes reach it.
    pub(crate) peer: String,
    /// `host:port` (UDP) at which clients reach it.
    pub(crate) client: String,
}

/// The keys of a member's table.
pub(crate) const MEMBER_KEYS: [&str; 3] = ["id", "peer", "client"];

/// Why a text names no member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` names no member: write ID=PEER/CLIENT, such as 1=10.0.0.1:7001/10.0.0.1:7101, and \
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

/// What is wrong with an address that others are told to reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AddressFault {
    /// It is not `host:port`.
    #[error("is not host:port")]
    Form,
    /// It names every address of a machine, and so none.
    #[error("means \"every address of this machine\", which nobody else can reach; name one")]
    Unspecified,
    /// Port 0 asks the system for any port.
    #[error("has port 0, which nobody can be told; name the port")]
    PortZero,
}

/// Checks an address that others are told to reach: a host name or IP, and a port.
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
    fn a_member_in_a_flag_reads_back_as_written() {
        let text = "3=node-3.example:7001/10.0.0.3:7101";
        assert_eq!(text.parse::<Member>().unwrap().to_string(), text);
        for wrong in ["3", "3=a:1", "x=a:1/b:2", "=a:1/b:2", "1=/b:2", "1=a:1/"] {
            assert_eq!(wrong.parse::<Member>(), Err(MemberError(wrong.to_owned())));
        }
    }

    #[test]
    fn an_advertised_address_must_be_reachable_by_others() {
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
