//! Sends the data of snapshots to peers, each on a stream of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use quinn::{RecvStream, SendStream, WriteError};
use raft_core::Timestamp;
use raft_core::ports::{
    OutgoingSnapshot, RateLimit, SnapshotOffer, SnapshotOutcome, SnapshotTransfer,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

use crate::close::describe_close;
use crate::frame::FrameReader;
use crate::hello::SNAPSHOT_STREAMS;
use crate::metrics::add;
use crate::peer::Peer;
use crate::peer_connection::PeerConnection;
use crate::shared::Shared;
use crate::snapshot_frames::{RESPONSE_BYTES_MAX, ResponseFrame, chunk_frame, write_offer};

/// Starts a transfer to a peer. An earlier transfer to the same peer is cancelled.
pub(crate) fn start(shared: &Arc<Shared>, peer: &Arc<Peer>, transfer: SnapshotTransfer) {
    let (cancel, cancelled) = oneshot::channel();
    peer.snapshots.begin_sending(cancel);
    let running = shared.transfers.begin();
    let (shared, peer) = (shared.clone(), peer.clone());
    shared.runtime.clone().spawn(async move {
        let chunk_bytes = transfer.chunk_bytes(shared.config.snapshot_chunk_bytes);
        let SnapshotTransfer { offer, data, bytes_per_second_max } = transfer;
        let mut reader = Reader { data: Some(data), thread: None };
        let mut sender = Sender {
            shared: &shared,
            peer: &peer,
            chunk_bytes,
            rate: bytes_per_second_max.map(RateLimit::new),
            reader: &mut reader,
            offset: 0,
        };
        let outcome = tokio::select! {
            biased;
            // The channel is closed when another transfer to this peer begins.
            _ = cancelled => SnapshotOutcome::Cancelled,
            outcome = sender.send(&offer) => outcome,
        };
        tracing::info!(
            node = %shared.config.node, peer = %peer.node, last = %offer.last,
            size_bytes = offer.size_bytes, "the transfer of a snapshot has ended: {outcome}"
        );
        reader.end(outcome).await;
        drop(running);
    });
}

/// A transfer in progress.
struct Sender<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    chunk_bytes: u32,
    rate: Option<RateLimit>,
    reader: &'a mut Reader,
    /// The end of the data that was passed to QUIC.
    offset: u64,
}

impl Sender<'_> {
    async fn send(&mut self, offer: &SnapshotOffer) -> SnapshotOutcome {
        // The stream of an earlier transfer to this peer is reset.
        let _turn = self.peer.snapshots.sending_turn().await;
        let Some(connection) = self.peer.connection() else {
            return self.broken("no connection to the peer is in use");
        };
        if connection.version < SNAPSHOT_STREAMS {
            return SnapshotOutcome::Unsupported;
        }
        match self.send_on(&connection, offer).await {
            Ok(outcome) => outcome,
            Err(reason) => match connection.quic.close_reason() {
                Some(close) => self.broken(&describe_close(&close)),
                None => self.broken(&reason),
            },
        }
    }

    async fn send_on(
        &mut self,
        connection: &PeerConnection,
        offer: &SnapshotOffer,
    ) -> Result<SnapshotOutcome, String> {
        let opened = timeout(self.shared.config.handshake_timeout, connection.quic.open_bi());
        let (outgoing, incoming) = opened
            .await
            .map_err(|_| "the peer permits no stream for the snapshot".to_owned())?
            .map_err(|close| describe_close(&close))?;
        let mut outgoing = ResetOnDrop(outgoing);
        let mut responses = Responses::new(incoming);
        outgoing.0.set_priority(PRIORITY).map_err(|error| error.to_string())?;
        let mut begin = Vec::new();
        write_offer(offer, &mut begin).map_err(|error| error.to_string())?;
        // A peer that stops the stream has responded, or has given the connection up.
        let _ = outgoing.0.write_all(&begin).await;
        match responses.next().await? {
            ResponseFrame::Complete => Ok(SnapshotOutcome::Accepted),
            ResponseFrame::Refused(refusal) => Ok(SnapshotOutcome::Refused(refusal)),
            ResponseFrame::Receive { offset } if offset > offer.size_bytes => {
                Err(format!("the peer requested the data from offset {offset}"))
            }
            ResponseFrame::Receive { offset } => {
                self.offset = offset;
                self.send_data(&mut outgoing.0, &mut responses, offer.size_bytes).await
            }
        }
    }

    /// Sends the data from the current offset on. Returns the second response of the peer.
    async fn send_data(
        &mut self,
        outgoing: &mut SendStream,
        responses: &mut Responses,
        size_bytes: u64,
    ) -> Result<SnapshotOutcome, String> {
        let chunks = self.reader.start(self.offset, size_bytes, self.chunk_bytes);
        let response = tokio::select! {
            biased;
            // The peer refuses the data before it has all of it.
            response = responses.next() => response?,
            written = self.write_chunks(outgoing, chunks) => {
                written?;
                responses.next().await?
            }
        };
        match response {
            ResponseFrame::Complete if self.offset == size_bytes => Ok(SnapshotOutcome::Accepted),
            ResponseFrame::Refused(refusal) => Ok(SnapshotOutcome::Refused(refusal)),
            ResponseFrame::Complete | ResponseFrame::Receive { .. } => {
                Err("the peer sent an unexpected response".to_owned())
            }
        }
    }

    async fn write_chunks(
        &mut self,
        outgoing: &mut SendStream,
        mut chunks: mpsc::Receiver<Result<(Bytes, u32), String>>,
    ) -> Result<(), String> {
        let started = Instant::now();
        while let Some(chunk) = chunks.recv().await {
            let (frame, data_bytes) = chunk?;
            if let Some(rate) = &mut self.rate {
                let now = Timestamp(0).after(started.elapsed());
                let wait = rate.reserve(now, u64::from(data_bytes));
                if !wait.is_zero() {
                    sleep(wait).await;
                }
            }
            match outgoing.write_chunk(frame).await {
                Ok(()) => {}
                // The reason is in the peer's response.
                Err(WriteError::Stopped(_)) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
            self.offset += u64::from(data_bytes);
            add(&self.peer.metrics.snapshot_bytes_sent, u64::from(data_bytes));
        }
        // Fails only if the peer has stopped the stream.
        let _ = outgoing.finish();
        Ok(())
    }

    fn broken(&self, reason: &str) -> SnapshotOutcome {
        SnapshotOutcome::Broken { offset: self.offset, reason: reason.to_owned() }
    }
}

