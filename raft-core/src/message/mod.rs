//! The messages that nodes exchange.
//!
//! A [`Message`] is an envelope around an [`Rpc`]. An [`Rpc`] is consistent by construction: its
//! term, log indexes and entries do not contradict each other. A [`Node`](crate::Node) therefore
//! checks only whether a message is addressed to it and fits its state.

mod body;
mod envelope;
mod invalid;
mod log_slice;
mod refusal;
mod rpc;

pub use body::{
    AppendEntries, AppendEntriesResponse, AppendOutcome, Body, DeclineReason, InstallSnapshot,
    PreVote, PreVoteResponse, ReadIndex, ReadIndexResponse, RequestVote, RequestVoteResponse,
    TimeoutNow, TimeoutNowResponse,
};
pub use envelope::Message;
pub use invalid::InvalidMessage;
pub use log_slice::LogSlice;
pub use refusal::MessageRefusal;
pub use rpc::Rpc;
