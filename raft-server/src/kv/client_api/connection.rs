//! Serves one client: reads requests, has them carried out side by side, writes the answers.
//!
//! One task does all of it. Answers that are ready together leave in one write, and while writing
//! or with too much under way it does not read: a client that does not listen is not listened to.

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
use super::execute::Charged;
use super::listener::Context;
use super::pings;
use crate::kv::protocol::{
    self, ClientHello, FrameError, FrameReader, HELLO_BYTES_MAX, HelloMismatch, REQUEST_BYTES_MAX,
    Refusal, Request, Response, ResponseBody, read_extensible, read_message, write_frame,
};

/// How long a client may take from the end of the handshake to its hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may leave answers untaken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a closing stream waits for the client to have read everything.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
/// How many pieces are taken from the stream at a time. They are not copied into a buffer of the
/// connection's own, which an idle connection would keep.
const READ_CHUNKS_MAX: usize = 32;
/// Answers that are ready leave once they are this long, even if more are ready.
const WRITE_BYTES: usize = 64 << 10;

/// Why a client's connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("no hello within {} s", HELLO_TIMEOUT.as_secs())]
    HelloTimeout,
    #[error(transparent)]
    Mismatch(#[from] HelloMismatch),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a request other than a ping on the stream for pings")]
    NotAPing,
    #[error("the client takes no answers")]
    WriteTimeout,
    #[error("the stream failed: {0}")]
    Read(#[from] ReadError),
    #[error("the stream failed: {0}")]
    Write(#[from] WriteError),
}

impl ConnectionError {
    pub(super) const fn code(&self) -> CloseCode {
        match self {
            Self::HelloTimeout | Self::NotAPing => CloseCode::Protocol,
            Self::Mismatch(HelloMismatch::Version { .. }) => CloseCode::Version,
            Self::Mismatch(HelloMismatch::Cluster { .. }) => CloseCode::WrongCluster,
            Self::Frame(FrameError::TooLarge { .. }) => CloseCode::FrameTooLarge,
            Self::Frame(FrameError::Malformed(_) | FrameError::TrailingBytes(_)) => {
                CloseCode::Malformed
            }
            Self::WriteTimeout => CloseCode::Overloaded,
            Self::Read(_) | Self::Write(_) => CloseCode::Shutdown,
        }
    }
}

/// Serves a client until it leaves or the node stops.
pub(super) async fn serve(
    connection: &Connection,
    identity: PeerIdentity,
    context: &Context,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let greeted = tokio::select! {
        greeted = timeout(HELLO_TIMEOUT, greet(connection, context)) => greeted,
        () = stop_requested(&mut stop) => return Ok(()),
    };
    let Some((send, receive, reader)) = greeted.map_err(|_| ConnectionError::HelloTimeout)?? else {
        return Ok(());
    };
    let budget = context.budgets.connection(identity);
    let mut session =
        Session { context, budget: &budget, send, out: Vec::new(), charges: Vec::new() };
    let served = tokio::select! {
        served = session.run(receive, reader, &mut stop) => served,
        error = pings::answer(connection) => Err(error),
    };
    match served {
        Ok(()) => session.finish(connection).await,
        // Whoever leaves in the middle of things is no fault of ours.
        Err(
            ConnectionError::Read(ReadError::ConnectionLost(_))
            | ConnectionError::Write(WriteError::ConnectionLost(_)),
        ) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn stop_requested(stop: &mut watch::Receiver<bool>) {
    // A listener that is gone has stopped.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Takes the client's stream and exchanges hellos on it; `None` if the client left.
async fn greet(
    connection: &Connection,
    context: &Context,
) -> Result<Option<(SendStream, RecvStream, FrameReader)>, ConnectionError> {
    let Ok((mut send, mut receive)) = connection.accept_bi().await else { return Ok(None) };
    let mut reader = FrameReader::default();
    reader.limit(HELLO_BYTES_MAX);
    let mut chunk = [0; 256];
    let hello: ClientHello = loop {
        if let Some(frame) = reader.next_frame()? {
            break read_extensible(frame)?;
        }
        match receive.read(&mut chunk).await? {
            Some(bytes) => reader.extend(&chunk[..bytes]),
            None => return Ok(None),
        }
    };
    let welcome = context.welcome();
    let mut out = Vec::new();
    write_frame(&mut out, &welcome)?;
    send.write_all(&out).await?;
    if let Err(mismatch) = protocol::negotiate(&hello, &welcome) {
        // The client finds the same mismatch in the welcome, if it reads that before the close.
        return Err(mismatch.into());
    }
    reader.limit(REQUEST_BYTES_MAX);
    Ok(Some((send, receive, reader)))
}

/// A client that has said hello.
struct Session<'a> {
    context: &'a Context,
    budget: &'a ConnectionBudget<'a>,
    send: SendStream,
    out: Vec<u8>,
    /// What the responses in `out` take up of the budget.
    charges: Vec<Charge<'a>>,
}

/// What a request came to: its id, its size in bytes, and the response.
type Executed<'a> = (u64, usize, Charged<'a>);

impl<'a> Session<'a> {
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
                let executed = context.executor.execute(body, budget);
                in_flight.push(executed.map(move |response| (id, bytes, response)));
            }
            let room = in_flight.len() < requests_max
                && in_flight_bytes < context.config.in_flight_bytes_max;
            if !open && in_flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(executed) = in_flight.next() => {
                    in_flight_bytes -= self.answer(executed)?;
                    while self.out.len() < WRITE_BYTES
                        && let Some(Some(executed)) = in_flight.next().now_or_never()
                    {
                        in_flight_bytes -= self.answer(executed)?;
                    }
                    self.flush().await?;
                }
                () = stop_requested(stop), if open => open = false,
                read = receive.read_chunks(&mut chunks), if open && room => match read? {
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

    /// Adds a response to what is written next. Returns the size of its request.
    fn answer(
        &mut self,
        (id, bytes, (response, charge)): Executed<'a>,
    ) -> Result<usize, FrameError> {
        self.charges.extend(charge);
        match write_frame(&mut self.out, &Response { id, body: response }) {
            Err(error @ FrameError::TooLarge { .. }) => {
                let reason = format!("the answer does not fit: {error}; ask for less at a time");
                let response = ResponseBody::Refused(Refusal::Invalid { reason });
                write_frame(&mut self.out, &Response { id, body: response })?;
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

    /// Lets the client read to the end, then closes.
    async fn finish(&mut self, connection: &Connection) {
        if self.send.finish().is_ok() {
            // A client that takes too long loses the tail: it then does not know the outcome.
            let _ = timeout(FINISH_TIMEOUT, self.send.stopped()).await;
        }
        connection.close(CloseCode::Shutdown.into(), b"the node shuts down");
    }
}
