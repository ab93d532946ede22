//! The client protocol: how clients reach the key-value store of a node.
//!
//! It runs over QUIC with mutual TLS on a UDP port of its own. A client opens one bidirectional
//! stream; both sides say [`hello`](Hello); then [`Request`]s go one way and [`Reply`]s the other,
//! many at a time and in any order, as [frames](write_frame). One long stream, because a stream a
//! request costs several times the CPU time. A second stream may be opened for pings alone; they
//! are answered whatever waits on the first.
//!
//! [`ClientApi`] is the node's side; the other one is [`crate::kv::client`].

mod budget;
mod connection;
mod disk_reads;
mod execute;
mod frame;
mod hello;
mod listener;
mod monitor;
mod pings;
pub mod protocol;

pub(crate) use frame::write_frame_within;
pub use frame::{
    FRAME_BYTES_MAX, FrameError, FrameReader, REQUEST_BYTES_MAX, read_extensible, read_message,
    write_frame,
};
pub use hello::{
    Hello, HelloMismatch, PROTOCOL_VERSION, SUPPORTED_VERSIONS, Welcome, check as check_hello,
};
pub use listener::{ClientApi, ClientApiConfig, ClientApiError, MemberAddresses};
pub use monitor::{ClientApiMonitor, ClientApiStatus};
#[doc(inline)]
pub use protocol::{Reply, Request};
