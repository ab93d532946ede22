//! The client protocol: messages, the hello exchange and frames, for both sides.
//!
//! It runs over QUIC with mutual TLS on a UDP port of its own. A client opens one bidirectional
//! stream; both sides send a hello; then the client sends [`Request`]s and the node [`Response`]s,
//! many at a time and in any order, as [frames](write_frame). One long stream, because a stream per
//! request costs several times the CPU time. A second stream may be opened for pings alone; a node
//! responds to them however many requests wait on the first.
//!
//! `docs/client-protocol.md` describes it for clients in other languages.
//! [`client_api`](super::client_api) is the node's side, [`client`](super::client) the client's.

mod frame;
mod hello;
mod membership;
mod message;

pub use frame::{
    FRAME_BYTES_MAX, FrameError, FrameReader, REQUEST_BYTES_MAX, read_extensible, read_message,
    write_frame,
};
pub(super) use frame::{HELLO_BYTES_MAX, write_frame_within};
pub use hello::{
    ClientHello, HelloMismatch, PROTOCOL_VERSION, SUPPORTED_VERSIONS, ServerHello, negotiate,
};
pub use membership::{MemberChange, MemberRole, MembershipMember, MembershipReport};
pub use message::{
    Consistency, ExplanationReport, FindingReport, FollowerReport, LeaderHint, MemberReport,
    Refusal, Request, RequestBody, Response, ResponseBody, Role, SnapshotRequest, SnapshotResponse,
    StatusReport,
};
