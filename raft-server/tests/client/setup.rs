//! What the tests of the client share: a client with fake nodes, and requests.

use std::future::Future;
use std::time::Duration;

use raft_server::kv::client::{Client, ClientConfig, Error, Retry};
use raft_server::kv::protocol::{Consistency, ResponseBody};
use raft_server::kv::state_machine::{
    KeyRange, Put, QueryResult, QueryResultBody, RangeRequest, RangeResult, Revision,
};

use super::fake_node::FakeNode;
use super::tls::Issuer;

/// Longer than any wait of a test that passes.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, future).await.expect("it completes in time")
}

/// Runs a call and the node's side of it at the same time.
pub(super) async fn with_node<T, N>(
    call: impl Future<Output = T>,
    node: impl Future<Output = N>,
) -> (T, N) {
    within(async { tokio::join!(call, node) }).await
}

/// A client and the fake node that is its only endpoint.
pub(super) struct Setup {
    pub(super) node: FakeNode,
    pub(super) client: Client,
}

impl Setup {
    pub(super) fn new(retry: Retry) -> Self {
        Self::with(retry, |_| {})
    }

    /// As [`Setup::new`], with other settings of the client.
    pub(super) fn with(retry: Retry, configure: impl FnOnce(&mut ClientConfig)) -> Self {
        let issuer = Issuer::new();
        let node = FakeNode::new(&issuer, 1);
        let client = client(&issuer, &[&node], retry, configure);
        Self { node, client }
    }
}

/// A client with these endpoints.
pub(super) fn client(
    issuer: &Issuer,
    nodes: &[&FakeNode],
    retry: Retry,
    configure: impl FnOnce(&mut ClientConfig),
) -> Client {
    let endpoints = nodes.iter().map(|node| node.address()).collect();
    let mut config = ClientConfig::new(endpoints, issuer.client());
    config.timeout = WAIT_MAX;
    config.retry = retry;
    configure(&mut config);
    Client::new(config).unwrap()
}

pub(super) fn put(key: &str) -> Put {
    Put { key: key.to_owned().into(), value: "v".into(), prev_kv: false }
}

/// Reads everything and returns the revision of the result.
pub(super) fn range(client: &Client) -> impl Future<Output = Result<Revision, Error>> + use<> {
    let client = client.clone();
    async move {
        let request = RangeRequest::new(KeyRange::all());
        Ok(client.range(request, Consistency::Linearizable).await?.revision)
    }
}

/// The response to [`range`].
pub(super) fn range_result(revision: u64) -> ResponseBody {
    let body = QueryResultBody::Range(RangeResult::default());
    let result = QueryResult { revision: Revision(revision), body };
    ResponseBody::Range { result, staleness_ms: Some(0) }
}
