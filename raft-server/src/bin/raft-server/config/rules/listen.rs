//! The rules for the addresses of the sockets.

use std::net::SocketAddr;

use super::findings::{Findings, Problem, Warning};
use crate::config::checked::Listen;
use crate::config::member::{Member, check_advertised};
use crate::config::settings::Settings;

/// The addresses of this node's sockets.
pub(super) fn listen(settings: &Settings, own: Option<&Member>, findings: &mut Findings) -> Listen {
    let peer = own.map(|member| member.peer.as_str());
    let client = own.map(|member| member.client.as_str());
    let listen = Listen {
        peer: listen_address(findings, "listen_peer", settings.listen_peer.as_deref(), peer),
        client: listen_address(
            findings,
            "listen_client",
            settings.listen_client.as_deref(),
            client,
        ),
        http: match settings.listen_http.as_deref() {
            None | Some("off") => None,
            Some(text) => Some(listen_address(findings, "listen_http", Some(text), None)),
        },
    };
    if listen.peer == listen.client && listen.peer.port() != 0 {
        findings.problems.push(Problem::SamePort(listen.peer));
    }
    if let Some(http) = listen.http
        && !http.ip().is_loopback()
    {
        findings.warnings.push(Warning::HttpNotLoopback(http));
    }
    listen
}

/// The address that is set, or the member's own address if that is numeric.
fn listen_address(
    findings: &mut Findings,
    key: &'static str,
    set: Option<&str>,
    own: Option<&str>,
) -> SocketAddr {
    let parsed = set.or(own).and_then(|text| text.parse().ok());
    match (parsed, set, own) {
        (Some(address), _, _) => return address,
        (None, Some(value), _) => {
            findings.problems.push(Problem::ListenAddress { key, value: value.to_owned() });
        }
        (None, None, Some(address)) if check_advertised(address).is_ok() => {
            let address = address.to_owned();
            findings.problems.push(Problem::ListenNeedsNumber { key, address });
        }
        // The member itself is missing or invalid, which is recorded elsewhere.
        (None, None, _) => {}
    }
    SocketAddr::from(([127, 0, 0, 1], 0))
}
