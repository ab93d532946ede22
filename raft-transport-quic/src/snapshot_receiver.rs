//! Receives the data of snapshots from a peer.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use raft_core::NodeId;
use raft_core::ports::{Inbox, SnapshotOffer, SnapshotRefusal, SnapshotResponse};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::close::CloseCode;
use crate::connection_context::ConnectionContext;
use crate::frame::FrameReader;
use crate::hello::SNAPSHOT_STREAMS;
use crate::metrics::{add, increment};
use crate::peer_connection::PeerConnection;
use crate::snapshot_frames::{
    CHUNK_BYTES_MAX, CHUNK_HEADER_BYTES, ChunkError, OFFER_BYTES_MAX, ResponseFrame, SNAPSHOT_TAG,
    read_chunk, read_offer,
};
use crate::violation::{Violation, check_envelope, close_violated};

/// Accepts the streams of snapshots until the connection is closed. QUIC limits their number.
pub(crate) async fn accept_snapshots(
    connection: Arc<PeerConnection>,
    context: Arc<ConnectionContext>,
) {
    while let Ok((outgoing, incoming)) = connection.quic.accept_bi().await {
        let (connection, context) = (connection.clone(), context.clone());
        let running = context.transfers.begin();
        tokio::spawn(async move {
            let transfer = Transfer { connection: &connection, context: &context, outgoing };
            if let Err(violation) = transfer.receive(incoming).await {
                close_violated(&connection, &context, &violation);
            }
            drop(running);
        });
    }
}

/// One stream of a snapshot.
struct Transfer<'a> {
    connection: &'a PeerConnection,
    context: &'a ConnectionContext,
    /// Takes the responses.
    outgoing: SendStream,
}

