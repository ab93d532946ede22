//! The nodes of the cluster as the client knows them: their addresses and connections, the probable
//! leader, and the nodes that failed recently.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raft_core::NodeId;
use tokio::sync::watch::{self, error::SendError};
use tokio::time::Instant;

use super::connection::NodeConnection;
use super::dial::{DialError, Dialler};
use crate::kv::protocol::LeaderHint;

/// The most nodes in the list; hints beyond that are ignored.
const NODES_MAX: usize = 128;
/// How long other nodes are preferred to a node that failed, at first and at most. `AVOID_MIN` is
/// also the least interval between two attempts to connect to a node.
const AVOID_MIN: Duration = Duration::from_millis(100);
const AVOID_MAX: Duration = Duration::from_secs(2);

/// The index of a node in the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeIndex(usize);

/// The nodes that can serve a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// The leader; other nodes respond with a hint.
    Leader,
    /// Any node.
    AnyNode,
}

/// The nodes of the cluster.
#[derive(Debug)]
pub(super) struct Nodes {
    dialler: Arc<Dialler>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entries: Vec<NodeEntry>,
    leader: Option<usize>,
    next: usize,
}

#[derive(Debug)]
struct NodeEntry {
    address: String,
    node: Option<NodeId>,
    connection: ConnectionState,
    failures: u32,
    avoid_until: Option<Instant>,
    /// When the latest attempt to connect began.
    dialled_at: Option<Instant>,
    permanent_failure: Option<String>,
}

#[derive(Debug)]
enum ConnectionState {
    Disconnected,
    Connecting(watch::Receiver<Option<Dialled>>),
    Connected(Arc<NodeConnection>),
}

type Dialled = Result<Arc<NodeConnection>, DialError>;

impl Nodes {
    pub(super) fn new(dialler: Dialler, addresses: &[String]) -> Self {
        let mut entries: Vec<NodeEntry> = Vec::new();
        for address in addresses {
            if entries.iter().all(|other| other.address != *address) {
                entries.push(NodeEntry::new(address.clone(), None));
            }
        }
        let state = State { entries, leader: None, next: 0 };
        Self { dialler: Arc::new(dialler), state: Mutex::new(state) }
    }

    /// The node for the next attempt: the leader if it is known, else a node that has not failed
    /// recently, preferably a connected one, so that a request does not wait for a node that is
    /// down.
    pub(super) fn pick(&self, target: Target) -> NodeIndex {
        let now = Instant::now();
        let mut state = self.updated_state(now);
        if target == Target::Leader
            && let Some(leader) = state.leader
        {
            return NodeIndex(leader);
        }
        let count = state.entries.len();
        let start = state.next % count;
        let preference = |index: &usize| {
            let entry = &state.entries[*index];
            let avoided = entry.avoid_until.filter(|until| now < *until);
            (avoided, !entry.is_connected())
        };
        let order = (start..count).chain(0..start);
        let index = order.min_by_key(preference).unwrap_or(start);
        if state.entries[index].is_avoided(now) {
            // All nodes have failed recently: they are tried in turn.
            state.next = index + 1;
        }
        NodeIndex(index)
    }

    /// The address of a node.
    pub(super) fn address(&self, index: NodeIndex) -> String {
        self.state().entries[index.0].address.clone()
    }

    /// The index of the node at an address; adds it to the list if it is new.
    pub(super) fn index_of(&self, address: &str) -> NodeIndex {
        let mut state = self.state();
        let found = state.entries.iter().position(|entry| entry.address == address);
        NodeIndex(found.unwrap_or_else(|| {
            state.entries.push(NodeEntry::new(address.to_owned(), None));
            state.entries.len() - 1
        }))
    }

    /// The connection to a node, new if need be. If the future is dropped, the attempt to connect
    /// continues for the next caller.
    pub(super) async fn connection(&self, index: NodeIndex) -> Dialled {
        let mut dialling = {
            let now = Instant::now();
            let mut state = self.updated_state(now);
            match &state.entries[index.0].connection {
                ConnectionState::Connected(connection) if connection.is_open() => {
                    return Ok(Arc::clone(connection));
                }
                ConnectionState::Connecting(dialling) => dialling.clone(),
                ConnectionState::Connected(_) | ConnectionState::Disconnected => {
                    state.entries[index.0].dial(&self.dialler, now)
                }
            }
        };
        let dialled = match dialling.wait_for(Option::is_some).await {
            Ok(dialled) => dialled.clone(),
            Err(_) => None,
        };
        drop(self.updated_state(Instant::now()));
        dialled.unwrap_or_else(|| Err(DialError::interrupted()))
    }

    /// Records that the node has completed a request for the leader. If it names another node as
    /// the leader, the request took a way over the network more than one to that node would have:
    /// the next request goes there. But only if a connection to it is established, which happens in
    /// the background otherwise: no request waits for a node that this client may be unable to
    /// reach.
    pub(super) fn completed(&self, index: NodeIndex, other_leader: Option<&LeaderHint>) {
        let now = Instant::now();
        let mut state = self.updated_state(now);
        state.entries[index.0].succeeded();
        let Some(hint) = other_leader else {
            state.leader = Some(index.0);
            return;
        };
        let leader = state.find(hint).filter(|leader| *leader != index.0);
        state.leader = leader.filter(|leader| {
            let entry = &state.entries[*leader];
            entry.is_connected() && !entry.is_avoided(now)
        });
        if let (Some(leader), None) = (leader, state.leader) {
            let entry = &mut state.entries[leader];
            if !entry.is_avoided(now) && entry.may_dial(now) {
                entry.dial(&self.dialler, now);
            }
        }
    }

    /// Records a response.
    pub(super) fn responded(&self, index: NodeIndex) {
        self.state().entries[index.0].succeeded();
    }

