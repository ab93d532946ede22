//! Serves HTTP connections within limits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::pages::{StartedNode, router};

/// Concurrent connections; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 128;
/// Bytes of a request's head; the smallest limit that hyper supports.
const HEAD_BYTES_MAX: usize = 8192;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// The time limit for a request's head, and for an idle connection between two requests.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest lifetime of a connection.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(120);

/// An HTTP port that cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The socket cannot be bound.
    #[error("cannot listen on TCP {address} for HTTP: {source}{}", hint(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
}

fn hint(source: &std::io::Error) -> &'static str {
    if source.kind() == std::io::ErrorKind::AddrInUse {
        " (another process uses this TCP port; choose another listen_http, or off)"
    } else {
        ""
    }
}

/// A bound port that is not served yet.
#[derive(Debug)]
pub(crate) struct HttpPort {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpPort {
    /// Binds the port.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        let error = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self { listener, address })
    }

    /// The bound address.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the task is dropped.
    pub(crate) async fn serve(self, started: StartedNode) {
        let loopback = self.address.ip().is_loopback();
        let mut pages = router(started);
        if loopback {
            pages = pages.layer(middleware::from_fn_with_state(self.address.ip(), local_host_only));
        }
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(pages.clone());
                    tokio::spawn(async move {
                        let _held = permit;
                        let _ =
                            tokio::time::timeout(CONNECTION_TIME_MAX, connection(stream, service))
                                .await;
                    });
                }
                Err(error) => {
                    // The process is likely out of file descriptors until connections close.
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, service: TowerToHyperService<axum::Router>) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

/// Refuses requests to a loopback address whose host is another name.
async fn local_host_only(State(own): State<IpAddr>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_none_or(|host| is_local(host, own)) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "use the address or localhost as the host\n").into_response()
    }
}

/// Whether a `Host` header names a loopback address or `localhost`.
fn is_local(host: &str, own: IpAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        Some(_) | None => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip == own || ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_localhost_are_local() {
        let own = IpAddr::from([127, 0, 0, 1]);
        for local in ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "127.0.0.1", "[::1]:80"] {
            assert!(is_local(local, own), "{local}");
        }
        for foreign in ["evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", ""]
        {
            assert!(!is_local(foreign, own), "{foreign}");
        }
    }
}
