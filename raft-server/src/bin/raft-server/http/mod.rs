//! The node's HTTP port, read-only: probes, metrics and status.
//!
//! Nothing here changes anything, nothing needs a body, and nothing is authenticated, which is
//! why it listens on loopback unless told otherwise. Connections, header sizes and times are
//! bounded. On a loopback address a request must name that address or `localhost` as its host, so
//! that a web page elsewhere cannot read the status by pointing a name of its own here.

mod metrics;
mod probe;
mod serve;
mod status;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;

pub(crate) use serve::HttpPort;
pub(crate) use status::{About, Watched};

/// What the pages look at; empty until the node is up.
pub(crate) type Shown = Arc<OnceLock<Watched>>;

/// Every page.
fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/v1/status", get(status_page))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, "no such page; there are /livez /readyz /metrics /v1/status\n")
        })
        .with_state(shown)
}

async fn index() -> &'static str {
    "raft-server\n/livez\n/readyz\n/metrics\n/v1/status\n"
}

/// A node that recovers its data works.
async fn livez(State(shown): State<Shown>) -> Response {
    answer(shown.get().map_or(Ok(()), |watched| probe::live(&watched.node.status())))
}

async fn readyz(State(shown): State<Shown>) -> Response {
    answer(match shown.get() {
        Some(watched) => probe::ready(&watched.node.status()),
        None => Err(STARTING.to_owned()),
    })
}

fn answer(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics_page(State(shown): State<Shown>) -> Response {
    let Some(watched) = shown.get() else { return answer(Err(STARTING.to_owned())) };
    match metrics::page(watched) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn status_page(State(shown): State<Shown>) -> Response {
    match shown.get() {
        Some(watched) => Json(status::view(watched)).into_response(),
        None => answer(Err(STARTING.to_owned())),
    }
}

const STARTING: &str = "starting: the data is being opened and recovered";
