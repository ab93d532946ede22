//! The nodes that a client knows: which of them probably leads, which it is connected to, and
//! which it had better leave alone for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raft_core::NodeId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::dial::{DialError, Dialler};
use super::link::Link;
use crate::client_api::protocol::LeaderHint;

/// The most nodes that are remembered; hints beyond are ignored.
const KNOWN_MAX: usize = 128;
/// How long a node that failed is left alone, at first and at most.
const AVOID_MIN: Duration = Duration::from_millis(100);
const AVOID_MAX: Duration = Duration::from_secs(2);

/// Names a node of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(usize);

/// Whom a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aim {
    /// The leader, or whoever may know it.
    Leader,
    /// Whoever answers.
    Anyone,
}

/// All that a client knows of the nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    dialler: Arc<Dialler>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    known: Vec<Known>,
    leader: Option<usize>,
    next: usize,
}

#[derive(Debug)]
struct Known {
    address: String,
    node: Option<NodeId>,
    slot: Slot,
    failures: u32,
    avoid_until: Option<Instant>,
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
        let mut known: Vec<Known> = Vec::new();
        for address in addresses {
            if known.iter().all(|other| other.address != *address) {
                known.push(Known::new(address.clone(), None));
            }
        }
        let state = State { known, leader: None, next: 0 };
        Self { dialler: Arc::new(dialler), state: Mutex::new(state) }
    }

    /// Whom to ask next.
    pub(super) fn pick(&self, aim: Aim) -> Place {
        let now = Instant::now();
        let mut state = self.state();
        if aim == Aim::Leader
            && let Some(leader) = state.leader
        {
            return Place(leader);
        }
        let count = state.known.len();
        let start = state.next % count;
        let order = (start..count).chain(0..start);
        let free = order.clone().find(|place| !state.known[*place].is_avoided(now));
        let place = free
            .or_else(|| order.min_by_key(|place| state.known[*place].avoid_until))
            .unwrap_or(start);
        if free.is_none() {
            // Everybody is to be left alone: at least let it be everybody in turn.
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
            state.known.push(Known::new(address.to_owned(), None));
            state.known.len() - 1
        }))
    }

    /// The connection to a node, new if need be. Dropping the future does not stop the dial:
    /// whoever asks next finds it under way or done.
    pub(super) async fn link(&self, place: Place) -> Dialled {
        let mut dialling = {
            let mut state = self.state();
            let known = &mut state.known[place.0];
            match &known.slot {
                Slot::Up(link) if link.is_up() => return Ok(Arc::clone(link)),
                Slot::Dialling(dialling) if dialling.has_changed().is_ok() => dialling.clone(),
                Slot::Up(_) | Slot::Empty | Slot::Dialling(_) => {
                    let dialling = self.dial(known.address.clone());
                    known.slot = Slot::Dialling(dialling.clone());
                    dialling
                }
            }
        };
        let interrupted =
            || DialError { reason: "the dial was interrupted".to_owned(), lasting: false };
        let dialled = match dialling.wait_for(Option::is_some).await {
            Ok(dialled) => dialled.clone().ok_or_else(interrupted)?,
            Err(_) => return Err(interrupted()),
        };
        self.dialled(place, dialled)
    }

    fn dial(&self, address: String) -> watch::Receiver<Option<Dialled>> {
        let (done, dialling) = watch::channel(None);
        let dialler = Arc::clone(&self.dialler);
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
            // Nobody may be left to take it; the link then ends with its last holder.
            done.send_replace(Some(dialled));
        });
        dialling
    }

    fn dialled(&self, place: Place, dialled: Dialled) -> Dialled {
        let mut state = self.state();
        if let Ok(link) = &dialled {
            for (node, address) in &link.welcome().members {
                state.find(&LeaderHint { node: *node, address: Some(address.clone()) });
            }
        }
        let known = &mut state.known[place.0];
        match &dialled {
            Ok(link) => {
                known.slot = Slot::Up(Arc::clone(link));
                known.node = Some(link.welcome().node);
                known.failed_for_good = None;
            }
            Err(error) => {
                known.slot = Slot::Empty;
                known.failed_for_good = error.lasting.then(|| error.reason.clone());
            }
        }
        dialled
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

    /// The node does not lead, and may have said who does. Says whether to ask that one at once.
    pub(super) fn redirected(&self, place: Place, hint: Option<&LeaderHint>) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        state.known[place.0].succeeded();
        let target = hint.and_then(|hint| state.find(hint));
        match target {
            Some(target) if target != place.0 && !state.known[target].is_avoided(now) => {
                state.leader = Some(target);
                true
            }
            Some(_) | None => {
                state.turn_from(place.0);
                false
            }
        }
    }

    /// The node does not answer, or cannot serve now: others first, for a while.
    pub(super) fn avoid(&self, place: Place) {
        let now = Instant::now();
        let mut state = self.state();
        state.turn_from(place.0);
        let known = &mut state.known[place.0];
        if known.is_avoided(now) {
            // One failure noticed by many callers counts once.
            return;
        }
        let wait = AVOID_MIN.saturating_mul(1 << known.failures.min(5)).min(AVOID_MAX);
        known.failures = known.failures.saturating_add(1);
        known.avoid_until = Some(now + wait.mul_f64(0.75 + fastrand::f64() / 2.0));
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
        for known in &self.state().known {
            if let Slot::Up(link) = &known.slot {
                link.close("the client is done");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and every state in between is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where the hinted node is in the list; its address is added if it is new.
    fn find(&mut self, hint: &LeaderHint) -> Option<usize> {
        let by_id = self.known.iter().position(|known| known.node == Some(hint.node));
        let Some(address) = &hint.address else { return by_id };
        let by_address = self.known.iter().position(|known| known.address == *address);
        if by_address.or(by_id).is_none() && self.known.len() < KNOWN_MAX {
            self.known.push(Known::new(address.clone(), Some(hint.node)));
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

impl Known {
    const fn new(address: String, node: Option<NodeId>) -> Self {
        Self {
            address,
            node,
            slot: Slot::Empty,
            failures: 0,
            avoid_until: None,
            failed_for_good: None,
        }
    }

    fn is_avoided(&self, now: Instant) -> bool {
        self.avoid_until.is_some_and(|until| now < until)
    }

    const fn succeeded(&mut self) {
        self.failures = 0;
        self.avoid_until = None;
    }
}
