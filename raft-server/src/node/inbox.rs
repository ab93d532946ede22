//! The receiving end of the transport.

use std::sync::Arc;

use raft_core::ports::{Inbox, PeerRefusal, SnapshotOffer, SnapshotRefusal, SnapshotResponse};
use raft_core::{Body, Entry, Message, NodeId};

use super::counters::Counters;
use super::mailbox::Mailbox;
use super::peer_refusals::{PeerRefusals, RefusedBy};
use super::snapshots::Snapshots;

/// Puts what the transport receives into the mailbox.
#[derive(Debug)]
pub(super) struct NodeInbox {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
    pub(super) refusals: Arc<PeerRefusals>,
    /// `None` in a node without a snapshot store.
    pub(super) snapshots: Option<Arc<Snapshots>>,
}

impl Inbox for NodeInbox {
    fn deliver(&self, message: Message) {
        self.refusals.remove(message.from);
        let bytes = weight_bytes(&message);
        let dropped = self.mailbox.deliver(std::iter::once((message, bytes)));
        self.counters.inbox_dropped.add(dropped);
    }

    fn deliver_all(&self, messages: Vec<Message>) {
        if let Some(message) = messages.first() {
            self.refusals.remove(message.from);
        }
        // The weights are computed before the lock is taken.
        let weighed: Vec<_> =
            messages.into_iter().map(|message| (weight_bytes(&message), message)).collect();
        let dropped =
            self.mailbox.deliver(weighed.into_iter().map(|(bytes, message)| (message, bytes)));
        self.counters.inbox_dropped.add(dropped);
    }

    fn snapshot_offered(&self, from: NodeId, offer: &SnapshotOffer) -> SnapshotResponse {
        match &self.snapshots {
            Some(snapshots) => snapshots.offered(from, offer),
            None => {
                let reason = "this node has no snapshot store".to_owned();
                SnapshotResponse::Refuse(SnapshotRefusal::Failed(reason))
            }
        }
    }

    fn refused_by_peer(&self, peer: NodeId, refusal: PeerRefusal, reason: &str) {
        tracing::error!(%peer, reason, "a peer refuses this node");
        self.refusals.insert(peer, RefusedBy { refusal, reason: reason.to_owned() });
    }

    fn peer_unreachable(&self, peer: NodeId) {
        self.mailbox.post(|arrivals| {
            // A connection that is lost again and again must not fill the queue.
            if !arrivals.unreachable.contains(&peer) {
                arrivals.unreachable.push(peer);
            }
        });
    }
}

/// The weight of a message: that of its entries. Messages without entries are bounded by their
/// number.
fn weight_bytes(message: &Message) -> u64 {
    match message.body() {
        Body::AppendEntries(append) => append.entries().iter().map(Entry::weight_bytes).sum(),
        Body::PreVote(_)
        | Body::PreVoteResponse(_)
        | Body::RequestVote(_)
        | Body::RequestVoteResponse(_)
        | Body::AppendEntriesResponse(_)
        | Body::TimeoutNow(_)
        | Body::TimeoutNowResponse(_)
        | Body::ReadIndex(_)
        | Body::ReadIndexResponse(_)
        | Body::InstallSnapshot(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;
    use raft_core::{
        AppendEntries, ClusterId, GroupId, Incarnation, LogId, LogIndex, LogSlice, Round, Rpc, Term,
    };

    use super::super::arrivals::Arrivals;
    use super::super::queue_limits::QueueLimits;
    use super::*;

    /// An append with one entry that weighs `payload_bytes` and the allowance for an entry.
    fn append(payload_bytes: usize) -> Message {
        let command = Bytes::from(vec![0; payload_bytes]);
        let entry = Entry::command(LogId::new(Term(1), LogIndex(1)), command);
        let append = AppendEntries {
            slice: LogSlice::new(LogId::ORIGIN, vec![entry]).unwrap(),
            commit: LogIndex::ZERO,
            round: Round(1),
        };
        Message {
            cluster: ClusterId(1),
            group: GroupId(0),
            from: NodeId(2),
            from_incarnation: Incarnation(1),
            to: NodeId(1),
            to_incarnation: None,
            rpc: Rpc::new(Term(1), Body::AppendEntries(append)).unwrap(),
        }
    }

    fn inbox(limits: QueueLimits) -> NodeInbox {
        let mailbox = Arc::new(Mailbox::new(limits));
        NodeInbox { mailbox, counters: Arc::default(), refusals: Arc::default(), snapshots: None }
    }

    fn take(mailbox: &Mailbox) -> Poll<Arrivals> {
        let mut arrivals = Arrivals::default();
        let mut context = Context::from_waker(Waker::noop());
        let taken = poll_fn(|context| mailbox.poll_take(context, &mut arrivals));
        let taken = pin!(taken).poll(&mut context);
        taken.map(|()| arrivals)
    }

    #[test]
    fn messages_that_do_not_fit_are_dropped_and_counted_until_the_driver_takes_the_queue() {
        let inbox = inbox(QueueLimits { inbox_messages_max: 3, ..QueueLimits::default() });
        inbox.deliver_all(vec![append(0); 5]);
        inbox.deliver(append(0));
        assert_eq!(inbox.counters.inbox_dropped.get(), 3);
        let Poll::Ready(arrivals) = take(&inbox.mailbox) else { panic!("the mailbox has content") };
        assert_eq!(arrivals.messages.len(), 3);
        assert!(take(&inbox.mailbox).is_pending());
        inbox.deliver(append(0));
        assert_eq!(inbox.counters.inbox_dropped.get(), 3);
        assert!(take(&inbox.mailbox).is_ready());
    }

    #[test]
    fn bytes_are_bounded_but_an_empty_queue_accepts_any_message() {
        let inbox_bytes_max = 2 * weight_bytes(&append(400));
        let inbox = inbox(QueueLimits { inbox_bytes_max, ..QueueLimits::default() });
        inbox.deliver(append(5000));
        inbox.deliver(append(10));
        assert_eq!(inbox.counters.inbox_dropped.get(), 1);
        let Poll::Ready(arrivals) = take(&inbox.mailbox) else { panic!("the mailbox has content") };
        assert_eq!(arrivals.messages, [append(5000)]);
        inbox.deliver_all(vec![append(400), append(400), append(400)]);
        assert_eq!(inbox.counters.inbox_dropped.get(), 2);
    }

    #[test]
    fn a_peer_is_reported_unreachable_once_in_each_cycle() {
        let inbox = inbox(QueueLimits::default());
        for _ in 0..100 {
            inbox.peer_unreachable(NodeId(2));
        }
        let Poll::Ready(arrivals) = take(&inbox.mailbox) else { panic!("the mailbox has content") };
        assert_eq!(arrivals.unreachable, [NodeId(2)]);
    }

    #[test]
    fn a_closed_mailbox_accepts_nothing() {
        let inbox = inbox(QueueLimits::default());
        drop(inbox.mailbox.close());
        inbox.deliver(append(0));
        inbox.peer_unreachable(NodeId(2));
        assert!(take(&inbox.mailbox).is_pending());
    }
}
