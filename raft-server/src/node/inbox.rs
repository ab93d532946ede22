//! Where the transport hands over what arrives.

use std::sync::Arc;

use raft_core::ports::Inbox;
use raft_core::{Body, Entry, Message, NodeId};

use super::mailbox::Mailbox;
use super::status::Counters;

/// The transport's side of the mailbox.
#[derive(Debug)]
pub(super) struct NodeInbox {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
}

impl Inbox for NodeInbox {
    fn deliver(&self, message: Message) {
        let bytes = weight_bytes(&message);
        let dropped = self.mailbox.deliver(std::iter::once((message, bytes)));
        self.counters.inbox_dropped.add(dropped);
    }

    fn deliver_all(&self, messages: Vec<Message>) {
        // Weighed before the lock is taken.
        let weighed: Vec<_> =
            messages.into_iter().map(|message| (weight_bytes(&message), message)).collect();
        let dropped =
            self.mailbox.deliver(weighed.into_iter().map(|(bytes, message)| (message, bytes)));
        self.counters.inbox_dropped.add(dropped);
    }

    fn peer_unreachable(&self, peer: NodeId) {
        self.mailbox.post(|arrivals| {
            // A flapping connection must not fill the queue: once is enough.
            if !arrivals.unreachable.contains(&peer) {
                arrivals.unreachable.push(peer);
            }
        });
    }
}

/// What a message weighs in the inbox: its entries, or nothing worth counting.
fn weight_bytes(message: &Message) -> u64 {
    match &message.body {
        Body::AppendEntries(append) => append.entries.iter().map(Entry::weight_bytes).sum(),
        Body::PreVote(_)
        | Body::PreVoteResponse(_)
        | Body::RequestVote(_)
        | Body::RequestVoteResponse(_)
        | Body::AppendEntriesResponse(_) => 0,
    }
}
