//! Traces written by hand: each call writes the records that a cluster writes.

use raft_core::{LogId, LogIndex, NodeId, PersistId, Round, Term};
use raft_testkit::trace::record::{
    BodyView, CommandOutcome, EntryView, FORMAT, Header, Liveness, Loss, MessageView, NodeState,
    Record, RecordKind, Role, Side, Trace, VERSION,
};

/// A cluster with only the state that traces show.
pub(crate) struct TraceBuilder {
    trace: Trace,
    states: Vec<NodeState>,
    logs: Vec<Vec<EntryView>>,
    messages: Vec<(MessageView, u64)>,
    persists: u64,
    commands: u64,
    /// The cause of the next records.
    pub(crate) cause: Option<u64>,
}

impl TraceBuilder {
    pub(crate) fn new(nodes: u64, scenario: &str) -> Self {
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            scenario: scenario.to_owned(),
            title: format!("The scenario {scenario}"),
            description: "Summary by hand.".to_owned(),
            source: "package module::test".to_owned(),
            nodes: (1..=nodes).map(NodeId).collect(),
            seed: 1,
        };
        let count = header.nodes.len();
        Self {
            trace: Trace { header, records: Vec::new() },
            states: vec![origin(); count],
            logs: vec![Vec::new(); count],
            messages: Vec::new(),
            persists: 0,
            commands: 0,
            cause: None,
        }
    }

    pub(crate) fn trace(self) -> Trace {
        self.trace
    }

    pub(crate) fn next(&self) -> u64 {
        self.trace.records.len() as u64 + 1
    }

    pub(crate) fn state(&mut self, node: u64) -> &mut NodeState {
        &mut self.states[place(node)]
    }

    pub(crate) fn section(&mut self, title: &str, uses: &[&str], tests: &[&str]) {
        let owned = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect();
        self.cause = None;
        self.push(
            None,
            RecordKind::Section {
                title: title.to_owned(),
                description: String::new(),
                uses: owned(uses),
                tests: owned(tests),
            },
            None,
        );
    }

    /// Writes a record at a node with its present state.
    pub(crate) fn at(&mut self, node: u64, kind: RecordKind) -> u64 {
        self.push(Some(node), kind, None)
    }

    pub(crate) fn start_all(&mut self) {
        for node in 1..=self.states.len() as u64 {
            self.at(node, RecordKind::Started);
        }
    }

    pub(crate) fn role(&mut self, node: u64, to: Role, why: &str) {
        let from = self.state(node).role;
        self.state(node).role = to;
        self.at(node, RecordKind::RoleChanged { from, to, why: why.to_owned() });
    }

    /// Sends a message and returns its number.
    pub(crate) fn send(&mut self, from: u64, to: u64, body: BodyView) -> u64 {
        let id = self.messages.len() as u64 + 1;
        let term = self.state(from).term;
        let view = MessageView { id, from: NodeId(from), to: NodeId(to), term, body };
        let sent = self.push(Some(from), RecordKind::MessageSent, Some(view.clone()));
        self.messages.push((view, sent));
        id
    }

    /// The receiver handles a message; `change` changes its state.
    pub(crate) fn handle(&mut self, id: u64, change: impl FnOnce(&mut NodeState)) -> u64 {
        let (view, sent) = self.messages[place(id)].clone();
        let to = view.to.get();
        change(self.state(to));
        self.cause = Some(sent);
        let handled = self.push(Some(to), RecordKind::MessageHandled, Some(view));
        self.cause = Some(handled);
        handled
    }

    pub(crate) fn lose(&mut self, id: u64, why: Loss) {
        let (view, sent) = self.messages[place(id)].clone();
        let to = view.to.get();
        let before = self.cause.replace(sent);
        self.push(Some(to), RecordKind::MessageLost { why }, Some(view));
        self.cause = before;
    }

    /// Replaces the log from the first of these entries on, durably at once.
    pub(crate) fn append(&mut self, node: u64, entries: &[EntryView]) {
        let Some(first) = entries.first() else { return };
        let log = &mut self.logs[place(node)];
        let keep = place(first.index.get());
        let gone = log.last().filter(|_| log.len() > keep).cloned();
        log.truncate(keep);
        log.extend_from_slice(entries);
        let last = log.last().map_or(LogId::ORIGIN, |last| LogId::new(last.term, last.index));
        self.state(node).last = last;
        if let Some(gone) = &gone {
            let last = LogId::new(gone.term, gone.index);
            self.at(node, RecordKind::Truncated { from: first.index, last });
        }
        self.persists += 1;
        let persist = PersistId(self.persists);
        self.at(
            node,
            RecordKind::PersistStarted {
                persist,
                reset: None,
                truncate_from: gone.map(|_| first.index),
                entries: entries.to_vec(),
                vote: None,
            },
        );
        self.state(node).persisted = last.index;
        self.at(node, RecordKind::PersistDone { persist });
    }

    /// An election with pre-vote that `voters` grant.
    pub(crate) fn elect(&mut self, node: u64, peers: &[u64], voters: &[u64]) {
        self.cause = None;
        let action = self.at(node, RecordKind::TestAction { action: "campaign".to_owned() });
        self.cause = Some(action);
        self.role(node, Role::PreCandidate, "requested");
        let term = self.state(node).term.next();
        let last_log = self.state(node).last;
        let request = BodyView::PreVote { campaign_term: term, last_log };
        let requests: Vec<u64> =
            peers.iter().map(|&to| self.send(node, to, request.clone())).collect();
        let response = BodyView::PreVoteResponse { campaign_term: term, granted: true };
        let responses = self.exchange(node, peers, voters, &requests, &response, |_| ());
        for (at, id) in responses.into_iter().enumerate() {
            self.handle(id, |state| state.term = term);
            if at == 0 {
                self.state(node).voted_for = Some(NodeId(node));
                self.role(node, Role::Candidate, "pre-vote won");
            }
        }
        let request = BodyView::RequestVote { last_log, leadership_transfer: false };
        let requests: Vec<u64> =
            peers.iter().map(|&to| self.send(node, to, request.clone())).collect();
        let response = BodyView::RequestVoteResponse { granted: true };
        let vote = |state: &mut NodeState| {
            state.term = term;
            state.voted_for = Some(NodeId(node));
        };
        let responses = self.exchange(node, peers, voters, &requests, &response, vote);
        let empty = EntryView { index: last_log.index.next(), term, text: "(empty)".to_owned() };
        for (at, id) in responses.into_iter().enumerate() {
            let first = at == 0;
            self.handle(id, |state| {
                if first {
                    state.role = Role::Leader;
                    state.leader = Some(NodeId(node));
                    state.last = LogId::new(term, last_log.index.next());
                }
            });
            if first {
                self.state(node).role = Role::Candidate;
                self.role(node, Role::Leader, "election won");
                self.append(node, std::slice::from_ref(&empty));
            }
        }
        self.replicate(node, voters);
    }

    fn exchange(
        &mut self,
        node: u64,
        peers: &[u64],
        voters: &[u64],
        requests: &[u64],
        response: &BodyView,
        change: impl Fn(&mut NodeState),
    ) -> Vec<u64> {
        let mut responses = Vec::new();
        for (&peer, &request) in peers.iter().zip(requests) {
            if voters.contains(&peer) {
                self.handle(request, &change);
                responses.push(self.send(peer, node, response.clone()));
            } else {
                self.lose(request, Loss::CutOff);
            }
        }
        responses
    }

    /// Submits a command to a leader, which appends it and sends nothing yet.
    pub(crate) fn command(&mut self, node: u64, text: &str) -> u64 {
        self.commands += 1;
        let command = self.commands;
        self.cause = None;
        let start = self.at(node, RecordKind::CommandStarted { command, text: text.to_owned() });
        self.cause = Some(start);
        let (term, index) = (self.state(node).term, self.state(node).last.index.next());
        self.append(node, &[EntryView { index, term, text: text.to_owned() }]);
        command
    }

    pub(crate) fn done(&mut self, node: u64, command: u64, outcome: CommandOutcome) {
        self.at(node, RecordKind::CommandDone { command, outcome });
    }

    /// Replicates the log of the leader to the followers and commits what a majority then has.
    pub(crate) fn replicate(&mut self, leader: u64, followers: &[u64]) {
        let log = self.logs[place(leader)].clone();
        let commit = self.state(leader).commit;
        let mut appends = Vec::new();
        for &follower in followers {
            let theirs = &self.logs[place(follower)];
            let agree = log.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
            let prev = agree.checked_sub(1).map(|at| LogId::new(log[at].term, log[at].index));
            let prev = prev.unwrap_or(LogId::ORIGIN);
            let entries = log[agree..].to_vec();
            let body =
                BodyView::AppendEntries { prev, entries: entries.clone(), commit, round: Round(1) };
            appends.push((follower, self.send(leader, follower, body), entries));
        }
        let (term, last) = (self.state(leader).term, self.state(leader).last);
        let mut responses = Vec::new();
        for (follower, id, entries) in appends {
            self.handle(id, |state| {
                state.term = term;
                state.last = last;
                state.leader = Some(NodeId(leader));
                state.commit = state.commit.max(commit.min(last.index));
            });
            self.append(follower, &entries);
            let body = BodyView::AppendMatched { match_index: last.index, round: Round(1) };
            responses.push(self.send(follower, leader, body));
        }
        let majority = self.states.len() / 2 + 1;
        for (at, id) in responses.into_iter().enumerate() {
            let commits = at + 2 >= majority;
            self.handle(id, |state| {
                if commits {
                    state.commit = last.index;
                }
            });
        }
    }

    pub(crate) fn crash(&mut self, node: u64) {
        self.cause = None;
        let state = self.state(node);
        state.liveness = Liveness::Down;
        state.role = Role::Follower;
        state.commit = LogIndex::ZERO;
        self.at(node, RecordKind::Crashed { lost: 0, kept: 0 });
    }

    pub(crate) fn restart(&mut self, node: u64) {
        self.cause = None;
        self.state(node).liveness = Liveness::Up;
        self.at(node, RecordKind::Restarted);
    }

    pub(crate) fn split(&mut self, node: u64) {
        self.cause = None;
        self.state(node).side = Side::Minority;
        self.at(node, RecordKind::NetSplit);
    }

    pub(crate) fn join(&mut self, node: u64) {
        self.cause = None;
        self.state(node).side = Side::Majority;
        self.at(node, RecordKind::NetJoin);
    }

    fn push(&mut self, node: Option<u64>, kind: RecordKind, message: Option<MessageView>) -> u64 {
        let sequence = self.next();
        self.trace.records.push(Record {
            sequence,
            time: sequence * 1_000_000,
            node: node.map(NodeId),
            kind,
            cause: self.cause,
            message,
            state: node.map(|node| self.states[place(node)].clone()),
        });
        sequence
    }
}