/// Resets the stream of a transfer that has not ended. Dropping a stream of quinn would finish it,
/// as if the data were complete. After the last response of the peer a reset has no effect.
struct ResetOnDrop(SendStream);

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        // Fails only if the stream is closed.
        let _ = self.0.reset(CANCELLED.into());
    }
}

/// The responses of the peer.
struct Responses {
    incoming: RecvStream,
    frames: FrameReader,
}

impl Responses {
    fn new(incoming: RecvStream) -> Self {
        Self { incoming, frames: FrameReader::new(RESPONSE_BYTES_MAX) }
    }

    /// Reads the next response. Cancelling it loses no data.
    async fn next(&mut self) -> Result<ResponseFrame, String> {
        loop {
            if let Some(frame) = self.frames.next_frame().map_err(|error| error.to_string())? {
                let response = ResponseFrame::read(frame);
                return response.ok_or_else(|| "the peer sent no valid response".to_owned());
            }
            let read = self.incoming.read_chunk(RESPONSE_BYTES_MAX, true).await;
            match read.map_err(|error| error.to_string())? {
                Some(chunk) => self.frames.push(chunk.bytes),
                None => return Err("the peer ended the transfer without a reason".to_owned()),
            }
        }
    }
}

/// Reads the data on a thread that may block.
struct Reader {
    /// The data while no thread reads it.
    data: Option<Box<dyn OutgoingSnapshot>>,
    thread: Option<JoinHandle<Box<dyn OutgoingSnapshot>>>,
}

impl Reader {
    /// Starts the thread, which reads at most [`CHUNKS_AHEAD`] chunks ahead. It ends with the data,
    /// with an error, or when the receiver is dropped. Must be called once.
    fn start(
        &mut self,
        offset: u64,
        size_bytes: u64,
        chunk_bytes: u32,
    ) -> mpsc::Receiver<Result<(Bytes, u32), String>> {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let mut data = self.data.take().expect("the thread is started once");
        self.thread = Some(spawn_blocking(move || {
            let mut at = offset;
            while at < size_bytes {
                let bytes = u64::from(chunk_bytes).min(size_bytes - at);
                let bytes = u32::try_from(bytes).unwrap_or(chunk_bytes);
                let chunk = read_chunk(data.as_mut(), at, bytes);
                let is_last = chunk.is_err();
                if sender.blocking_send(chunk).is_err() || is_last {
                    break;
                }
                at += u64::from(bytes);
            }
            data
        }));
        receiver
    }

    /// Waits for the thread and reports the outcome to the host.
    async fn end(mut self, outcome: SnapshotOutcome) {
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and it is never aborted.
            self.data = thread.await.ok();
        }
        if let Some(data) = self.data {
            data.ended(outcome);
        }
    }
}

/// Reads one chunk. A panic of the host counts as an error: the transfer must end with a report.
fn read_chunk(
    data: &mut dyn OutgoingSnapshot,
    offset: u64,
    bytes: u32,
) -> Result<(Bytes, u32), String> {
    let read = || chunk_frame(offset, bytes, |buffer| data.read_at(offset, buffer));
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(frame)) => Ok((frame, bytes)),
        Ok(Err(failure)) => Err(format!("the data cannot be read: {failure}")),
        Err(_) => Err("the data cannot be read: the host panicked".to_owned()),
    }
}

/// The chunks that wait for the stream. One more is being read, and one is being written.
const CHUNKS_AHEAD: usize = 2;
/// Below the priorities of the streams of messages.
const PRIORITY: i32 = 0;
/// The code of a stream that is reset because its transfer was cancelled or is broken.
const CANCELLED: u32 = 0;
