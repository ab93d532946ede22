//! Responds to pings on a stream of their own.
//!
//! The stream of requests is not read while too many requests are in flight. A ping on that stream
//! would wait for the disk, and the client would treat a slow node as unreachable.

use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};

use super::error::ConnectionError;
use crate::kv::protocol::{
    FrameReader, Request, RequestBody, Response, ResponseBody, read_message, write_frame,
};

/// The largest frame on this stream.
const PING_BYTES_MAX: usize = 16;
/// How much one read takes from the stream.
const READ_BYTES: usize = 1 << 10;

/// Responds to the pings of a connection, on one stream after another. Returns only when the client
/// violates the protocol; the stream of requests detects the end of the connection.
pub(super) async fn respond(connection: &Connection) -> ConnectionError {
    while let Ok((send, receive)) = connection.accept_bi().await {
        match respond_on_stream(send, receive).await {
            Ok(())
            | Err(
                ConnectionError::Read(ReadError::Reset(_) | ReadError::ConnectionLost(_))
                | ConnectionError::Write(WriteError::Stopped(_) | WriteError::ConnectionLost(_)),
            ) => {}
            Err(error) => return error,
        }
    }
    std::future::pending().await
}

async fn respond_on_stream(
    mut send: SendStream,
    mut receive: RecvStream,
) -> Result<(), ConnectionError> {
    let mut reader = FrameReader::default();
    reader.limit(PING_BYTES_MAX);
    let mut out = Vec::new();
    while let Some(chunk) = receive.read_chunk(READ_BYTES, true).await? {
        reader.extend(&chunk.bytes);
        while let Some(frame) = reader.next_frame()? {
            write_response(&mut out, frame)?;
        }
        send.write_all(&out).await?;
        out.clear();
    }
    Ok(())
}

fn write_response(out: &mut Vec<u8>, frame: &[u8]) -> Result<(), ConnectionError> {
    let Request { id, body } = read_message(frame)?;
    if body != RequestBody::Ping {
        return Err(ConnectionError::NotAPing);
    }
    Ok(write_frame(out, &Response { id, body: ResponseBody::Pong, leader: None })?)
}
