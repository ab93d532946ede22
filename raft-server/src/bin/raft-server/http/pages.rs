//! The pages and their responses.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;

use super::watched::Watched;
use super::{metrics, probe, status};

/// The node that the pages describe; empty until it has started.
pub(super) type StartedNode = Arc<OnceLock<Watched>>;

/// The router of all pages.
pub(super) fn router(started: StartedNode) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/v1/status", get(status_page))
        .route("/explain", get(explain_page))
        .route("/v1/explain", get(explain_json))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "no such page; the pages are /livez /readyz /metrics /explain /v1/status /v1/explain\n",
            )
        })
        .with_state(started)
}

async fn index() -> &'static str {
    "raft-server\n/livez\n/readyz\n/metrics\n/explain\n/v1/status\n/v1/explain\n"
}

/// A node that recovers its data is live.
async fn livez(State(started): State<StartedNode>) -> Response {
    verdict_response(match started.get() {
        Some(watched) => probe::live(&watched.node.status().await),
        None => Ok(()),
    })
}

async fn readyz(State(started): State<StartedNode>) -> Response {
    verdict_response(match started.get() {
        Some(watched) => probe::ready(&watched.node.status().await),
        None => Err(STARTING.to_owned()),
    })
}

fn verdict_response(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics_page(State(started): State<StartedNode>) -> Response {
    let Some(watched) = started.get() else { return verdict_response(Err(STARTING.to_owned())) };
    match metrics::page(watched).await {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn status_page(State(started): State<StartedNode>) -> Response {
    match started.get() {
        Some(watched) => Json(status::view(watched).await).into_response(),
        None => verdict_response(Err(STARTING.to_owned())),
    }
}

async fn explain_page(State(started): State<StartedNode>) -> Response {
    match started.get() {
        Some(watched) => format!("{}\n", watched.node.explain().await).into_response(),
        None => verdict_response(Err(STARTING.to_owned())),
    }
}

async fn explain_json(State(started): State<StartedNode>) -> Response {
    match started.get() {
        Some(watched) => Json(watched.node.explain().await).into_response(),
        None => verdict_response(Err(STARTING.to_owned())),
    }
}

const STARTING: &str = "starting: the data is being opened and recovered";
