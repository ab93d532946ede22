//! Three nodes in one thread, with stores in memory and virtual time: an election, commands, and
//! the crash and restart of the leader. Run it with `cargo run --release -p raft-core --example
//! three_nodes`.
#![allow(clippy::print_stdout, reason = "an example prints what happens")]

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;

use raft_core::{
    BrokenMark, ClusterId, Config, Effect, EntriesFetched, Entry, Event, GroupId, HardState,
    Identity, Incarnation, Input, LogId, LogIndex, Membership, Node, NodeId, Payload, Persist,
    Proposal, Recovered, RequestId, RoleKind, Settings, TermRuns, Timestamp,
};

/// A log store in memory. It survives a crash of its node, as a disk does.
#[derive(Default)]
struct Store {
    hard_state: HardState,
    /// The configuration with which the store was bootstrapped.
    base_membership: Option<(LogIndex, Membership)>,
    log: Vec<Entry>,
    broken: Option<BrokenMark>,
}

impl Store {
    fn persist(&mut self, change: Persist) {
        if let Some(reset) = change.reset {
            self.base_membership = Some(reset.membership); // no snapshots: only the bootstrap resets
        }
        if let Some(from) = change.truncate_from {
            self.log.retain(|entry| entry.index() < from);
        }
        self.log.extend(change.entries);
        self.hard_state = change.hard_state.unwrap_or(self.hard_state);
        self.broken = change.broken.or_else(|| self.broken.take());
    }

    fn read(&self, from: LogIndex, last: LogIndex) -> Vec<Entry> {
        let requested = self.log.iter().filter(|entry| (from..=last).contains(&entry.index()));
        requested.cloned().collect()
    }

    fn recover(&self) -> Recovered {
        let mut recovered = Recovered {
            hard_state: self.hard_state,
            base: LogId::ORIGIN, // nothing is compacted
            terms: TermRuns::starting_after(LogId::ORIGIN),
            memberships: self.base_membership.iter().cloned().collect(),
            broken: self.broken.clone(),
        };
        for entry in &self.log {
            recovered.terms.push(entry.id).expect("the log is contiguous");
            if let Payload::Membership(membership) = &entry.payload {
                recovered.memberships.push((entry.index(), Membership::clone(membership)));
            }
        }
        recovered
    }
}

/// A node with what its host keeps for it. The state machine appends each command to a text.
struct Host {
    node: Option<Node>,
    store: Store,
    text: String,
}

/// Three hosts, the inputs that wait for them, and the time.
struct Cluster {
    hosts: BTreeMap<NodeId, Host>,
    inputs: VecDeque<(NodeId, Input)>,
    now: Timestamp,
}

impl Cluster {
    fn new() -> Result<Self, Box<dyn Error>> {
        let host = || Host { node: None, store: Store::default(), text: String::new() };
        let hosts = [1, 2, 3].map(|id| (NodeId(id), host())).into();
        let mut cluster = Self { hosts, inputs: VecDeque::new(), now: Timestamp(0) };
        let members = Membership::of_voters([1, 2, 3].map(NodeId));
        for id in 1..=3 {
            cluster.host(NodeId(id)).store.persist(Persist::bootstrap(members.clone()));
            cluster.start(NodeId(id))?;
        }
        Ok(cluster)
    }

    fn host(&mut self, id: NodeId) -> &mut Host {
        self.hosts.get_mut(&id).expect("the nodes are 1, 2 and 3")
    }

    /// Starts a node from its store. The state machine begins empty and applies the log again.
    fn start(&mut self, id: NodeId) -> Result<(), Box<dyn Error>> {
        let (cluster, group, incarnation) = (ClusterId(7), GroupId(0), Incarnation(1));
        let identity = Identity { cluster, group, node: id, incarnation };
        let config = Config::new(identity, id.get() + self.now.0, Settings::default())?;
        let now = self.now;
        let host = self.host(id);
        host.text.clear();
        host.node = Some(Node::new(config, host.store.recover(), now)?);
        println!("node {id} starts with {} entries", host.store.log.len());
        Ok(())
    }

