//! One node alone: a test passes it the messages of the other nodes.

use raft_core::{
    AppendEntries, Body, ClusterId, Config, Effect, Entry, Event, GroupId, Identity, Incarnation,
    Input, LogId, LogIndex, LogSlice, MemberInfo, Membership, Message, MessageRefusal, Node,
    NodeId, Recovered, Round, Rpc, Settings, Term, Timestamp,
};

/// The identity of the node.
pub(crate) const IDENTITY: Identity = Identity {
    cluster: ClusterId(1),
    group: GroupId(0),
    node: NodeId(1),
    incarnation: Incarnation(1),
};

/// A node, and the effects of its last step.
pub(crate) struct Single {
    pub(crate) node: Node,
    pub(crate) effects: Vec<Effect>,
    /// No write completes.
    pub(crate) disk_is_stalled: bool,
}

impl Single {
    /// A node whose log is empty, with this configuration at its base.
    pub(crate) fn new(membership: Membership) -> Self {
        Self::of_incarnation(1, membership)
    }

    /// Like [`Single::new`]; the incarnations of the voters are not pinned.
    pub(crate) fn of_voters(voters: &[u64]) -> Self {
        Self::new(Membership::of_voters(voters.iter().copied().map(NodeId)))
    }

    /// Like [`Single::new`], with this incarnation of the node itself.
    pub(crate) fn of_incarnation(incarnation: u64, membership: Membership) -> Self {
        let identity = Identity { incarnation: Incarnation(incarnation), ..IDENTITY };
        let config = Config::new(identity, 1, Settings::default()).expect("valid settings");
        let memberships = vec![(LogIndex::ZERO, membership)];
        let recovered = Recovered { memberships, ..Recovered::default() };
        let node = Node::new(config, recovered, Timestamp(0)).expect("an empty store");
        Self { node, effects: Vec::new(), disk_is_stalled: false }
    }

    /// Steps the node; its disk completes every write at once, unless it is stalled.
    pub(crate) fn step(&mut self, now: Timestamp, input: Input) {
        self.effects.clear();
        self.node.step(now, input, &mut self.effects);
        if self.disk_is_stalled {
            return;
        }
        let mut next = 0;
        while let Some(effect) = self.effects.get(next) {
            next += 1;
            if let Effect::Persist(persist) = effect {
                let id = persist.id;
                self.node.step(now, Input::Persisted(id), &mut self.effects);
            }
        }
    }

    /// The node receives a message of the first incarnation of a peer.
    pub(crate) fn receive(&mut self, from: u64, term: u64, body: Body) {
        self.receive_at(Timestamp(0), from, term, body);
    }

    /// Like [`Single::receive`], at this time.
    pub(crate) fn receive_at(&mut self, now: Timestamp, from: u64, term: u64, body: Body) {
        self.receive_message(now, (from, 1), term, body);
    }

    /// Like [`Single::receive`], from this node and incarnation.
    pub(crate) fn receive_from(&mut self, from: (u64, u64), term: u64, body: Body) {
        self.receive_message(Timestamp(0), from, term, body);
    }

    fn receive_message(&mut self, now: Timestamp, from: (u64, u64), term: u64, body: Body) {
        self.step(
            now,
            Input::Message(Message {
                cluster: IDENTITY.cluster,
                group: IDENTITY.group,
                from: NodeId(from.0),
                from_incarnation: Incarnation(from.1),
                to: IDENTITY.node,
                to_incarnation: None,
                rpc: Rpc::new(Term(term), body).expect("a consistent message"),
            }),
        );
    }

    /// What the node sent in its last step.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Body> {
        self.effects.iter().filter_map(|effect| {
            if let Effect::Send(message) = effect { Some(message.body()) } else { None }
        })
    }

    /// Why the node refused the message of its last step, if it did.
    pub(crate) fn refusal(&self) -> Option<MessageRefusal> {
        self.effects.iter().find_map(|effect| {
            if let Effect::Event(Event::MessageRefused { reason, .. }) = effect {
                Some(*reason)
            } else {
                None
            }
        })
    }
}

/// Voters with pinned incarnations: (node, incarnation).
pub(crate) fn pinned(voters: &[(u64, u64)]) -> Membership {
    let mut membership = Membership::of_voters(voters.iter().map(|&(node, _)| NodeId(node)));
    for &(node, incarnation) in voters {
        let incarnation = Some(Incarnation(incarnation));
        membership.nodes.insert(NodeId(node), MemberInfo { incarnation, ..MemberInfo::default() });
    }
    membership
}

/// An append with this entry alone, which is empty.
pub(crate) fn append_of(id: LogId) -> Body {
    let prev = if id.index == LogIndex(1) { LogId::ORIGIN } else { entry(id.index.get() - 1) };
    let slice = LogSlice::new(prev, vec![Entry::empty(id)]).expect("one entry after prev");
    Body::AppendEntries(AppendEntries { slice, commit: LogIndex(0), round: Round(1) })
}

/// The id of an entry of term 1.
pub(crate) fn entry(index: u64) -> LogId {
    LogId::new(Term(1), LogIndex(index))
}
