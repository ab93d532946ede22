//! The identity in a certificate.

use std::fmt;
use std::str::FromStr;

use raft_core::{ClusterId, NodeId};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The holder of a certificate: its only `raft://` subject alternative name. Addresses, host names
/// and the contents of messages do not identify a node or a client.
///
/// The text form is `raft://<cluster>/node/<id>` or `raft://<cluster>/client/<name>`, with the
/// cluster as 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PeerIdentity {
    /// A node of a cluster.
    Node {
        /// The cluster.
        cluster: ClusterId,
        /// The node.
        node: NodeId,
    },
    /// A client of a cluster.
    Client {
        /// The cluster.
        cluster: ClusterId,
        /// A name for logs and limits: 1 to 64 letters, digits, `.`, `_` and `-`.
        name: String,
    },
}

/// Why a certificate contains no identity.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The bytes are not a certificate, or no certificate was presented.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// The certificate contains no `raft://` name.
    #[error(
        "the certificate of {subject:?} has no subject alternative name like \
         raft://<cluster>/node/<id> or raft://<cluster>/client/<name>"
    )]
    Missing {
        /// The certificate's subject.
        subject: String,
    },
    /// The certificate contains several `raft://` names.
    #[error("the certificate of {subject:?} has several raft:// names, it must have one")]
    Ambiguous {
        /// The certificate's subject.
        subject: String,
    },
    /// The `raft://` name is malformed.
    #[error(
        "{uri:?} is not the name of a node or client: expected \
         raft://<32 hexadecimal digits>/node/<id> or raft://<32 hexadecimal digits>/client/<name>"
    )]
    Malformed {
        /// The name, shortened if it is long.
        uri: String,
    },
}

impl PeerIdentity {
    /// Reads the identity from a certificate in DER form.
    ///
    /// # Errors
    /// When it does not contain exactly one `raft://` name, or that name is malformed.
    pub fn from_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| IdentityError::Unreadable(error.to_string()))?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| IdentityError::Unreadable(error.to_string()))?;
        let mut found = None;
        for name in names.iter().flat_map(|extension| &extension.value.general_names) {
            let GeneralName::URI(uri) = name else { continue };
            if !uri.starts_with(SCHEME) {
                continue;
            }
            if found.replace(uri).is_some() {
                return Err(IdentityError::Ambiguous {
                    subject: certificate.subject().to_string(),
                });
            }
        }
        match found {
            Some(uri) => uri.parse(),
            None => Err(IdentityError::Missing { subject: certificate.subject().to_string() }),
        }
    }

    /// The cluster that the holder belongs to or uses.
    #[must_use]
    pub const fn cluster(&self) -> ClusterId {
        match self {
            Self::Node { cluster, .. } | Self::Client { cluster, .. } => *cluster,
        }
    }

    /// The node, if the holder is one.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Node { node, .. } => Some(*node),
            Self::Client { .. } => None,
        }
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { cluster, node } => write!(f, "{SCHEME}{cluster}/node/{node}"),
            Self::Client { cluster, name } => write!(f, "{SCHEME}{cluster}/client/{name}"),
        }
    }
}

impl FromStr for PeerIdentity {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        parse(uri).ok_or_else(|| IdentityError::Malformed {
            uri: uri.chars().take(URI_SHOWN_CHARS_MAX).collect(),
        })
    }
}

fn parse(uri: &str) -> Option<PeerIdentity> {
    let mut parts = uri.strip_prefix(SCHEME)?.split('/');
    let (cluster, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if cluster.len() != CLUSTER_DIGITS || !cluster.chars().all(is_digit) {
        return None;
    }
    let cluster = cluster.parse().ok()?;
    match kind {
        "node" => {
            let node: u64 = name.parse().ok()?;
            // Each node has one spelling: no leading zeros, no plus sign. Node 0 does not exist.
            let canonical = node != 0 && node.to_string() == name;
            canonical.then_some(PeerIdentity::Node { cluster, node: NodeId(node) })
        }
        "client" => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            let fits = (1..=CLIENT_NAME_CHARS_MAX).contains(&name.len());
            (fits && name.chars().all(allowed))
                .then(|| PeerIdentity::Client { cluster, name: name.to_owned() })
        }
        _ => None,
    }
}

const SCHEME: &str = "raft://";
const CLUSTER_DIGITS: usize = 32;
const CLIENT_NAME_CHARS_MAX: usize = 64;
const URI_SHOWN_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "000000000000000000000000000000ab";

    #[test]
    fn names_round_trip_through_text() {
        let cluster = ClusterId(0xab);
        let node = PeerIdentity::Node { cluster, node: NodeId(12) };
        let client = PeerIdentity::Client { cluster, name: "ops.laptop-1".to_owned() };
        assert_eq!(node.to_string(), format!("raft://{CLUSTER}/node/12"));
        for identity in [node, client] {
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
    }

    #[test]
    fn every_name_has_one_spelling() {
        let upper = CLUSTER.to_uppercase();
        for uri in [
            format!("raft://{CLUSTER}/node/0"),
            format!("raft://{CLUSTER}/node/01"),
            format!("raft://{CLUSTER}/node/+1"),
            format!("raft://{CLUSTER}/node/1/"),
            format!("raft://{CLUSTER}/node/"),
            format!("raft://{CLUSTER}/node/18446744073709551616"),
            format!("raft://{upper}/node/1"),
            "raft://ab/node/1".to_owned(),
            "raft:///node/1".to_owned(),
            format!("raft://{CLUSTER}/learner/1"),
            format!("raft://{CLUSTER}/client/"),
            format!("raft://{CLUSTER}/client/a b"),
            format!("raft://{CLUSTER}/client/{}", "a".repeat(65)),
            format!("http://{CLUSTER}/node/1"),
        ] {
            let refused =
                matches!(uri.parse::<PeerIdentity>(), Err(IdentityError::Malformed { .. }));
            assert!(refused, "{uri} was accepted");
        }
    }
}
