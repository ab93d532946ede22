//! The events of a node as a stream.

use std::sync::OnceLock;

use raft_core::Event;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// The events that a slow reader may be behind. It loses older ones.
const CAPACITY: usize = 1024;

/// A node's [events](Event), from the call of [`NodeHandle::events`](crate::NodeHandle::events) on:
/// changes of role, leader and membership, snapshots, transfers, refused messages, failures.
///
/// For logs, alarms and tests. A reader that is slow never delays the node: it loses the oldest
/// events and receives their number.
#[derive(Debug)]
pub struct EventStream {
    receiver: broadcast::Receiver<Event>,
}

/// What a reader of an [`EventStream`] receives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StreamedEvent {
    /// The next event.
    Event(Event),
    /// The reader was too slow: this many events are lost. The next one follows.
    Missed(u64),
}

impl EventStream {
    /// The next event; `None` once the node has stopped and every event is read. Dropping the future
    /// loses no event.
    pub async fn next(&mut self) -> Option<StreamedEvent> {
        match self.receiver.recv().await {
            Ok(event) => Some(StreamedEvent::Event(event)),
            Err(RecvError::Lagged(count)) => Some(StreamedEvent::Missed(count)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// The driver's end. The streams end when it is dropped.
#[derive(Debug)]
pub(super) struct EventPublisher {
    sender: broadcast::Sender<Event>,
}

/// What the handles make streams of. It keeps none of them open.
#[derive(Debug, Default)]
pub(super) struct EventSource {
    /// Set when the driver is created.
    sender: OnceLock<broadcast::WeakSender<Event>>,
}

impl EventPublisher {
    /// Passes an event to every stream. Without one it costs a comparison.
    pub(super) fn publish(&self, event: &Event) {
        if self.sender.receiver_count() > 0 {
            // All readers may be gone by now.
            let _ = self.sender.send(event.clone());
        }
    }
}

impl EventSource {
    /// The end of the driver. Called once.
    pub(super) fn publisher(&self) -> EventPublisher {
        let sender = broadcast::Sender::new(CAPACITY);
        self.sender.set(sender.downgrade()).expect("a node has one driver");
        EventPublisher { sender }
    }

    /// A stream of the events from now on.
    pub(super) fn subscribe(&self) -> EventStream {
        // The stream of a node that has stopped ends at once.
        let running = self.sender.get().and_then(broadcast::WeakSender::upgrade);
        let sender = running.unwrap_or_else(|| broadcast::Sender::new(1));
        EventStream { receiver: sender.subscribe() }
    }
}

#[cfg(test)]
mod tests {
    use raft_core::{LogId, LogIndex, Term};

    use super::*;

    fn event(index: u64) -> Event {
        Event::Compacted { base: LogId::new(Term(1), LogIndex(index)) }
    }

    /// A reader that could block the publisher would stop the node.
    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_events_and_receives_their_number() {
        let source = EventSource::default();
        let publisher = source.publisher();
        let mut events = source.subscribe();
        for index in 0..CAPACITY as u64 + 3 {
            publisher.publish(&event(index));
        }
        assert_eq!(events.next().await, Some(StreamedEvent::Missed(3)));
        assert_eq!(events.next().await, Some(StreamedEvent::Event(event(3))));
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_node_after_its_last_event() {
        let source = EventSource::default();
        let publisher = source.publisher();
        let mut events = source.subscribe();
        publisher.publish(&event(1));
        drop(publisher);
        assert_eq!(events.next().await, Some(StreamedEvent::Event(event(1))));
        assert_eq!(events.next().await, None);
        assert_eq!(source.subscribe().next().await, None, "the node has stopped");
    }
}
