//! Frames of the client protocol: each contains one message, encoded with postcard.
//!
//! The format of the frames is the one of `raft-transport-quic`.

use bytes::Bytes;
use raft_transport_quic::FrameTooLarge;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest frame in bytes: a response.
pub const FRAME_BYTES_MAX: usize = 8 << 20;

/// The largest frame in bytes that a node accepts. Commands are smaller, and a node buffers one
/// incomplete frame for each connection.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;

/// The largest frame in bytes that a node accepts before the hello of the client.
pub(in crate::kv) const HELLO_BYTES_MAX: usize = 1 << 10;

/// Why bytes are not a frame, or a frame does not contain a message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// The frame exceeds the limit. No memory was allocated for it.
    #[error(transparent)]
    TooLarge(#[from] FrameTooLarge),
    /// The content is not a message of the expected type.
    #[error("malformed frame: {0}")]
    Malformed(String),
    /// The message ends before its frame does.
    #[error("malformed frame: {0} bytes follow the message")]
    TrailingBytes(usize),
}

/// Reads frames from a byte stream.
///
/// It copies the received bytes. Those that are not read yet while too many requests are in flight
/// thus occupy no packet buffers of QUIC, which may be much larger.
#[derive(Debug)]
pub struct FrameReader {
    frames: raft_transport_quic::FrameReader,
    /// The frame that [`FrameReader::next_frame`] has returned.
    frame: Bytes,
}

impl Default for FrameReader {
    /// Creates a reader of frames up to [`FRAME_BYTES_MAX`].
    fn default() -> Self {
        Self { frames: raft_transport_quic::FrameReader::new(FRAME_BYTES_MAX), frame: Bytes::new() }
    }
}

impl FrameReader {
    /// Changes the limit. It applies to frames whose length has not been read yet.
    pub const fn limit(&mut self, bytes_max: usize) {
        self.frames.set_bytes_max(bytes_max);
    }

    /// Appends received bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.frames.push(Bytes::copy_from_slice(bytes));
    }

    /// Returns the content of the next frame; `None` if it has not been received completely.
    ///
    /// # Errors
    /// When its length exceeds the limit. The stream cannot be read any further.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        // An idle connection keeps no memory of its last frame.
        self.frame = Bytes::new();
        let Some(frame) = self.frames.next_frame()? else { return Ok(None) };
        self.frame = frame;
        Ok(Some(&self.frame))
    }
}

/// Appends a message as a frame.
///
/// # Errors
/// When it is larger than [`FRAME_BYTES_MAX`]. `out` is unchanged then.
pub fn write_frame<M: Serialize>(out: &mut Vec<u8>, message: &M) -> Result<(), FrameError> {
    write_frame_within(out, message, FRAME_BYTES_MAX)
}

/// As [`write_frame`], with another limit.
pub(in crate::kv) fn write_frame_within<M: Serialize>(
    out: &mut Vec<u8>,
    message: &M,
    bytes_max: usize,
) -> Result<(), FrameError> {
    raft_transport_quic::write_frame(out, bytes_max, |out| {
        // Appending in place saves a buffer for the message.
        postcard::serialize_with_flavor(message, Appender(out))
            .map_err(|error| FrameError::Malformed(error.to_string()))
    })
}

/// Decodes the message that is the content of a frame.
///
/// # Errors
/// When the content is not such a message, or bytes follow it.
pub fn read_message<M: DeserializeOwned>(content: &[u8]) -> Result<M, FrameError> {
    let (message, rest) = postcard::take_from_bytes(content)
        .map_err(|error| FrameError::Malformed(error.to_string()))?;
    if rest.is_empty() { Ok(message) } else { Err(FrameError::TrailingBytes(rest.len())) }
}

/// Decodes the message at the beginning of a frame's content and ignores the bytes that follow it:
/// later versions may append fields to a hello.
///
/// # Errors
/// When the content does not begin with such a message.
pub fn read_extensible<M: DeserializeOwned>(content: &[u8]) -> Result<M, FrameError> {
    match postcard::take_from_bytes(content) {
        Ok((message, _)) => Ok(message),
        Err(error) => Err(FrameError::Malformed(error.to_string())),
    }
}

/// Appends to a vector without discarding its content.
struct Appender<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appender<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