    /// Steps nodes until no input is left, and executes their effects.
    fn run(&mut self) {
        let mut effects = Vec::new();
        while let Some((id, input)) = self.inputs.pop_front() {
            let now = self.now;
            let Some(node) = &mut self.host(id).node else { continue };
            node.step(now, input, &mut effects);
            for effect in effects.drain(..) {
                self.execute(id, effect);
            }
        }
    }

    fn execute(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Persist(change) => {
                let persisted = Input::Persisted(change.id);
                self.host(id).store.persist(change);
                self.inputs.push_back((id, persisted));
            }
            Effect::Send(message) => self.inputs.push_back((message.to, Input::Message(message))),
            Effect::FetchEntries(fetch) => {
                let entries = self.host(id).store.read(fetch.from, fetch.last);
                let fetched = EntriesFetched { id: fetch.id, from: fetch.from, entries };
                self.inputs.push_back((id, Input::EntriesFetched(fetched)));
            }
            Effect::Apply(entries) => {
                let last = entries.last().map(|committed| committed.entry.index());
                for committed in entries {
                    if let Payload::Command(command) = committed.entry.payload {
                        self.host(id).text += &String::from_utf8_lossy(&command);
                    }
                    if let Some(request) = committed.request {
                        println!("node {id} completes request {request}: {}", self.host(id).text);
                    }
                }
                self.inputs.extend(last.map(|last| (id, Input::Applied(last))));
            }
            // This host reports no durably applied index: its logs are never compacted.
            Effect::Compact(_)
            | Effect::TakeSnapshot
            | Effect::SendSnapshot(_)
            | Effect::RestoreSnapshot(_) => {}
            Effect::Respond(response) => println!("node {id}: {response:?}"),
            Effect::Event(Event::RoleChanged { role, term, .. }) => {
                println!("node {id} is {role:?} in term {term}");
            }
            Effect::Event(_) => {}
            Effect::Halt(reason) => {
                println!("node {id} halts: {reason}");
                self.host(id).node = None;
            }
        }
    }

    /// Lets the time pass to the next deadline of a node.
    fn tick(&mut self) {
        let deadlines = self.running().map(|(id, node)| (node.deadline(), id));
        let (deadline, id) = deadlines.min().expect("a node runs");
        self.now = deadline.max(self.now);
        self.inputs.push_back((id, Input::Tick));
        self.run();
    }

    fn running(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.hosts.iter().filter_map(|(&id, host)| Some((id, host.node.as_ref()?)))
    }

    /// Lets the time pass until a node leads.
    fn leader(&mut self) -> NodeId {
        loop {
            let leader = self.running().find(|(_, node)| node.role() == RoleKind::Leader);
            if let Some((id, _)) = leader {
                return id;
            }
            self.tick();
        }
    }

    fn propose(&mut self, id: NodeId, request: u64, command: &'static str) {
        let proposal = Proposal { id: RequestId(request), command: command.into() };
        self.inputs.push_back((id, Input::Propose(vec![proposal])));
        self.run();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut cluster = Cluster::new()?;
    let first = cluster.leader();
    cluster.propose(first, 1, "a");
    cluster.propose(first, 2, "b");

    println!("node {first} crashes");
    cluster.host(first).node = None;
    let second = cluster.leader();
    cluster.propose(second, 3, "c");

    cluster.start(first)?;
    while cluster.hosts.values().any(|host| host.text.len() < "abc".len()) {
        cluster.tick();
    }
    for (id, host) in &cluster.hosts {
        println!("node {id} has applied {:?}", host.text);
        assert_eq!(host.text, "abc");
    }
    assert!(cluster.running().all(|(_, node)| node.leader() == Some(second)));
    Ok(())
}

#[test]
fn a_restarted_node_applies_all_commands() {
    main().expect("three nodes elect leaders and commit");
}
