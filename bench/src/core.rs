//! Measures the algorithm alone: committed entries a second of three nodes in one thread, without
//! disk and network. 256-byte commands, proposed in batches of 1, 64 and 256.
//!
//! `core-bench [--json FILE]`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and panics on errors"
)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_core::{
    ClusterId, Config, Effect, GroupId, Identity, Incarnation, Input, LogIndex, Membership, Node,
    NodeId, Proposal, Recovered, RequestId, RoleKind, Settings, Timestamp,
};

const NODES: usize = 3;
const COMMAND_BYTES: usize = 256;
const ROUNDS: usize = 5;
const ROUND_TIME: Duration = Duration::from_millis(1000);

struct Cluster {
    nodes: Vec<Node>,
    inputs: VecDeque<(usize, Input)>,
    effects: Vec<Effect>,
    applied: Vec<LogIndex>,
    now: Timestamp,
}

impl Cluster {
    fn new() -> Self {
        let membership = Membership::of_voters((1..).take(NODES).map(NodeId));
        let nodes = (1..)
            .take(NODES)
            .map(|id| {
                let identity = Identity {
                    cluster: ClusterId(1),
                    group: GroupId(0),
                    node: NodeId(id),
                    incarnation: Incarnation(1),
                };
                let config = Config::new(identity, id, Settings::default()).unwrap();
                let memberships = vec![(LogIndex::ZERO, membership.clone())];
                let recovered = Recovered { memberships, ..Recovered::default() };
                Node::new(config, recovered, Timestamp(0)).unwrap()
            })
            .collect();
        let mut cluster = Self {
            nodes,
            inputs: VecDeque::new(),
            effects: Vec::new(),
            applied: vec![LogIndex::ZERO; NODES],
            now: Timestamp(0),
        };
        cluster.inputs.push_back((0, Input::Campaign));
        cluster.settle();
        assert_eq!(cluster.nodes[0].role(), RoleKind::Leader);
        cluster
    }

    /// Executes effects until there are none.
    fn settle(&mut self) {
        while let Some((at, input)) = self.inputs.pop_front() {
            self.nodes[at].step(self.now, input, &mut self.effects);
            for effect in self.effects.drain(..) {
                match effect {
                    Effect::Persist(persist) => {
                        self.inputs.push_back((at, Input::Persisted(persist.id)));
                    }
                    Effect::Send(message) => {
                        let to = usize::try_from(message.to.get()).unwrap() - 1;
                        self.inputs.push_back((to, Input::Message(message)));
                    }
                    Effect::Apply(batch) => {
                        let last = batch.last().unwrap().entry.index();
                        self.applied[at] = last;
                        self.inputs.push_back((at, Input::Applied(last)));
                    }
                    Effect::FetchEntries(fetch) => panic!("nothing is evicted: {fetch:?}"),
                    Effect::Respond(response) => panic!("nothing is refused: {response:?}"),
                    Effect::Halt(reason) => panic!("{reason}"),
                    Effect::Compact(_)
                    | Effect::TakeSnapshot
                    | Effect::SendSnapshot(_)
                    | Effect::RestoreSnapshot(_) => panic!("nothing is durably applied"),
                    Effect::Event(_) => {}
                }
            }
        }
    }

    /// Proposes batches for [`ROUND_TIME`] and returns the committed entries a second.
    fn run(&mut self, batch: usize, command: &Bytes) -> f64 {
        let first = self.applied[0];
        let start = Instant::now();
        let mut next_id = 0;
        while start.elapsed() < ROUND_TIME {
            for _ in 0..16 {
                let proposals = (0..batch)
                    .map(|_| {
                        next_id += 1;
                        Proposal { id: RequestId(next_id), command: command.clone() }
                    })
                    .collect();
                self.inputs.push_back((0, Input::Propose(proposals)));
                self.settle();
            }
        }
        let committed = self.applied[0].distance_from(first);
        committed as f64 / start.elapsed().as_secs_f64()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let json_file = arguments.find(|a| a == "--json").and_then(|_| arguments.next());
    let command = Bytes::from(vec![7; COMMAND_BYTES]);
    let mut rows = Vec::new();
    println!("raft-core alone: {NODES} nodes in one thread, {COMMAND_BYTES}-byte commands");
    println!("{:>6}  {:>14}  {:>14}  {:>14}", "batch", "min/s", "median/s", "max/s");
    for batch in [1, 64, 256] {
        let mut rates: Vec<f64> =
            (0..ROUNDS).map(|_| Cluster::new().run(batch, &command)).collect();
        rates.sort_by(f64::total_cmp);
        let (min, median, max) = (rates[0], rates[ROUNDS / 2], rates[ROUNDS - 1]);
        println!("{batch:>6}  {min:>14.0}  {median:>14.0}  {max:>14.0}");
        rows.push(format!(
            r#"{{"batch":{batch},"min":{min:.0},"median":{median:.0},"max":{max:.0}}}"#
        ));
    }
    if let Some(file) = json_file {
        let json = format!(
            r#"{{"bench":"core","unit":"committed entries/s","nodes":{NODES},"command_bytes":{COMMAND_BYTES},"rows":[{}]}}"#,
            rows.join(",")
        );
        std::fs::write(file, json).unwrap();
    }
}
