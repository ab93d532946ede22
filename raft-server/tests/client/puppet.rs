//! A node whose every answer the test makes up.

use std::net::{Ipv4Addr, SocketAddr};

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use raft_core::NodeId;
use raft_server::client_api::protocol::{Reply, Request, RequestBody, Response};
use raft_server::client_api::{
    FrameReader, Hello, PROTOCOL_VERSION, Welcome, read_message, write_frame,
};
use raft_server::state_machine::kv::{Outcome, Output, Revision};
use raft_transport_quic::tls::{self, Role};

use super::tls::{CLUSTER, Issuer};

/// The port of a made-up node.
pub(super) struct Puppet {
    endpoint: Endpoint,
    node: u64,
}

/// One client's connection to it.
pub(super) struct Visit {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    reader: FrameReader,
}

impl Puppet {
    pub(super) fn new(issuer: &Issuer, node: u64) -> Self {
        let config = tls::server_config(&issuer.node(node), Role::Client).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { endpoint: Endpoint::server(config, any).unwrap(), node }
    }

    pub(super) fn address(&self) -> String {
        self.endpoint.local_addr().unwrap().to_string()
    }

    /// Waits for a client and says hello to it.
    pub(super) async fn visit(&self) -> Visit {
        self.visit_saying(Welcome {
            version: PROTOCOL_VERSION,
            cluster: CLUSTER,
            node: NodeId(self.node),
            in_flight_max: 64,
            members: Vec::new(),
        })
        .await
    }

    /// As [`Puppet::visit`], with a welcome that may be wrong.
    pub(super) async fn visit_saying(&self, welcome: Welcome) -> Visit {
        let connection = self.endpoint.accept().await.unwrap().await.unwrap();
        let (send, receive) = connection.accept_bi().await.unwrap();
        let mut visit = Visit { connection, send, receive, reader: FrameReader::default() };
        let hello: Hello = visit.read().await;
        assert_eq!(hello, Hello { version: PROTOCOL_VERSION, cluster: Some(CLUSTER) });
        visit.write(&welcome).await;
        visit
    }
}

impl Visit {
    /// The next request that is no ping.
    pub(super) async fn request(&mut self) -> Request {
        self.next_request().await.expect("the client stays")
    }

    /// As [`Visit::request`]; `None` once the client has left.
    pub(super) async fn next_request(&mut self) -> Option<Request> {
        loop {
            let request: Request = self.read_next().await?;
            if request.body != RequestBody::Ping {
                return Some(request);
            }
            self.answer(request.id, Response::Alive).await;
        }
    }

    pub(super) async fn answer(&mut self, id: u64, response: Response) {
        self.write(&Reply { id, response }).await;
    }

    /// Answers a put as carried out at this revision.
    pub(super) async fn done(&mut self, id: u64, revision: u64) {
        self.answer(id, done(revision)).await;
    }

    /// Sends these bytes as they are.
    pub(super) async fn say(&mut self, bytes: &[u8]) {
        self.send.write_all(bytes).await.unwrap();
    }

    /// Leaves in the middle of things.
    pub(super) fn vanish(self) {
        self.connection.close(0_u32.into(), b"the puppet leaves");
    }

    async fn write<M: serde::Serialize>(&mut self, message: &M) {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, message).unwrap();
        self.say(&bytes).await;
    }

    async fn read<M: serde::de::DeserializeOwned>(&mut self) -> M {
        self.read_next().await.expect("the client stays")
    }

    async fn read_next<M: serde::de::DeserializeOwned>(&mut self) -> Option<M> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(frame) = self.reader.next_frame().unwrap() {
                return Some(read_message(frame).unwrap());
            }
            let bytes = self.receive.read(&mut chunk).await.ok().flatten()?;
            self.reader.extend(&chunk[..bytes]);
        }
    }
}

pub(super) fn done(revision: u64) -> Response {
    let outcome = Outcome::Put { prev_kv: None };
    Response::Output(Output { revision: Revision(revision), outcome })
}
