//! Accepts HTTP connections within bounds.

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

use super::Shown;

/// Connections at a time; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 128;
/// Bytes of a request's head, hyper's smallest.
const HEAD_BYTES_MAX: usize = 8192;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a client may take for a request's head, and stay silent between two requests.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a connection may last, however busy.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(120);

/// Why there is no HTTP port.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The socket could not be had.
    #[error("cannot listen on TCP {address} for HTTP: {source}{}", hint(source))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
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

/// A bound port that nobody is served on yet.
#[derive(Debug)]
pub(crate) struct HttpPort {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpPort {
    /// Takes the port.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        let error = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self { listener, address })
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the task is dropped.
    pub(crate) async fn serve(self, shown: Shown) {
        let loopback = self.address.ip().is_loopback();
        let mut router = super::router(shown);
        if loopback {
            router =
                router.layer(middleware::from_fn_with_state(self.address.ip(), local_host_only));
        }
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(router.clone());
                    tokio::spawn(async move {
                        let _held = permit;
                        let _ =
                            tokio::time::timeout(CONNECTION_TIME_MAX, connection(stream, service))
                                .await;
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: they come back as connections end.
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

/// Refuses requests that reached a loopback address under a foreign name.
async fn local_host_only(State(own): State<IpAddr>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_none_or(|host| is_local(host, own)) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "ask by address or as localhost\n").into_response()
    }
}

/// Whether a `Host` header names this machine's loopback.
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
    fn a_foreign_host_name_is_not_local() {
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
