//! A node whose every answer the test makes up.

use std::net::{Ipv4Addr, SocketAddr};

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use raft_core::NodeId;
use raft_server::kv::protocol::{
    ClientHello, FrameReader, Request, RequestBody, Response, ResponseBody, SUPPORTED_VERSIONS,
    ServerHello, read_message, write_frame,
};
use raft_server::kv::state_machine::{Outcome, Output, Revision};
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
    /// The stream of pings, once the client has opened it.
    pings: Option<(SendStream, RecvStream, FrameReader)>,
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
        self.visit_saying(ServerHello {
            versions: SUPPORTED_VERSIONS,
            cluster: CLUSTER,
            node: NodeId(self.node),
            in_flight_max: 64,
            members: Vec::new(),
        })
        .await
    }

    /// As [`Puppet::visit`], with a welcome that may be wrong.
    pub(super) async fn visit_saying(&self, welcome: ServerHello) -> Visit {
        let connection = self.endpoint.accept().await.unwrap().await.unwrap();
        let (send, receive) = connection.accept_bi().await.unwrap();
        let mut visit =
            Visit { connection, send, receive, reader: FrameReader::default(), pings: None };
        let hello: ClientHello = visit.read().await;
        assert_eq!(hello, ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(CLUSTER) });
        visit.write(&welcome).await;
        visit
    }
}

impl Visit {
    /// The next request. Pings are answered meanwhile.
    pub(super) async fn request(&mut self) -> Request {
        self.next_request().await.expect("the client stays")
    }

    /// As [`Visit::request`]; `None` once the client has left.
    pub(super) async fn next_request(&mut self) -> Option<Request> {
        loop {
            let Self { connection, receive, reader, pings, .. } = self;
            tokio::select! {
                request = read_next(receive, reader) => return request,
                ping = next_ping(connection, pings) => {
                    let response = ResponseBody::Pong;
                    let mut bytes = Vec::new();
                    write_frame(&mut bytes, &Response { id: ping.id, body: response }).unwrap();
                    let (send, ..) = self.pings.as_mut().unwrap();
                    // The client may have left; its stream of requests then ends, too.
                    let _ = send.write_all(&bytes).await;
                }
            }
        }
    }

    pub(super) async fn answer(&mut self, id: u64, response: ResponseBody) {
        self.write(&Response { id, body: response }).await;
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
        read_next(&mut self.receive, &mut self.reader).await.expect("the client stays")
    }
}

/// The next message of a stream; `None` at its end. Loses nothing when it is dropped.
async fn read_next<M: serde::de::DeserializeOwned>(
    receive: &mut RecvStream,
    reader: &mut FrameReader,
) -> Option<M> {
    let mut chunk = [0; 4096];
    loop {
        if let Some(frame) = reader.next_frame().unwrap() {
            return Some(read_message(frame).unwrap());
        }
        let bytes = receive.read(&mut chunk).await.ok().flatten()?;
        reader.extend(&chunk[..bytes]);
    }
}

/// The next ping, on a stream that the client opens when it needs one.
async fn next_ping(
    connection: &Connection,
    pings: &mut Option<(SendStream, RecvStream, FrameReader)>,
) -> Request {
    if pings.is_none() {
        // Without a connection there are no pings; its loss shows on the other stream.
        let Ok((send, receive)) = connection.accept_bi().await else {
            return std::future::pending().await;
        };
        *pings = Some((send, receive, FrameReader::default()));
    }
    let (_, receive, reader) = pings.as_mut().unwrap();
    let Some(ping) = read_next::<Request>(receive, reader).await else {
        return std::future::pending().await;
    };
    assert_eq!(ping.body, RequestBody::Ping);
    ping
}

pub(super) fn done(revision: u64) -> ResponseBody {
    let outcome = Outcome::Put { prev_kv: None };
    ResponseBody::Output(Output { revision: Revision(revision), outcome })
}
