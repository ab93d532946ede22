//! The nodes that a client knows: which of them probably leads, which it is connected to, and
//! which it had better leave alone for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raft_core::NodeId;
use tokio::sync::watch::{self, error::SendError};
use tokio::time::Instant;

use super::dial::{DialError, Dialler};
use super::link::Link;
use crate::kv::protocol::LeaderHint;

/// The most nodes that are remembered; hints beyond are ignored.
const KNOWN_MAX: usize = 128;
/// How long a node that failed is asked after all others, at first and at most; and how long the
/// client waits at least before it connects to it anew.
const AVOID_MIN: Duration = Duration::from_millis(100);
const AVOID_MAX: Duration = Duration::from_secs(2);

/// Names a node of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(usize);

/// Whom a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// The leader, or whoever may know it.
    Leader,
    /// Whoever answers.
    AnyNode,
}

/// All that a client knows of the nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    dialler: Arc<Dialler>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    known: Vec<NodeEntry>,
    leader: Option<usize>,
    next: usize,
}

#[derive(Debug)]
struct NodeEntry {
    address: String,
    node: Option<NodeId>,
    slot: Slot,
    failures: u32,
    avoid_until: Option<Instant>,
    /// When the latest attempt to connect was begun.
    dialled_at: Option<Instant>,
    failed_for_good: Option<String>,
}

#[derive(Debug)]
enum Slot {
    Empty,
    Dialling(watch::Receiver<Option<Dialled>>),
    Up(Arc<Link>),
}

type Dialled = Result<Arc<Link>, DialError>;

impl Nodes {
    pub(super) fn new(dialler: Dialler, addresses: &[String]) -> Self {
        let mut known: Vec<NodeEntry> = Vec::new();
        for address in addresses {
            if known.iter().all(|other| other.address != *address) {
                known.push(NodeEntry::new(address.clone(), None));
            }
        }
        let state = State { known, leader: None, next: 0 };
        Self { dialler: Arc::new(dialler), state: Mutex::new(state) }
    }

    /// Which node to ask next: the leader if it is known, else one that has not failed lately, and
    /// of those one with a connection, so that a request does not wait for a node that is down.
    pub(super) fn pick(&self, target: Target) -> Place {
        let now = Instant::now();
        let mut state = self.settled(now);
        if target == Target::Leader
            && let Some(leader) = state.leader
        {
            return Place(leader);
        }
        let count = state.known.len();
        let start = state.next % count;
        let preference = |place: &usize| {
            let known = &state.known[*place];
            let avoided = known.avoid_until.filter(|until| now < *until);
            (avoided, !known.is_connected())
        };
        let order = (start..count).chain(0..start);
        let place = order.min_by_key(preference).unwrap_or(start);
        if state.known[place].is_avoided(now) {
            // All nodes have failed lately: they are asked in turn.
            state.next = place + 1;
        }
        Place(place)
    }

    /// The address of a node.
    pub(super) fn address(&self, place: Place) -> String {
        self.state().known[place.0].address.clone()
    }

    /// The place of an address, which becomes known by this.
    pub(super) fn place_of(&self, address: &str) -> Place {
        let mut state = self.state();
        let found = state.known.iter().position(|known| known.address == address);
        Place(found.unwrap_or_else(|| {
            state.known.push(NodeEntry::new(address.to_owned(), None));
            state.known.len() - 1
        }))
    }

    /// The connection to a node, new if need be. Dropping the future does not stop the attempt to
    /// connect: the next caller finds it under way or done.
    pub(super) async fn link(&self, place: Place) -> Dialled {
        let mut dialling = {
            let now = Instant::now();
            let mut state = self.settled(now);
            match &state.known[place.0].slot {
                Slot::Up(link) if link.is_up() => return Ok(Arc::clone(link)),
                Slot::Dialling(dialling) => dialling.clone(),
                Slot::Up(_) | Slot::Empty => state.known[place.0].dial(&self.dialler, now),
            }
        };
        let dialled = match dialling.wait_for(Option::is_some).await {
            Ok(dialled) => dialled.clone(),
            Err(_) => None,
        };
        drop(self.settled(Instant::now()));
        dialled.unwrap_or_else(|| Err(DialError::interrupted()))
    }

    /// The node answered as a leader does.
    pub(super) fn leads(&self, place: Place) {
        let mut state = self.state();
        state.leader = Some(place.0);
        state.known[place.0].succeeded();
    }

    /// The node answered.
    pub(super) fn answered(&self, place: Place) {
        self.state().known[place.0].succeeded();
    }

    /// The node does not lead, and may have said which node does. Says whether to ask that one at
    /// once.
    ///
    /// A hint may name a leader that has died: followers know no better for an election timeout.
    /// It may also name a node that has failed before and has been started again. A node that has
    /// failed is therefore asked only once there is a connection to it, and connected to in the
    /// background: no request waits for it while other nodes can answer.
    pub(super) fn redirected(&self, place: Place, hint: Option<&LeaderHint>) -> bool {
        let now = Instant::now();
        let mut state = self.settled(now);
        state.known[place.0].succeeded();
        let target = hint.and_then(|hint| state.find(hint)).filter(|target| *target != place.0);
        if let Some(target) = target {
            let known = &mut state.known[target];
            let usable = known.is_connected() || known.failures == 0;
            if usable && !known.is_avoided(now) {
                state.leader = Some(target);
                return true;
            }
            if known.may_dial(now) {
                known.dial(&self.dialler, now);
            }
        }
        for known in &mut state.known {
            if !known.is_avoided(now) && known.may_dial(now) {
                known.dial(&self.dialler, now);
            }
        }
        state.turn_from(place.0);
        false
    }

