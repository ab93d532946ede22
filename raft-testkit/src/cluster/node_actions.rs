//! Actions on nodes: elections, time, crashes and restarts.

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{
    Body, HardState, Input, Message, Node, NodeId, PreVoteResponse, RecoveryError,
    RequestVoteResponse, RoleKind, Rpc, Term,
};
use raft_storage::MemLogStore;

use super::disk::Crash;
use super::sim_cluster::Cluster;
use crate::condition::{election_settled, leader_is};
use crate::selector::{any, pre_vote, vote};
use crate::trace::record::{Liveness, Loss, RecordKind};

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Starts an election at the node, as if its election timeout had passed.
    ///
    /// # Panics
    /// If there is no such node, or it is not up; the other actions on nodes likewise.
    pub fn campaign(&mut self, node: u64) {
        self.force_input(node, "campaign", Input::Campaign);
    }

    /// Starts an election at the node and moves messages until it leads and the election has
    /// settled ([`election_settled`]).
    pub fn elect(&mut self, node: u64) {
        self.campaign(node);
        self.deliver_until(leader_is(node).and(election_settled()));
    }

    /// Starts an election at the node and moves only the pre-votes and votes of these voters. The
    /// other nodes receive nothing.
    pub fn elect_with(&mut self, node: u64, voters: &[u64]) {
        self.campaign(node);
        for request in [pre_vote(), vote()] {
            for &voter in voters {
                if !self.messages(&request.clone().from(node).to(voter)).is_empty() {
                    self.deliver(request.clone().from(node).to(voter));
                    self.deliver(any().from(voter).to(node).matching(is_vote_response));
                }
            }
        }
        if self.status(node).role != RoleKind::Leader {
            self.fail(&format!("node {node} is not elected by the votes of {voters:?}"));
        }
    }

    /// Makes a leader or candidate a follower in the same term.
    pub fn step_down(&mut self, node: u64) {
        self.force_input(node, "step down", Input::StepDown);
    }

    /// Puts the node into a role without the other nodes: it receives forged votes where it needs a
    /// quorum. The rules are checked as always, so a role that violates one ends the test.
    ///
    /// # Panics
    /// Also if the node cannot take the role, for example a learner.
    pub fn force_role(&mut self, node: u64, role: RoleKind) {
        if role == RoleKind::Follower {
            self.step_down(node);
            return;
        }
        self.campaign(node);
        for wanted in [RoleKind::Candidate, RoleKind::Leader] {
            if role >= wanted && self.status(node).role < wanted {
                self.inject_votes(node);
            }
        }
        let found = self.status(node).role;
        if found != role {
            self.fail(&format!("node {node} cannot be made {role:?}, it is {found:?}"));
        }
    }

    /// Passes the node forged responses of the other voters that grant its request.
    fn inject_votes(&mut self, node: u64) {
        let status = self.status(node).clone();
        let body = if status.role == RoleKind::PreCandidate {
            let campaign_term = status.term.next();
            Body::PreVoteResponse(PreVoteResponse { campaign_term, granted: true })
        } else {
            Body::RequestVoteResponse(RequestVoteResponse { granted: true })
        };
        let at = self.slot(node);
        let to = self.nodes[at].config.identity();
        self.checker.on_votes_forged(to.node, status.term);
        for &voter in status.membership.voters.iter().filter(|&&voter| voter != to.node) {
            if self.status(node).role != status.role {
                return;
            }
            let at = self.slot(voter.get());
            let from = self.nodes[at].config.identity();
            let vote = Message {
                cluster: to.cluster,
                group: to.group,
                from: from.node,
                from_incarnation: from.incarnation,
                to: to.node,
                to_incarnation: None,
                rpc: Rpc::new(status.term, body.clone()).expect("a consistent vote"),
            };
            self.force_input(node, "forged vote", Input::Message(vote));
        }
    }

    /// Advances the virtual time by the heartbeat interval and gives a tick to this leader alone:
    /// its heartbeats are put into its outbox.
    ///
    /// # Panics
    /// Also if the node does not lead.
    pub fn heartbeat(&mut self, node: u64) {
        let at = self.slot(node);
        if self.nodes[at].status.role != RoleKind::Leader {
            self.fail(&format!("node {node} cannot send heartbeats: it does not lead"));
        }
        self.now = self.now.after(self.nodes[at].config.heartbeat_interval);
        self.force_input(node, "heartbeat", Input::Tick);
    }

    /// Gives the node a tick at the current virtual time.
    pub fn tick(&mut self, node: u64) {
        let at = self.slot(node);
        if self.nodes[at].is_up() {
            self.step(at, Input::Tick, RecordKind::TimerFired, None);
            self.settle(at);
        }
    }

    /// Reports to the node that its transport cannot reach a peer.
    pub fn peer_unreachable(&mut self, node: u64, peer: u64) {
        let what = format!("peer {peer} unreachable");
        self.force_input(node, &what, Input::PeerUnreachable(NodeId(peer)));
    }

    pub(super) fn force_input(&mut self, node: u64, what: &str, input: Input) {
        let at = self.slot(node);
        if !self.nodes[at].is_up() {
            self.fail(&format!("node {node} cannot {what}: it is not up"));
        }
        let kind = RecordKind::TestAction { action: what.to_owned() };
        self.step(at, input, kind, None);
        self.settle(at);
    }

    /// Stops the process of the node. [`Crash`] selects which changes that are not durable survive.
    /// Has no effect if the node is down.
    pub fn crash(&mut self, node: u64, crash: Crash) {
        let at = self.slot(node);
        if self.nodes[at].liveness == Liveness::Down {
            return;
        }
        let waiting = self.nodes[at].persists.len();
        let keep = match crash {
            Crash::LoseUnsynced => 0,
            Crash::Keep(count) => count.min(waiting),
            Crash::KeepAll => waiting,
        };
        let (lost, kept) = match self.nodes[at].crash(keep) {
            Ok(result) => result,
            Err(error) => self.fail(&format!("the store of node {node} failed: {error}")),
        };
        self.note_durable(at, &kept);
        self.checker.on_crash(at);
        self.nodes[at].status.role = RoleKind::Follower;
        self.nodes[at].recorded_role = RoleKind::Follower;
        let kind = RecordKind::Crashed { lost: lost as u64, kept: kept.len() as u64 };
        let record = self.record_at(at, kind, None);
        self.on_node_stopped(at, record);
        let outbox = std::mem::take(&mut self.network.outboxes[at]);
        for in_flight in outbox {
            let view = self.view_of(&in_flight);
            let kind = RecordKind::MessageLost { why: Loss::SenderDown };
            self.record_with(at, kind, Some(record), view);
        }
    }

    /// Starts the process of the node again, with its store and a new state machine. Crashes it
    /// first if it is not down.
    ///
    /// # Panics
    /// Also if the node cannot start; see [`Cluster::try_restart`].
    pub fn restart(&mut self, node: u64) {
        if let Err(error) = self.try_restart(node) {
            self.fail(&format!("node {node} does not start: {error}"));
        }
    }

    /// Like [`Cluster::restart`], for a node that may refuse to start.
    ///
    /// # Errors
    /// The reason why the node does not start, for example that its log is marked broken.
    ///
    /// # Panics
    /// If its store or its state machine cannot be opened.
    pub fn try_restart(&mut self, node: u64) -> Result<(), RecoveryError> {
        let at = self.slot(node);
        if self.nodes[at].liveness != Liveness::Down {
            self.crash(node, Crash::LoseUnsynced);
        }
        let slot = &mut self.nodes[at];
        let store = slot.store.take().expect("a store is absent only while its node restarts");
        let mut store = (self.factory.reopen)(node, store);
        let recovered = store.recover().expect("the store opens again");
        slot.store = Some(store);
        slot.machine = (self.factory.machine)(node);
        let mut applied = slot.machine.applied().expect("the state machine opens again");
        let base = recovered.base.index;
        let snapshot = slot.snapshots.on_restart(applied, &recovered.terms);
        if let Some(snapshot) = snapshot.as_ref().filter(|held| held.last.index > applied) {
            snapshot.restore(&mut slot.machine).expect("a snapshot restores a new state machine");
            slot.snapshots.on_restored(snapshot);
            applied = snapshot.last.index;
        }
        assert!(applied >= base, "a host holds a snapshot of the entries that its log lacks");
        // A restarted node draws other random numbers than before.
        let seed = slot.config.seed().wrapping_add(0xD1B5_4A32_D192_ED03);
        slot.config = slot.config.clone().with_seed(seed);
        let now = slot.clock.at(self.now);
        let core = Node::new(slot.config.clone(), recovered, now)?;
        slot.status = core.status();
        slot.recorded_role = slot.status.role;
        slot.core = Some(core);
        slot.liveness = Liveness::Up;
        slot.starts += 1;
        let record = self.record_at(at, RecordKind::Restarted, None);
        if let Some(snapshot) = &snapshot {
            self.checker.on_snapshot(at, snapshot, record);
            self.snapshot_counts.restarts += 1;
        }
        self.checker.on_restart(at, &self.nodes[at].status, applied, record);
        // Committed entries after the applied index are applied again.
        self.step_as(at, Input::Applied(applied), record);
        if snapshot.is_some() {
            self.report_restored(at, applied, record);
        }
        self.settle(at);
        Ok(())
    }

    /// Pauses the node: it handles and sends nothing until [`Cluster::unblock`]. Messages to it
    /// wait on the wire.
    pub fn block(&mut self, node: u64) {
        let at = self.slot(node);
        if self.nodes[at].is_up() {
            self.nodes[at].liveness = Liveness::Blocked;
            self.record_at(at, RecordKind::Blocked, None);
        }
    }

    /// Ends [`Cluster::block`].
    pub fn unblock(&mut self, node: u64) {
        let at = self.slot(node);
        if self.nodes[at].liveness == Liveness::Blocked {
            self.nodes[at].liveness = Liveness::Up;
            self.record_at(at, RecordKind::Unblocked, None);
            self.settle(at);
        }
    }
}

