//! Serves one client: reads requests, has them served concurrently, writes the responses.
//!
//! One task does all of this. Responses that are ready together are sent in one write. The task
//! reads nothing while it writes or while too many requests are in flight: flow control then stops
//! a client that does not read its responses.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};
use raft_transport_quic::CloseCode;
use raft_transport_quic::tls::PeerIdentity;
use tokio::sync::watch;
use tokio::time::timeout;

use super::budget::{Charge, ConnectionBudget};
use super::context::Context;
use super::error::{ConnectionError, HELLO_TIMEOUT};
use super::pings;
use super::service::ChargedResponse;
use crate::kv::protocol::{
    ClientHello, FrameError, FrameReader, HELLO_BYTES_MAX, REQUEST_BYTES_MAX, Refusal, Request,
    Response, ResponseBody, negotiate, read_extensible, read_message, write_frame,
};

/// The most time that a write of responses may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most time that a stream that is being closed waits until the client has read everything.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
/// How many chunks one read takes from the stream. They are not copied into a buffer that an idle
/// connection would keep.
const READ_CHUNKS_MAX: usize = 32;
/// Responses are written once they have this many bytes, even if more are ready.
const WRITE_BYTES: usize = 64 << 10;

/// Serves a client until it closes the connection or the node stops.
pub(super) async fn serve(
    connection: &Connection,
    identity: PeerIdentity,
    context: &Context,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let exchanged = tokio::select! {
        exchanged = timeout(HELLO_TIMEOUT, exchange_hellos(connection, context)) => exchanged,
        () = stop_requested(&mut stop) => return Ok(()),
    };
    let Some((send, receive, reader)) = exchanged.map_err(|_| ConnectionError::HelloTimeout)??
    else {
        return Ok(());
    };
    let budget = context.budgets.connection(identity);
    let mut requests =
        RequestStream { context, budget: &budget, send, out: Vec::new(), charges: Vec::new() };
    let served = tokio::select! {
        served = requests.run(receive, reader, &mut stop) => served,
        error = pings::respond(connection) => Err(error),
    };
    match served {
        Ok(()) => requests.finish(connection).await,
        // The client closed the connection or became unreachable; that is not an error.
        Err(
            ConnectionError::Read(ReadError::ConnectionLost(_))
            | ConnectionError::Write(WriteError::ConnectionLost(_)),
        ) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn stop_requested(stop: &mut watch::Receiver<bool>) {
    // A listener that is dropped has stopped.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Accepts the client's stream and exchanges hellos on it; `None` if the client closed it.
async fn exchange_hellos(
    connection: &Connection,
    context: &Context,
) -> Result<Option<(SendStream, RecvStream, FrameReader)>, ConnectionError> {
    let Ok((mut send, mut receive)) = connection.accept_bi().await else { return Ok(None) };
    let mut reader = FrameReader::default();
    reader.limit(HELLO_BYTES_MAX);
    let mut chunk = [0; 256];
    let client_hello: ClientHello = loop {
        if let Some(frame) = reader.next_frame()? {
            break read_extensible(frame)?;
        }
        match receive.read(&mut chunk).await? {
            Some(bytes) => reader.extend(&chunk[..bytes]),
            None => return Ok(None),
        }
    };
    let server_hello = context.server_hello();
    let mut out = Vec::new();
    write_frame(&mut out, &server_hello)?;
    send.write_all(&out).await?;
    // The client finds the same mismatch in the hello of the node, if it reads that before the
    // close.
    negotiate(&client_hello, &server_hello)?;
    reader.limit(REQUEST_BYTES_MAX);
    Ok(Some((send, receive, reader)))
}

/// The stream of requests after the hello exchange.
struct RequestStream<'a> {
    context: &'a Context,
    budget: &'a ConnectionBudget<'a>,
    send: SendStream,
    out: Vec<u8>,
    /// The charges of the responses in `out`.
    charges: Vec<Charge<'a>>,
}

/// A served request: its id, its size in bytes, and its response.
type Served<'a> = (u64, usize, ChargedResponse<'a>);

impl<'a> RequestStream<'a> {
    async fn run(
        &mut self,
        mut receive: RecvStream,
        mut reader: FrameReader,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), ConnectionError> {
        let (context, budget) = (self.context, self.budget);
        let mut chunks = [const { Bytes::new() }; READ_CHUNKS_MAX];
        let mut in_flight = FuturesUnordered::new();
        let mut in_flight_bytes = 0;
        let mut open = !*stop.borrow();
        loop {
            let requests_max = context.config.in_flight_max as usize;
            while open
                && in_flight.len() < requests_max
                && in_flight_bytes < context.config.in_flight_bytes_max
            {
                let Some(frame) = reader.next_frame()? else { break };
                let bytes = frame.len();
                let Request { id, body } = read_message(frame)?;
                in_flight_bytes += bytes;
                let served = context.service.serve(body, budget);
                in_flight.push(served.map(move |response| (id, bytes, response)));
            }
            let is_below_limits = in_flight.len() < requests_max
                && in_flight_bytes < context.config.in_flight_bytes_max;
            if !open && in_flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(served) = in_flight.next() => {
                    in_flight_bytes -= self.respond(served)?;
                    while self.out.len() < WRITE_BYTES
                        && let Some(Some(served)) = in_flight.next().now_or_never()
                    {
                        in_flight_bytes -= self.respond(served)?;
                    }
                    self.flush().await?;
                }
                () = stop_requested(stop), if open => open = false,
                read = receive.read_chunks(&mut chunks), if open && is_below_limits => match read? {
                    Some(filled) => {
                        for chunk in &mut chunks[..filled] {
                            reader.extend(&std::mem::take(chunk));
                        }
                    }
                    None => open = false,
                },
            }
        }
    }

    /// Adds a response to the next write. Returns the size of its request.
    fn respond(&mut self, (id, bytes, (body, charge)): Served<'a>) -> Result<usize, FrameError> {
        self.charges.extend(charge);
        let leader = self.context.service.other_leader();
        let response = Response { id, body, leader };
        match write_frame(&mut self.out, &response) {
            Err(error @ FrameError::TooLarge { .. }) => {
                let reason = format!("the response is too large: {error}; request less at a time");
                let body = ResponseBody::Refused(Refusal::Invalid { reason });
                write_frame(&mut self.out, &Response { id, body, leader: response.leader })?;
            }
            written => written?,
        }
        Ok(bytes)
    }

    async fn flush(&mut self) -> Result<(), ConnectionError> {
        let written = timeout(WRITE_TIMEOUT, self.send.write_all(&self.out)).await;
        self.out.clear();
        self.out.shrink_to(2 * WRITE_BYTES);
        self.charges.clear();
        Ok(written.map_err(|_| ConnectionError::WriteTimeout)??)
    }

    /// Waits until the client has read everything, then closes the connection.
    async fn finish(&mut self, connection: &Connection) {
        if self.send.finish().is_ok() {
            // A client that takes longer loses the last responses and the outcomes in them.
            let _ = timeout(FINISH_TIMEOUT, self.send.stopped()).await;
        }
        connection.close(CloseCode::Shutdown.into(), b"the node shuts down");
    }
}
