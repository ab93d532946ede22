//! One connection to one node: many requests in flight on one stream; responses arrive in any
//! order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use quinn::{RecvStream, SendStream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;

use crate::kv::protocol::{
    FrameError, FrameReader, REQUEST_BYTES_MAX, Request, RequestBody, Response, ServerHello,
    read_message, write_frame_within,
};

/// How many chunks one read takes from the stream.
const READ_CHUNKS_MAX: usize = 32;
/// The request id of pings. They are the only requests on their stream.
const PING_ID: u64 = 0;

/// Why a request has no response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum RequestError {
    /// It was not sent: a retry at another node is safe.
    NotSent(String),
    /// The connection was lost after the request may have been sent.
    Lost(String),
    /// It does not fit in a frame.
    Frame(FrameError),
}

/// A connection after the hello exchange, with its tasks.
#[derive(Debug)]
pub(super) struct NodeConnection {
    connection: quinn::Connection,
    server_hello: ServerHello,
    state: Mutex<State>,
    outgoing_ready: Notify,
    /// Notified when a request is sent while no other waits for a response.
    busy: Notify,
    /// Counts the reads that returned data.
    received: AtomicU64,
    in_flight: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Response>>,
    outgoing: Vec<u8>,
    lost: Option<String>,
}

impl NodeConnection {
    /// Starts the tasks of a connection after the hello exchange. `reader` contains the bytes that
    /// followed the hello of the node.
    pub(super) fn start(
        connection: quinn::Connection,
        server_hello: ServerHello,
        (send, receive): (SendStream, RecvStream),
        reader: FrameReader,
        silence_timeout: Duration,
    ) -> Arc<Self> {
        let connection = Arc::new(Self {
            connection,
            state: Mutex::default(),
            outgoing_ready: Notify::new(),
            busy: Notify::new(),
            received: AtomicU64::new(0),
            in_flight: Semaphore::new(server_hello.in_flight_max.max(1) as usize),
            server_hello,
        });
        tokio::spawn(write(Arc::clone(&connection), send));
        tokio::spawn(read(Arc::clone(&connection), receive, reader));
        tokio::spawn(watch_liveness(Arc::clone(&connection), silence_timeout));
        connection
    }

    /// Whether the connection is usable.
    pub(super) fn is_open(&self) -> bool {
        self.state().lost.is_none()
    }

    /// The hello of the node.
    pub(super) const fn server_hello(&self) -> &ServerHello {
        &self.server_hello
    }

    /// Sends a request and waits for its response. If the future is dropped, the response is
    /// discarded; the request may still take effect.
    pub(super) async fn request(&self, body: RequestBody) -> Result<Response, RequestError> {
        let Ok(_permit) = self.in_flight.acquire().await else {
            return Err(RequestError::NotSent(self.loss_reason()));
        };
        let (response, pending) = {
            let (sender, response) = oneshot::channel();
            (response, self.enqueue(body, sender)?)
        };
        let received = response.await;
        drop(pending);
        received.map_err(|_| RequestError::Lost(self.loss_reason()))
    }

    /// Closes the connection; the responses to requests in flight are lost.
    pub(super) fn close(&self, reason: &str) {
        self.lose(reason.to_owned());
        self.connection.close(0_u32.into(), reason.as_bytes());
    }