impl Transfer<'_> {
    async fn receive(mut self, incoming: RecvStream) -> Result<(), Violation> {
        let mut incoming = Incoming { stream: incoming, frames: FrameReader::new(OFFER_BYTES_MAX) };
        let Some(offer) = self.receive_offer(&mut incoming).await? else { return Ok(()) };
        // A peer has one transfer at a time. An earlier one ends once its data is no longer being
        // written; its stream is reset already, or its connection is closed.
        let context = self.context;
        let _turn = tokio::select! {
            turn = context.peer_transfers.receiving_turn() => turn,
            _ = self.connection.quic.closed() => return Ok(()),
        };
        // A stream that was accepted before a shutdown: its host is no longer called.
        if self.connection.quic.close_reason().is_some() {
            return Ok(());
        }
        let Ok(_permit) = self.context.incoming_snapshots.clone().try_acquire_owned() else {
            self.respond(ResponseFrame::Refused(SnapshotRefusal::Busy)).await;
            return Ok(());
        };
        let size_bytes = offer.size_bytes;
        let (mut writer, response) = Writer::start(self.context, offer);
        let offset = match response.await {
            Ok(ResponseFrame::Receive { offset }) => offset,
            Ok(response) => {
                self.respond(response).await;
                return Ok(());
            }
            Err(_) => {
                let refusal = writer.end().await;
                self.respond(refusal).await;
                return Ok(());
            }
        };
        if offset > size_bytes {
            let reason = format!("it requested the data from offset {offset} of {size_bytes}");
            self.respond(ResponseFrame::Refused(SnapshotRefusal::Failed(reason))).await;
            return Ok(());
        }
        self.respond(ResponseFrame::Receive { offset }).await;
        let end = self.receive_data(&mut incoming, &mut writer, offset, size_bytes).await;
        if !matches!(end, Ok(End::Complete)) {
            drop(writer.chunks.take());
        }
        // The turn is kept until the host no longer writes.
        let response = writer.end().await;
        let last = match end? {
            End::Complete | End::WriterEnded => response,
            End::Corrupt { offset } => {
                let reason = format!("the checksum of the chunk at offset {offset} is wrong");
                tracing::error!(
                    node = %self.context.own, peer = %self.context.peer,
                    "refused the data of a snapshot: {reason}"
                );
                ResponseFrame::Refused(SnapshotRefusal::Corrupt(reason))
            }
            End::Broken => return Ok(()),
        };
        self.respond(last).await;
        Ok(())
    }

    /// Reads the tag and the offer. `None` if the stream ends before.
    async fn receive_offer(
        &mut self,
        incoming: &mut Incoming,
    ) -> Result<Option<SnapshotOffer>, Violation> {
        let mut tag = [0];
        if incoming.stream.read_exact(&mut tag).await.is_err() {
            return Ok(None);
        }
        if tag[0] != SNAPSHOT_TAG && self.context.peer_is_newer {
            increment(&self.context.metrics.skipped_streams);
            // Fails only if the peer has reset the stream.
            let _ = incoming.stream.stop(CloseCode::Protocol.into());
            return Ok(None);
        }
        if tag[0] != SNAPSHOT_TAG || self.connection.version < SNAPSHOT_STREAMS {
            let reason = format!("a bidirectional stream of the unknown kind {}", tag[0]);
            return Err(Violation::protocol(reason));
        }
        let Some(frame) = incoming.next_frame().await? else { return Ok(None) };
        let offer = read_offer(frame).map_err(|error| Violation {
            code: CloseCode::Malformed,
            reason: format!("a malformed offer of a snapshot: {error}"),
        })?;
        check_envelope(self.context, &offer.message)?;
        Ok(Some(offer))
    }

    /// Passes the data to the writer.
    async fn receive_data(
        &self,
        incoming: &mut Incoming,
        writer: &mut Writer,
        mut at: u64,
        size_bytes: u64,
    ) -> Result<End, Violation> {
        incoming.frames.set_bytes_max(CHUNK_BYTES_MAX as usize + CHUNK_HEADER_BYTES);
        while at < size_bytes {
            let stalled_after = self.context.snapshot_stall_timeout;
            let Ok(frame) = timeout(stalled_after, incoming.next_frame()).await else {
                tracing::warn!(
                    node = %self.context.own, peer = %self.context.peer, offset = at,
                    "gave up the transfer of a snapshot: no data arrived in time"
                );
                return Ok(End::Broken);
            };
            let Some(frame) = frame? else { return Ok(End::Broken) };
            let chunk = match read_chunk(frame) {
                Ok(chunk) => chunk,
                Err(ChunkError::Checksum { .. }) => return Ok(End::Corrupt { offset: at }),
                Err(ChunkError::Short) => {
                    return Err(Violation::protocol("a chunk without data".to_owned()));
                }
            };
            let bytes = chunk.data.len() as u64;
            if chunk.offset != at || bytes > size_bytes - at {
                let reason = format!("a chunk of {bytes} bytes at {} follows {at}", chunk.offset);
                return Err(Violation::protocol(reason));
            }
            if !writer.write(chunk.data).await {
                return Ok(End::WriterEnded);
            }
            add(&self.context.metrics.snapshot_bytes_received, bytes);
            at += bytes;
        }
        Ok(if writer.complete().await { End::Complete } else { End::WriterEnded })
    }

    async fn respond(&mut self, response: ResponseFrame) {
        let mut buffer = Vec::new();
        response.write(&mut buffer);
        // Fails only if the peer or the connection has ended the transfer, or if the peer permits
        // no data on the stream: it must not keep the permission of an incoming transfer.
        let _ =
            timeout(self.context.snapshot_stall_timeout, self.outgoing.write_all(&buffer)).await;
    }
}

/// How the data of a transfer ended.
enum End {
    /// All of it was passed to the writer.
    Complete,
    /// The host refused it.
    WriterEnded,
    Corrupt {
        offset: u64,
    },
    /// The peer cancelled the transfer, or the connection was lost.
    Broken,
}

/// The frames of the peer.
struct Incoming {
    stream: RecvStream,
    frames: FrameReader,
}

