//! Where messages wait: in the outbox of their sender, and on the wire.

use std::collections::VecDeque;

use raft_core::{Message, NodeId};

use crate::selector::Selector;

/// One message on its way.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    /// Its number in the trace.
    pub(crate) id: u64,
    pub(crate) message: Message,
    /// The record that brought it about: the step that made it, then its sending.
    pub(crate) cause: Option<u64>,
    /// Only verbs that name it move it.
    pub(crate) held: bool,
}

/// What a link does with messages.
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

/// Every outbox, the wire, and the links between the nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// Of each node, what it wants to send.
    pub(crate) outboxes: Vec<VecDeque<InFlight>>,
    /// What is under way, in the order of sending.
    pub(crate) wire: VecDeque<InFlight>,
    /// What is lost right after it was sent.
    pub(crate) loss_rules: Vec<Selector>,
    links: Vec<Link>,
    size: usize,
    last_id: u64,
}

/// The place of a node in the lists of a cluster.
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
            size,
            last_id: 0,
        }
    }

    /// Puts a message into its sender's outbox.
    pub(crate) fn emit(&mut self, message: Message, cause: Option<u64>) {
        self.last_id += 1;
        let from = slot_of(message.from);
        let in_flight = InFlight { id: self.last_id, message, cause, held: false };
        if let Some(outbox) = self.outboxes.get_mut(from) {
            outbox.push_back(in_flight);
        }
    }

    /// A number for a copy.
    pub(crate) const fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn link(&self, from: NodeId, to: NodeId) -> Link {
        let (from, to) = (slot_of(from), slot_of(to));
        if from >= self.size || to >= self.size {
            return Link::Losing;
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

    /// Takes a message away, wherever it waits; says whether it had been sent.
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

    /// Whether no outbox holds anything that would be sent unasked.
    pub(crate) fn nothing_to_send(&self) -> bool {
        self.outboxes
            .iter()
            .flatten()
            .all(|in_flight| in_flight.held || self.link_of(&in_flight.message) == Link::Holding)
    }

    /// Whether the wire holds nothing that would be handled unasked.
    pub(crate) fn nothing_to_handle(&self) -> bool {
        self.wire
            .iter()
            .all(|in_flight| in_flight.held || self.link_of(&in_flight.message) == Link::Holding)
    }
}