    fn enqueue(
        &self,
        body: RequestBody,
        sender: oneshot::Sender<Response>,
    ) -> Result<PendingResponse<'_>, RequestError> {
        let mut state = self.state();
        if let Some(reason) = &state.lost {
            return Err(RequestError::NotSent(reason.clone()));
        }
        let id = state.next_id;
        let was_empty = state.outgoing.is_empty();
        write_frame_within(&mut state.outgoing, &Request { id, body }, REQUEST_BYTES_MAX)
            .map_err(RequestError::Frame)?;
        state.next_id += 1;
        let was_idle = state.waiting.is_empty();
        state.waiting.insert(id, sender);
        drop(state);
        if was_empty {
            self.outgoing_ready.notify_one();
        }
        if was_idle {
            self.busy.notify_one();
        }
        Ok(PendingResponse { connection: self, id })
    }

    /// Sends a ping on a stream of its own: pings do not wait behind requests that the node has not
    /// read yet. Its response only counts as received data.
    fn ping(self: &Arc<Self>, pings: &mut Option<SendStream>) {
        if pings.is_none()
            && let Some(Ok((send, receive))) = self.connection.open_bi().now_or_never()
        {
            tokio::spawn(read_pings(Arc::clone(self), receive));
            *pings = Some(send);
        }
        let mut frame = Vec::new();
        let request = Request { id: PING_ID, body: RequestBody::Ping };
        if let Some(send) = pings
            && write_frame_within(&mut frame, &request, REQUEST_BYTES_MAX).is_ok()
        {
            // A stream that has no space for these bytes already contains unread pings.
            let _ = send.write_all(&frame).now_or_never();
        }
    }

    fn complete(&self, response: Response) {
        let waiting = self.state().waiting.remove(&response.id);
        if let Some(waiting) = waiting {
            // The caller may have been cancelled.
            let _ = waiting.send(response);
        }
    }

    fn lose(&self, reason: String) {
        let waiting = {
            let mut state = self.state();
            if state.lost.is_none() {
                let address = self.connection.remote_address();
                tracing::debug!(%address, reason, "connection lost");
                state.lost = Some(reason);
            }
            std::mem::take(&mut state.waiting)
        };
        self.in_flight.close();
        self.outgoing_ready.notify_one();
        self.busy.notify_one();
        drop(waiting);
    }

    fn loss_reason(&self) -> String {
        self.state().lost.clone().unwrap_or_else(|| "the connection was closed".to_owned())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and every intermediate state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a request in flight; removed when the caller is cancelled as well.
struct PendingResponse<'a> {
    connection: &'a NodeConnection,
    id: u64,
}

impl Drop for PendingResponse<'_> {
    fn drop(&mut self) {
        self.connection.state().waiting.remove(&self.id);
    }
}

async fn write(connection: Arc<NodeConnection>, mut send: SendStream) {
    loop {
        connection.outgoing_ready.notified().await;
        // Other callers that are ready add their frames first: one write then sends them all.
        tokio::task::yield_now().await;
        let bytes = {
            let mut state = connection.state();
            if state.lost.is_some() {
                return;
            }
            std::mem::take(&mut state.outgoing)
        };
        if let Err(error) = send.write_all(&bytes).await {
            connection.close(&format!("cannot send: {error}"));
            return;
        }
    }
}

async fn read(connection: Arc<NodeConnection>, mut receive: RecvStream, mut reader: FrameReader) {
    let mut chunks = [const { Bytes::new() }; READ_CHUNKS_MAX];
    loop {
        loop {
            match reader
                .next_frame()
                .and_then(|frame| frame.map(read_message::<Response>).transpose())
            {
                Ok(Some(response)) => connection.complete(response),
                Ok(None) => break,
                Err(error) => {
                    return connection.close(&format!("invalid data from the node: {error}"));
                }
            }
        }
        match receive.read_chunks(&mut chunks).await {
            Ok(Some(filled)) => {
                connection.received.fetch_add(1, Ordering::Relaxed);
                for chunk in &mut chunks[..filled] {
                    reader.extend(&std::mem::take(chunk));
                }
            }
            Ok(None) => return connection.close("the node closed the stream"),
            Err(error) => return connection.close(&error.to_string()),
        }
    }
}

/// Reads the responses to pings.
async fn read_pings(connection: Arc<NodeConnection>, mut receive: RecvStream) {
    while let Ok(Some(_)) = receive.read_chunk(usize::MAX, true).await {
        connection.received.fetch_add(1, Ordering::Relaxed);
    }
}

/// Closes the connection if responses are outstanding and nothing is received from the node. QUIC
/// detects that only after its longer idle timeout. A node that is only slow responds to pings.
async fn watch_liveness(connection: Arc<NodeConnection>, silence_timeout: Duration) {
    const INTERVALS: u32 = 4;
    let interval = silence_timeout / INTERVALS;
    let mut pings = None;
    let mut silent_intervals = 0;
    let mut received_before = connection.received.load(Ordering::Relaxed);
    loop {
        if !connection.is_open() {
            return;
        }
        if connection.state().waiting.is_empty() {
            silent_intervals = 0;
            connection.busy.notified().await;
        }
        let began = Instant::now();
        tokio::time::sleep(interval).await;
        // If the interval ends late, this process itself did not run: data from the node may be
        // waiting to be read. Such an interval does not count.
        let late = began.elapsed() > interval + interval / 2;
        let received = connection.received.load(Ordering::Relaxed);
        if received != received_before || connection.state().waiting.is_empty() {
            received_before = received;
            silent_intervals = 0;
            continue;
        }
        if !late {
            silent_intervals += 1;
        }
        if silent_intervals >= INTERVALS {
            return connection.close("nothing was received from the node in time");
        }
        connection.ping(&mut pings);
    }
}