impl Incoming {
    /// Reads the next frame; `None` if the stream ends or is reset.
    async fn next_frame(&mut self) -> Result<Option<Bytes>, Violation> {
        loop {
            let frame = self.frames.next_frame().map_err(|error| Violation {
                code: CloseCode::FrameTooLarge,
                reason: error.to_string(),
            })?;
            if frame.is_some() {
                return Ok(frame);
            }
            match self.stream.read_chunk(READ_BYTES_MAX, true).await {
                Ok(Some(chunk)) => self.frames.push(chunk.bytes),
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }
}

/// Passes data to the host on a thread that may block.
struct Writer {
    /// `None` once no more data is passed.
    chunks: Option<mpsc::Sender<Part>>,
    thread: JoinHandle<Result<(), SnapshotRefusal>>,
}

/// What the thread of a writer receives.
enum Part {
    Chunk(Bytes),
    /// All data has been passed.
    End,
}

impl Writer {
    /// Starts the thread, which passes the offer to the host. The second value is the response, or
    /// an error if the host panicked.
    fn start(
        context: &ConnectionContext,
        offer: SnapshotOffer,
    ) -> (Self, oneshot::Receiver<ResponseFrame>) {
        let (chunks, received) = mpsc::channel(CHUNKS_AHEAD);
        let (respond, response) = oneshot::channel();
        let (inbox, peer) = (context.inbox.clone(), context.peer);
        let thread =
            spawn_blocking(move || write_data(inbox.as_ref(), peer, &offer, respond, received));
        (Self { chunks: Some(chunks), thread }, response)
    }

    /// Passes a chunk. Waits while [`CHUNKS_AHEAD`] chunks wait for the host. Returns false if the
    /// host has refused the data.
    async fn write(&mut self, data: Bytes) -> bool {
        self.pass(Part::Chunk(data)).await
    }

    async fn complete(&mut self) -> bool {
        self.pass(Part::End).await
    }

    async fn pass(&mut self, part: Part) -> bool {
        match &self.chunks {
            Some(chunks) => chunks.send(part).await.is_ok(),
            None => false,
        }
    }

    /// Waits for the thread. Returns the last response to the peer.
    async fn end(self) -> ResponseFrame {
        let Self { chunks, thread } = self;
        drop(chunks);
        match thread.await {
            Ok(Ok(())) => ResponseFrame::Complete,
            Ok(Err(refusal)) => ResponseFrame::Refused(refusal),
            Err(_) => {
                let reason = "the host panicked".to_owned();
                ResponseFrame::Refused(SnapshotRefusal::Failed(reason))
            }
        }
    }
}

/// Offers the snapshot to the host and passes the data that follows. Blocks.
fn write_data(
    inbox: &dyn Inbox,
    peer: NodeId,
    offer: &SnapshotOffer,
    respond: oneshot::Sender<ResponseFrame>,
    mut parts: mpsc::Receiver<Part>,
) -> Result<(), SnapshotRefusal> {
    // The task that waits for the response is never aborted; it may end with the runtime.
    let (mut at, mut into) = match inbox.snapshot_offered(peer, offer) {
        SnapshotResponse::Receive { offset, into } => {
            let _ = respond.send(ResponseFrame::Receive { offset });
            (offset, into)
        }
        SnapshotResponse::Complete => {
            let _ = respond.send(ResponseFrame::Complete);
            return Ok(());
        }
        SnapshotResponse::Refuse(refusal) => {
            let _ = respond.send(ResponseFrame::Refused(refusal));
            return Ok(());
        }
    };
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Chunk(data) => {
                into.write_at(at, &data)?;
                at += data.len() as u64;
            }
            Part::End => return into.finish(),
        }
    }
    Err(SnapshotRefusal::Failed("the transfer was broken".to_owned()))
}

/// The chunks that wait for the host. One more is being written, and one is being received.
const CHUNKS_AHEAD: usize = 2;
/// The most bytes that one read takes from QUIC.
const READ_BYTES_MAX: usize = 256 * 1024;
