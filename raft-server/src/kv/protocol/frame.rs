//! Frames: a length of four bytes, big-endian, then that many bytes of postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest frame there is: an answer.
pub const FRAME_BYTES_MAX: usize = 8 << 20;

/// The largest frame that a node accepts: no command may be that large, and a node holds one
/// unfinished frame for each connection.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;

/// The largest frame that a node accepts from a client that has not said hello yet.
pub(in crate::kv) const HELLO_BYTES_MAX: usize = 1 << 10;

const LENGTH_BYTES: usize = 4;

/// How much room a reader keeps between frames.
const IDLE_BYTES_MAX: usize = 32 << 10;

/// Why bytes are no frame, or a frame is no message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// The length in front says more than is allowed; nothing was allocated for it.
    #[error("a frame of {bytes} bytes is larger than the {bytes_max} that are allowed")]
    TooLarge {
        /// What the frame weighs.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// The bytes do not spell the message that is due.
    #[error("malformed frame: {0}")]
    Malformed(String),
    /// The message ends before its frame does.
    #[error("malformed frame: {0} bytes follow the message")]
    TrailingBytes(usize),
}

/// Cuts a stream of bytes into frames. Holds one frame and one read at most.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
    bytes_max: usize,
}

impl Default for FrameReader {
    /// Takes frames up to [`FRAME_BYTES_MAX`].
    fn default() -> Self {
        Self { buffer: Vec::new(), start: 0, bytes_max: FRAME_BYTES_MAX }
    }
}

impl FrameReader {
    /// Takes frames up to this size from now on.
    pub const fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Takes in what was read.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next frame, if it is whole.
    ///
    /// # Errors
    /// When its length is beyond the limit; the stream is of no further use.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if self.start == self.buffer.len() {
            // An idle connection keeps no room for a large frame that it once carried.
            self.buffer.clear();
            self.buffer.shrink_to(IDLE_BYTES_MAX);
            self.start = 0;
        }
        let Some((length, rest)) = self.buffer[self.start..].split_first_chunk::<LENGTH_BYTES>()
        else {
            return Ok(None);
        };
        let bytes = u32::from_be_bytes(*length) as usize;
        if bytes > self.bytes_max {
            return Err(FrameError::TooLarge { bytes, bytes_max: self.bytes_max });
        }
        if rest.len() < bytes {
            return Ok(None);
        }
        self.start += LENGTH_BYTES + bytes;
        Ok(Some(&self.buffer[self.start - bytes..self.start]))
    }
}

/// Appends a message as a frame.
///
/// # Errors
/// When it would be larger than [`FRAME_BYTES_MAX`]; `out` is as it was.
pub fn write_frame<M: Serialize>(out: &mut Vec<u8>, message: &M) -> Result<(), FrameError> {
    write_frame_within(out, message, FRAME_BYTES_MAX)
}

/// As [`write_frame`], with another limit.
pub(in crate::kv) fn write_frame_within<M: Serialize>(
    out: &mut Vec<u8>,
    message: &M,
    bytes_max: usize,
) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    // A sink over `&mut Vec` keeps what was written before, and saves a buffer of its own.
    let written = postcard::serialize_with_flavor(message, Appender(out));
    if let Err(error) = written {
        out.truncate(start);
        return Err(FrameError::Malformed(error.to_string()));
    }
    let bytes = out.len() - start - LENGTH_BYTES;
    let Some(length) = u32::try_from(bytes).ok().filter(|_| bytes <= bytes_max) else {
        out.truncate(start);
        return Err(FrameError::TooLarge { bytes, bytes_max });
    };
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Reads the message that fills a frame's body.
///
/// # Errors
/// When the bytes are something else, or more than that.
pub fn read_message<M: DeserializeOwned>(body: &[u8]) -> Result<M, FrameError> {
    let (message, rest) = postcard::take_from_bytes(body)
        .map_err(|error| FrameError::Malformed(error.to_string()))?;
    if rest.is_empty() { Ok(message) } else { Err(FrameError::TrailingBytes(rest.len())) }
}

/// Reads the message at the beginning of a frame's body. What follows it is ignored: later versions
/// may append fields to a hello.
///
/// # Errors
/// When the bytes are something else.
pub fn read_extensible<M: DeserializeOwned>(body: &[u8]) -> Result<M, FrameError> {
    match postcard::take_from_bytes(body) {
        Ok((message, _)) => Ok(message),
        Err(error) => Err(FrameError::Malformed(error.to_string())),
    }
}

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
