//! One connection to one node: many requests at a time on one stream, answered in any order.

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
    FrameError, FrameReader, REQUEST_BYTES_MAX, Request, RequestBody, Response, ResponseBody,
    ServerHello, read_message, write_frame_within,
};

/// How many pieces are taken from the stream at a time.
const READ_CHUNKS_MAX: usize = 32;
/// The request id of pings, which are the only requests on their stream.
const PING_ID: u64 = 0;

/// Why a request got no answer on this connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum LinkError {
    /// It never left: asking elsewhere is safe.
    NotSent(String),
    /// The connection ended after the request may have left.
    Lost(String),
    /// It does not fit in a frame.
    Frame(FrameError),
}

/// A connection that said hello, with its tasks.
#[derive(Debug)]
pub(super) struct Link {
    connection: quinn::Connection,
    welcome: ServerHello,
    state: Mutex<State>,
    outgoing_ready: Notify,
    /// Told when the first of several requests begins to wait.
    busy: Notify,
    /// Counts what was read, so that silence shows.
    heard: AtomicU64,
    in_flight: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    waiting: HashMap<u64, oneshot::Sender<ResponseBody>>,
    outgoing: Vec<u8>,
    lost: Option<String>,
}

impl Link {
    /// Starts the tasks on a stream on which both sides have said hello; `reader` holds what came
    /// after the welcome.
    pub(super) fn start(
        connection: quinn::Connection,
        welcome: ServerHello,
        (send, receive): (SendStream, RecvStream),
        reader: FrameReader,
        silence_timeout: Duration,
    ) -> Arc<Self> {
        let link = Arc::new(Self {
            connection,
            state: Mutex::default(),
            outgoing_ready: Notify::new(),
            busy: Notify::new(),
            heard: AtomicU64::new(0),
            in_flight: Semaphore::new(welcome.in_flight_max.max(1) as usize),
            welcome,
        });
        tokio::spawn(write(Arc::clone(&link), send));
        tokio::spawn(read(Arc::clone(&link), receive, reader));
        tokio::spawn(watch_pulse(Arc::clone(&link), silence_timeout));
        link
    }

    /// Whether requests can still be made here.
    pub(super) fn is_up(&self) -> bool {
        self.state().lost.is_none()
    }

    /// What the node said of itself.
    pub(super) const fn welcome(&self) -> &ServerHello {
        &self.welcome
    }

    /// Makes a request. Dropping the future forgets the answer, not the request.
    pub(super) async fn request(&self, body: RequestBody) -> Result<ResponseBody, LinkError> {
        let Ok(_permit) = self.in_flight.acquire().await else {
            return Err(LinkError::NotSent(self.why_lost()));
        };
        let (answer, waiting) = {
            let (sender, answer) = oneshot::channel();
            (answer, self.enqueue(body, sender)?)
        };
        let answered = answer.await;
        drop(waiting);
        answered.map_err(|_| LinkError::Lost(self.why_lost()))
    }

    /// Ends the connection; unanswered requests are lost.
    pub(super) fn close(&self, reason: &str) {
        self.lose(reason.to_owned());
        self.connection.close(0_u32.into(), reason.as_bytes());
    }

    fn enqueue(
        &self,
        body: RequestBody,
        sender: oneshot::Sender<ResponseBody>,
    ) -> Result<Waiting<'_>, LinkError> {
        let mut state = self.state();
        if let Some(reason) = &state.lost {
            return Err(LinkError::NotSent(reason.clone()));
        }
        let id = state.next_id;
        let was_empty = state.outgoing.is_empty();
        write_frame_within(&mut state.outgoing, &Request { id, body }, REQUEST_BYTES_MAX)
            .map_err(LinkError::Frame)?;
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
        Ok(Waiting { link: self, id })
    }

    /// Asks whether the node is alive, on a stream that carries nothing else: pings do not wait
    /// behind requests that the node does not read yet. The response is only counted as heard.
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
            // A stream that cannot take these few bytes now holds more pings than can be counted.
            let _ = send.write_all(&frame).now_or_never();
        }
    }

    fn complete(&self, reply: Response) {
        let waiting = self.state().waiting.remove(&reply.id);
        if let Some(waiting) = waiting {
            // A caller that gave up is no error.
            let _ = waiting.send(reply.body);
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

    fn why_lost(&self) -> String {
        self.state().lost.clone().unwrap_or_else(|| "the connection ended".to_owned())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and every state in between is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait; leaving it is noticed even when the caller is cancelled.
struct Waiting<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.state().waiting.remove(&self.id);
    }
}

async fn write(link: Arc<Link>, mut send: SendStream) {
    loop {
        link.outgoing_ready.notified().await;
        // Whoever else is ready adds a frame first: one write then carries them all.
        tokio::task::yield_now().await;
        let bytes = {
            let mut state = link.state();
            if state.lost.is_some() {
                return;
            }
            std::mem::take(&mut state.outgoing)
        };
        if let Err(error) = send.write_all(&bytes).await {
            link.close(&format!("cannot send: {error}"));
            return;
        }
    }
}

async fn read(link: Arc<Link>, mut receive: RecvStream, mut reader: FrameReader) {
    let mut chunks = [const { Bytes::new() }; READ_CHUNKS_MAX];
    loop {
        loop {
            match reader
                .next_frame()
                .and_then(|frame| frame.map(read_message::<Response>).transpose())
            {
                Ok(Some(reply)) => link.complete(reply),
                Ok(None) => break,
                Err(error) => return link.close(&format!("the node sent a {error}")),
            }
        }
        match receive.read_chunks(&mut chunks).await {
            Ok(Some(filled)) => {
                link.heard.fetch_add(1, Ordering::Relaxed);
                for chunk in &mut chunks[..filled] {
                    reader.extend(&std::mem::take(chunk));
                }
            }
            Ok(None) => return link.close("the node closed the stream"),
            Err(error) => return link.close(&error.to_string()),
        }
    }
}

/// Counts the responses to pings.
async fn read_pings(link: Arc<Link>, mut receive: RecvStream) {
    while let Ok(Some(_)) = receive.read_chunk(usize::MAX, true).await {
        link.heard.fetch_add(1, Ordering::Relaxed);
    }
}

/// Notices a node that owes answers and is silent: QUIC itself takes its time to see that nobody
/// is there any more. A node that is merely slow answers the pings.
async fn watch_pulse(link: Arc<Link>, silence_timeout: Duration) {
    const BEATS: u32 = 4;
    let beat = silence_timeout / BEATS;
    let mut pings = None;
    let mut silent_beats = 0;
    let mut heard_before = link.heard.load(Ordering::Relaxed);
    loop {
        if !link.is_up() {
            return;
        }
        if link.state().waiting.is_empty() {
            silent_beats = 0;
            link.busy.notified().await;
        }
        let began = Instant::now();
        tokio::time::sleep(beat).await;
        // After a beat that ends late, this process itself has not run: what the node has sent
        // since is still to be read, and says more than the silence.
        let late = began.elapsed() > beat + beat / 2;
        let heard = link.heard.load(Ordering::Relaxed);
        if heard != heard_before || link.state().waiting.is_empty() {
            heard_before = heard;
            silent_beats = 0;
            continue;
        }
        if !late {
            silent_beats += 1;
        }
        if silent_beats >= BEATS {
            return link.close("the node is silent");
        }
        link.ping(&mut pings);
    }
}
