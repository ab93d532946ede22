//! The outboxes of the nodes, the wire and the links.

use std::collections::{BTreeSet, VecDeque};

use raft_core::{Message, NodeId};

use crate::selector::Selector;
use crate::snapshot::Snapshot;

/// A message in an outbox or on the wire.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    /// Its number in the trace.
    pub(crate) id: u64,
    pub(crate) message: Message,
    /// The record that caused it: the step that emitted it; once it is sent, its sending.
    pub(crate) cause: Option<u64>,
    /// Only actions whose selector matches it move it.
    pub(crate) held: bool,
    /// The snapshot that it installs.
    pub(crate) transfer: Option<Transfer>,
}

/// The data of a snapshot in flight.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) snapshot: Snapshot,
    /// Which process of the sender is notified of the end, by its number; `None` for a copy.
    pub(crate) starts: Option<u64>,
}

/// What happens to the messages of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Link {
    /// They arrive.
    #[default]
    Open,
    /// They are lost.
    Losing,
    /// They wait until the link is open again.
    Holding,
}

/// The outboxes, the wire, and the links between the nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// The messages that each node has emitted and that are not sent.
    pub(crate) outboxes: Vec<VecDeque<InFlight>>,
    /// The messages that are sent and not handled, in the order of sending.
    pub(crate) wire: VecDeque<InFlight>,
    /// Messages that one of these matches are lost when they are sent.
    pub(crate) loss_rules: Vec<Selector>,
    links: Vec<Link>,
    /// The links that were cut one by one, and not by a partition, by the positions of their ends.
    pub(crate) cut_links: BTreeSet<(usize, usize)>,
    size: usize,
    last_id: u64,
}

/// The position of a node in the lists of a cluster.
pub(crate) fn slot_of(node: NodeId) -> usize {
    usize::try_from(node.get()).unwrap_or(usize::MAX).wrapping_sub(1)
}

impl Network {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            outboxes: vec![VecDeque::new(); size],
            wire: VecDeque::new(),
            loss_rules: Vec::new(),
            links: vec![Link::Open; size * size],
            cut_links: BTreeSet::new(),
            size,
            last_id: 0,
        }
    }

    /// Puts a message into its sender's outbox.
    pub(crate) fn emit(&mut self, message: Message, cause: Option<u64>) {
        self.push(message, cause, None);
    }

    /// Puts a message into its sender's outbox with the data of the snapshot that it installs.
    pub(crate) fn emit_snapshot(&mut self, message: Message, transfer: Transfer, cause: u64) {
        self.push(message, Some(cause), Some(transfer));
    }

    fn push(&mut self, message: Message, cause: Option<u64>, transfer: Option<Transfer>) {
        self.last_id += 1;
        let from = slot_of(message.from);
        let in_flight = InFlight { id: self.last_id, message, cause, held: false, transfer };
        if let Some(outbox) = self.outboxes.get_mut(from) {
            outbox.push_back(in_flight);
        }
    }

    /// The number of a copy.
    pub(crate) const fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The link between two nodes. A test can alter the ends of a message: one from a node outside
    /// the cluster arrives, one to such a node is lost.
    pub(crate) fn link(&self, from: NodeId, to: NodeId) -> Link {
        let (from, to) = (slot_of(from), slot_of(to));
        if to >= self.size {
            return Link::Losing;
        }
        if from >= self.size {
            return Link::Open;
        }
        self.links.get(from * self.size + to).copied().unwrap_or(Link::Losing)
    }

    pub(crate) fn set_link(&mut self, from: usize, to: usize, link: Link) {
        if let Some(slot) = self.links.get_mut(from * self.size + to) {
            *slot = link;
        }
    }

    pub(crate) fn link_at(&self, from: usize, to: usize) -> Link {
        self.links.get(from * self.size + to).copied().unwrap_or(Link::Losing)
    }

    /// Removes a message from its outbox or from the wire. Returns it, and whether it was sent.
    pub(crate) fn take(&mut self, id: u64) -> Option<(InFlight, bool)> {
        if let Some(at) = self.wire.iter().position(|in_flight| in_flight.id == id) {
            return self.wire.remove(at).map(|in_flight| (in_flight, true));
        }
        self.outboxes.iter_mut().find_map(|outbox| {
            let at = outbox.iter().position(|in_flight| in_flight.id == id)?;
            outbox.remove(at).map(|in_flight| (in_flight, false))
        })
    }

    pub(crate) fn link_of(&self, message: &Message) -> Link {
        self.link(message.from, message.to)
    }

    /// Whether everything that this node sends is lost or held.
    pub(crate) fn is_cut_off(&self, from: usize) -> bool {
        (0..self.size).filter(|&to| to != from).all(|to| self.link_at(from, to) != Link::Open)
    }

    /// Whether no outbox contains a message that can be sent.
    pub(crate) fn nothing_to_send(&self) -> bool {
        self.outboxes
            .iter()
            .flatten()
            .all(|in_flight| in_flight.held || self.link_of(&in_flight.message) == Link::Holding)
    }

    /// Whether the wire contains no message that can be handled.
    pub(crate) fn nothing_to_handle(&self) -> bool {
        self.wire
            .iter()
            .all(|in_flight| in_flight.held || self.link_of(&in_flight.message) == Link::Holding)
    }
}