/// A leader in a minority appends commands that are not committed; a new leader replaces them.
pub(crate) fn rewrite() -> Trace {
    let mut builder = TraceBuilder::new(3, "rewrite");
    builder.start_all();
    builder.section("n1 is elected", &["leader_election/all_yes_votes_with_pre_vote"], &[]);
    builder.elect(1, &[2, 3], &[2, 3]);
    builder.section(
        "n1 is cut off and logs two commands",
        &[],
        &["network_partition/minority_leader"],
    );
    builder.split(1);
    for text in ["add 1", "sub 1"] {
        let command = builder.command(1, text);
        builder.done(1, command, CommandOutcome::TimedOut);
    }
    builder.section("n2 takes over", &["leader_election"], &[]);
    builder.elect(2, &[1, 3], &[3]);
    let command = builder.command(2, "add 1");
    builder.replicate(2, &[3]);
    builder.done(2, command, CommandOutcome::Applied("1".to_owned()));
    builder.section(
        "n1 comes back and its log is rewritten",
        &[],
        &["log_replication/conflict_overwritten"],
    );
    builder.join(1);
    builder.role(1, Role::Follower, "requested");
    builder.replicate(2, &[1, 3]);
    builder.section("n3 crashes and catches up", &[], &["log_replication/slow_follower_backdown"]);
    builder.crash(3);
    let command = builder.command(2, "add 7");
    builder.replicate(2, &[1]);
    builder.done(2, command, CommandOutcome::Applied("8".to_owned()));
    builder.restart(3);
    builder.replicate(2, &[3]);
    builder.trace()
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("a small number") - 1
}

fn origin() -> NodeState {
    NodeState {
        liveness: Liveness::Up,
        side: Side::Majority,
        role: Role::Follower,
        term: Term(0),
        voted_for: None,
        leader: None,
        transfer_target: None,
        lease_end: None,
        base: LogIndex(0),
        last: LogId::ORIGIN,
        persisted: LogIndex(0),
        commit: LogIndex(0),
        applied: LogIndex(0),
        apply_failed_at: None,
    }
}