    /// The node does not answer, or cannot serve now: others first, for a while.
    pub(super) fn avoid(&self, place: Place) {
        let now = Instant::now();
        let mut state = self.settled(now);
        state.turn_from(place.0);
        state.known[place.0].failed(now);
    }

    /// If no known node can be had because each refuses for a reason that will not go away: those
    /// reasons.
    pub(super) fn hopeless(&self) -> Option<String> {
        let state = self.state();
        let reasons: Option<Vec<&str>> =
            state.known.iter().map(|known| known.failed_for_good.as_deref()).collect();
        reasons.map(|reasons| reasons.join("; "))
    }

    /// Closes every connection.
    pub(super) fn close(&self) {
        for known in &self.settled(Instant::now()).known {
            if let Slot::Up(link) = &known.slot {
                link.close("the client is done");
            }
        }
    }

    /// The state, with the results of the attempts to connect that have ended.
    fn settled(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state();
        for place in 0..state.known.len() {
            let Slot::Dialling(dialling) = &state.known[place].slot else { continue };
            let ended = dialling.has_changed().is_err();
            let dialled = dialling.borrow().clone();
            if let Some(dialled) = dialled {
                state.dialled(place, dialled, now);
            } else if ended {
                state.dialled(place, Err(DialError::interrupted()), now);
            }
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and every state in between is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// An attempt to connect has ended.
    fn dialled(&mut self, place: usize, dialled: Dialled, now: Instant) {
        match dialled {
            Ok(link) => {
                for (node, address) in &link.welcome().members {
                    self.find(&LeaderHint { node: *node, address: Some(address.clone()) });
                }
                let known = &mut self.known[place];
                known.node = Some(link.welcome().node);
                known.failed_for_good = None;
                known.avoid_until = None;
                known.slot = Slot::Up(link);
            }
            Err(error) => {
                let known = &mut self.known[place];
                known.slot = Slot::Empty;
                known.failed_for_good = error.lasting.then_some(error.reason);
                known.failed(now);
            }
        }
    }

    /// Where the hinted node is in the list; its address is added if it is new.
    fn find(&mut self, hint: &LeaderHint) -> Option<usize> {
        let by_id = self.known.iter().position(|known| known.node == Some(hint.node));
        let Some(address) = &hint.address else { return by_id };
        let by_address = self.known.iter().position(|known| known.address == *address);
        if by_address.or(by_id).is_none() && self.known.len() < KNOWN_MAX {
            self.known.push(NodeEntry::new(address.clone(), Some(hint.node)));
            return Some(self.known.len() - 1);
        }
        by_address.or(by_id)
    }

    fn turn_from(&mut self, place: usize) {
        if self.leader == Some(place) {
            self.leader = None;
        }
        if self.next % self.known.len() == place {
            self.next = place + 1;
        }
    }
}

impl NodeEntry {
    const fn new(address: String, node: Option<NodeId>) -> Self {
        Self {
            address,
            node,
            slot: Slot::Empty,
            failures: 0,
            avoid_until: None,
            dialled_at: None,
            failed_for_good: None,
        }
    }

    /// Begins to connect. The attempt ends when the result is in the receiver.
    fn dial(&mut self, dialler: &Arc<Dialler>, now: Instant) -> watch::Receiver<Option<Dialled>> {
        let (done, dialling) = watch::channel(None);
        let (dialler, address) = (Arc::clone(dialler), self.address.clone());
        tokio::spawn(async move {
            tracing::debug!(address, "connecting");
            let dialled = tokio::select! {
                dialled = dialler.dial(&address) => dialled,
                () = done.closed() => return,
            };
            match &dialled {
                Ok(_) => tracing::debug!(address, "connected"),
                Err(error) => tracing::debug!(address, reason = error.reason, "not connected"),
            }
            // Without a receiver the client is gone, and the link's tasks would keep it alive.
            if let Err(SendError(Some(Ok(link)))) = done.send(Some(dialled)) {
                link.close("the client is done");
            }
        });
        self.slot = Slot::Dialling(dialling.clone());
        self.dialled_at = Some(now);
        dialling
    }

    fn is_connected(&self) -> bool {
        match &self.slot {
            Slot::Up(link) => link.is_up(),
            Slot::Dialling(_) | Slot::Empty => false,
        }
    }

    /// Whether there is no connection, no attempt under way, and none was begun just now.
    fn may_dial(&self, now: Instant) -> bool {
        let idle = match &self.slot {
            Slot::Up(link) => !link.is_up(),
            Slot::Dialling(_) => false,
            Slot::Empty => true,
        };
        idle && self.dialled_at.is_none_or(|at| now.duration_since(at) >= AVOID_MIN)
    }

    /// One failure noticed by many callers counts once.
    fn failed(&mut self, now: Instant) {
        if self.is_avoided(now) {
            return;
        }
        let wait = AVOID_MIN.saturating_mul(1 << self.failures.min(5)).min(AVOID_MAX);
        self.failures = self.failures.saturating_add(1);
        self.avoid_until = Some(now + wait.mul_f64(0.75 + fastrand::f64() / 2.0));
    }

    fn is_avoided(&self, now: Instant) -> bool {
        self.avoid_until.is_some_and(|until| now < until)
    }

    const fn succeeded(&mut self) {
        self.failures = 0;
        self.avoid_until = None;
    }
}
