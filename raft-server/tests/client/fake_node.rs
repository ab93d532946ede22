//! A fake node: a client port whose every response the test decides.

use std::net::{Ipv4Addr, SocketAddr};

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use raft_core::NodeId;
use raft_server::kv::protocol::{
    ClientHello, FrameReader, Refusal, Request, RequestBody, Response, ResponseBody,
    SUPPORTED_VERSIONS, ServerHello, write_frame,
};
use raft_server::kv::state_machine::{Outcome, Output, Revision, SessionId};
use raft_transport_quic::tls::{self, Protocol};

use super::raw_client::read_message_from;
use super::tls::{CLUSTER, Issuer};

/// The port of a fake node.
pub(super) struct FakeNode {
    endpoint: Endpoint,
    node: u64,
}

/// One client's connection to it.
pub(super) struct FakeConnection {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    reader: FrameReader,
    /// The stream of pings, once the client has opened it.
    pings: Option<(SendStream, RecvStream, FrameReader)>,
}

impl FakeNode {
    pub(super) fn new(issuer: &Issuer, node: u64) -> Self {
        let config = tls::server_config(&issuer.node(node), Protocol::Client).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { endpoint: Endpoint::server(config, any).unwrap(), node }
    }

    pub(super) fn address(&self) -> String {
        self.endpoint.local_addr().unwrap().to_string()
    }

    /// Waits for a client and exchanges hellos with it.
    pub(super) async fn accept(&self) -> FakeConnection {
        self.accept_with(ServerHello {
            versions: SUPPORTED_VERSIONS,
            cluster: CLUSTER,
            node: NodeId(self.node),
            in_flight_max: 64,
            members: Vec::new(),
        })
        .await
    }

    /// As [`FakeNode::accept`], with another hello.
    pub(super) async fn accept_with(&self, server_hello: ServerHello) -> FakeConnection {
        let connection = self.endpoint.accept().await.unwrap().await.unwrap();
        let (send, receive) = connection.accept_bi().await.unwrap();
        let reader = FrameReader::default();
        let mut accepted = FakeConnection { connection, send, receive, reader, pings: None };
        let hello: ClientHello =
            read_message_from(&mut accepted.receive, &mut accepted.reader).await.unwrap();
        assert_eq!(hello, ClientHello { versions: SUPPORTED_VERSIONS, cluster: Some(CLUSTER) });
        accepted.write(&server_hello).await;
        accepted
    }

    /// Accepts a connection, reads one request and closes the connection without a response.
    pub(super) async fn lose_request(&self) -> Request {
        let mut connection = self.accept().await;
        let request = connection.request().await;
        connection.close();
        request
    }
}

impl FakeConnection {
    /// The next request. Responds to pings in the meantime.
    pub(super) async fn request(&mut self) -> Request {
        self.next_request().await.expect("the client keeps the connection open")
    }

    /// As [`FakeConnection::request`]; `None` once the client has closed the connection.
    pub(super) async fn next_request(&mut self) -> Option<Request> {
        loop {
            let Self { connection, receive, reader, pings, .. } = self;
            tokio::select! {
                request = read_message_from(receive, reader) => return request,
                ping = next_ping(connection, pings) => {
                    let mut bytes = Vec::new();
                    let pong = Response { id: ping.id, body: ResponseBody::Pong, leader: None };
                    write_frame(&mut bytes, &pong).unwrap();
                    let (send, ..) = self.pings.as_mut().unwrap();
                    // If the client has closed the connection, the stream of requests ends, too.
                    let _ = send.write_all(&bytes).await;
                }
            }
        }
    }

    pub(super) async fn respond(&mut self, id: u64, body: ResponseBody) {
        self.write(&Response { id, body, leader: None }).await;
    }

    /// Reads a request and refuses it.
    pub(super) async fn refuse_next(&mut self, refusal: Refusal) {
        let request = self.request().await;
        self.respond(request.id, ResponseBody::Refused(refusal)).await;
    }

    /// Reads a put and responds that it was applied at this revision.
    pub(super) async fn apply_next_put(&mut self, revision: u64) -> Request {
        let request = self.request().await;
        self.respond(request.id, put_output(revision)).await;
        request
    }

    /// Reads the request to open a session and responds with this session.
    pub(super) async fn open_session(&mut self, session: u64) {
        let opening = self.request().await;
        let outcome = Outcome::SessionOpened { session: SessionId(session) };
        self.respond(opening.id, ResponseBody::Output(Output { revision: Revision(0), outcome }))
            .await;
    }

    /// Sends these bytes on the stream of responses.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.send.write_all(bytes).await.unwrap();
    }

    /// Closes the connection; requests in flight get no response.
    pub(super) fn close(self) {
        self.connection.close(0_u32.into(), b"the fake node closes the connection");
    }

    async fn write<M: serde::Serialize>(&mut self, message: &M) {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, message).unwrap();
        self.send_bytes(&bytes).await;
    }
}

/// The next ping, on a stream that the client opens when it needs one.
async fn next_ping(
    connection: &Connection,
    pings: &mut Option<(SendStream, RecvStream, FrameReader)>,
) -> Request {
    if pings.is_none() {
        // A closed connection has no pings; the stream of requests detects the close.
        let Ok((send, receive)) = connection.accept_bi().await else {
            return std::future::pending().await;
        };
        *pings = Some((send, receive, FrameReader::default()));
    }
    let (_, receive, reader) = pings.as_mut().unwrap();
    let Some(ping) = read_message_from::<Request>(receive, reader).await else {
        return std::future::pending().await;
    };
    assert_eq!(ping.body, RequestBody::Ping);
    ping
}

pub(super) fn put_output(revision: u64) -> ResponseBody {
    let outcome = Outcome::Put { prev_kv: None };
    ResponseBody::Output(Output { revision: Revision(revision), outcome })
}