    /// Records that the node does not lead, and its hint. Returns whether the next attempt should
    /// go to the hinted node at once.
    ///
    /// A hint may name a leader that has stopped, for about an election timeout. It may also name a
    /// node that has failed before and has been restarted. A request is therefore sent to a node
    /// that has failed only after a connection to it is established in the background: no request
    /// waits for it while other nodes respond.
    pub(super) fn redirected(&self, index: NodeIndex, hint: Option<&LeaderHint>) -> bool {
        let now = Instant::now();
        let mut state = self.updated_state(now);
        state.entries[index.0].succeeded();
        let target = hint.and_then(|hint| state.find(hint)).filter(|target| *target != index.0);
        if let Some(target) = target {
            let entry = &mut state.entries[target];
            let usable = entry.is_connected() || entry.failures == 0;
            if usable && !entry.is_avoided(now) {
                state.leader = Some(target);
                return true;
            }
            if entry.may_dial(now) {
                entry.dial(&self.dialler, now);
            }
        }
        for entry in &mut state.entries {
            if !entry.is_avoided(now) && entry.may_dial(now) {
                entry.dial(&self.dialler, now);
            }
        }
        state.deselect(index.0);
        false
    }

    /// Records that the node does not respond or cannot serve: others are preferred for a while.
    pub(super) fn avoid(&self, index: NodeIndex) {
        let now = Instant::now();
        let mut state = self.updated_state(now);
        state.deselect(index.0);
        state.entries[index.0].failed(now);
    }

    /// The reasons why no node can be reached, if the failure of every node is permanent.
    pub(super) fn permanent_failures(&self) -> Option<String> {
        let state = self.state();
        let reasons: Option<Vec<&str>> =
            state.entries.iter().map(|entry| entry.permanent_failure.as_deref()).collect();
        reasons.map(|reasons| reasons.join("; "))
    }

    /// Closes every connection.
    pub(super) fn close(&self) {
        for entry in &self.updated_state(Instant::now()).entries {
            if let ConnectionState::Connected(connection) = &entry.connection {
                connection.close("the client is closed");
            }
        }
    }

    /// The state, updated with the results of the attempts to connect that have ended.
    fn updated_state(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state();
        for index in 0..state.entries.len() {
            let ConnectionState::Connecting(dialling) = &state.entries[index].connection else {
                continue;
            };
            let ended = dialling.has_changed().is_err();
            let dialled = dialling.borrow().clone();
            if let Some(dialled) = dialled {
                state.dialled(index, dialled, now);
            } else if ended {
                state.dialled(index, Err(DialError::interrupted()), now);
            }
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and every intermediate state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records the result of an attempt to connect.
    fn dialled(&mut self, index: usize, dialled: Dialled, now: Instant) {
        match dialled {
            Ok(connection) => {
                for (node, address) in &connection.server_hello().members {
                    self.find(&LeaderHint { node: *node, address: Some(address.clone()) });
                }
                let entry = &mut self.entries[index];
                entry.node = Some(connection.server_hello().node);
                entry.permanent_failure = None;
                entry.avoid_until = None;
                entry.connection = ConnectionState::Connected(connection);
            }
            Err(error) => {
                let entry = &mut self.entries[index];
                entry.connection = ConnectionState::Disconnected;
                entry.permanent_failure = error.permanent.then_some(error.reason);
                entry.failed(now);
            }
        }
    }

    /// The index of the hinted node; adds its address to the list if it is new.
    fn find(&mut self, hint: &LeaderHint) -> Option<usize> {
        let by_id = self.entries.iter().position(|entry| entry.node == Some(hint.node));
        let Some(address) = &hint.address else { return by_id };
        let by_address = self.entries.iter().position(|entry| entry.address == *address);
        if by_address.or(by_id).is_none() && self.entries.len() < NODES_MAX {
            self.entries.push(NodeEntry::new(address.clone(), Some(hint.node)));
            return Some(self.entries.len() - 1);
        }
        by_address.or(by_id)
    }

    fn deselect(&mut self, index: usize) {
        if self.leader == Some(index) {
            self.leader = None;
        }
        if self.next % self.entries.len() == index {
            self.next = index + 1;
        }
    }
}

impl NodeEntry {
    const fn new(address: String, node: Option<NodeId>) -> Self {
        Self {
            address,
            node,
            connection: ConnectionState::Disconnected,
            failures: 0,
            avoid_until: None,
            dialled_at: None,
            permanent_failure: None,
        }
    }

    /// Begins an attempt to connect. The receiver holds the result once the attempt has ended.
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
            // Without a receiver the client is dropped, and the tasks of the connection would keep
            // it open.
            if let Err(SendError(Some(Ok(connection)))) = done.send(Some(dialled)) {
                connection.close("the client is closed");
            }
        });
        self.connection = ConnectionState::Connecting(dialling.clone());
        self.dialled_at = Some(now);
        dialling
    }

    fn is_connected(&self) -> bool {
        match &self.connection {
            ConnectionState::Connected(connection) => connection.is_open(),
            ConnectionState::Connecting(_) | ConnectionState::Disconnected => false,
        }
    }

    /// Whether there is no connection, no attempt in progress, and none has begun within
    /// [`AVOID_MIN`].
    fn may_dial(&self, now: Instant) -> bool {
        let idle = match &self.connection {
            ConnectionState::Connected(connection) => !connection.is_open(),
            ConnectionState::Connecting(_) => false,
            ConnectionState::Disconnected => true,
        };
        idle && self.dialled_at.is_none_or(|at| now.duration_since(at) >= AVOID_MIN)
    }

    /// Records a failure. A failure that several callers observe counts once.
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