impl<M: StateMachine> Cluster<M, MemLogStore> {
    /// Sets the term in the store of a node, removes its vote, and restarts the node. A real node
    /// does not reach this state.
    ///
    /// # Panics
    /// If there is no such node, or its last entry is of a later term.
    pub fn set_term(&mut self, node: u64, term: u64) {
        let at = self.slot(node);
        self.crash(node, Crash::LoseUnsynced);
        self.record_at(at, RecordKind::TestAction { action: format!("set term {term}") }, None);
        let slot = &mut self.nodes[at];
        let id = slot.id;
        let store = slot.store.as_mut().expect("a store is absent only while its node restarts");
        let commit = store.hard_state().commit;
        let hard_state = HardState { term: Term(term), voted_for: None, commit };
        store.force_hard_state(hard_state);
        self.checker.on_staged(at, id, hard_state);
        self.restart(node);
    }

    /// Removes the mark that the log is broken, as an operator does after the cause is corrected.
    /// Returns whether there was one.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn mark_fixed(&mut self, node: u64) -> bool {
        let at = self.slot(node);
        let store = self.nodes[at].store.as_mut();
        store.expect("a store is absent only while its node restarts").mark_fixed().is_some()
    }
}

const fn is_vote_response(message: &Message) -> bool {
    matches!(message.body(), Body::PreVoteResponse(_) | Body::RequestVoteResponse(_))
}
