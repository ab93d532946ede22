//! Starts the tasks that send and receive messages on a connection.

use std::sync::Arc;

use quinn::{RecvStream, SendStream};

use crate::connection_context::ConnectionContext;
use crate::frame::FrameReader;
use crate::peer_connection::PeerConnection;
use crate::snapshot_receiver::accept_snapshots;
use crate::stream_kind::StreamKind;
use crate::stream_reader::{read_new_stream, read_stream};
use crate::stream_writer::{open_stream, write_stream};

/// The control streams of a connection after the hello exchange.
pub(crate) struct ControlStreams {
    pub(crate) outgoing: SendStream,
    pub(crate) incoming: RecvStream,
    /// Contains the bytes of `incoming` that follow the hello and have already arrived.
    pub(crate) frames: FrameReader,
}

/// Starts the tasks that write and read the streams. They end with the connection.
pub(crate) fn start(
    connection: &Arc<PeerConnection>,
    context: &Arc<ConnectionContext>,
    control: ControlStreams,
) {
    let ControlStreams { outgoing, incoming, frames } = control;
    let (task_connection, task_context) = (connection.clone(), context.clone());
    tokio::spawn(async move {
        write_stream(&task_connection, &task_context, StreamKind::Control, outgoing).await;
    });
    let (task_connection, task_context) = (connection.clone(), context.clone());
    tokio::spawn(async move {
        if let Ok(outgoing) = open_stream(&task_connection.quic, StreamKind::Append).await {
            write_stream(&task_connection, &task_context, StreamKind::Append, outgoing).await;
        }
    });
    let (task_connection, task_context) = (connection.clone(), context.clone());
    tokio::spawn(
        async move { read_stream(&task_connection, &task_context, incoming, frames).await },
    );
    tokio::spawn(accept_streams(connection.clone(), context.clone()));
    tokio::spawn(accept_snapshots(connection.clone(), context.clone()));
}

async fn accept_streams(connection: Arc<PeerConnection>, context: Arc<ConnectionContext>) {
    while let Ok(incoming) = connection.quic.accept_uni().await {
        let (connection, context) = (connection.clone(), context.clone());
        tokio::spawn(async move { read_new_stream(&connection, &context, incoming).await });
    }
}
