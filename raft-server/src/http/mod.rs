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

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;

pub(crate) use serve::HttpPort;
pub(crate) use status::{About, Watched};

/// Every page.
fn router(watched: Arc<Watched>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/v1/status", get(status_page))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, "no such page; there are /livez /readyz /metrics /v1/status\n")
        })
        .with_state(watched)
}

async fn index() -> &'static str {
    "raft-server\n/livez\n/readyz\n/metrics\n/v1/status\n"
}

async fn livez(State(watched): State<Arc<Watched>>) -> Response {
    answer(probe::live(&watched.node.status()))
}

async fn readyz(State(watched): State<Arc<Watched>>) -> Response {
    answer(probe::ready(&watched.node.status()))
}

fn answer(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics_page(State(watched): State<Arc<Watched>>) -> Response {
    match metrics::page(&watched) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn status_page(State(watched): State<Arc<Watched>>) -> Response {
    Json(status::view(&watched)).into_response()
}
