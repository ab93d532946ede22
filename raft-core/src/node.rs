//! placeholder, being written
#![allow(missing_docs)]
use crate::config::{Config, ConfigError};
use crate::effect::Effect;
use crate::event::RoleKind;
use crate::input::Input;
use crate::membership::Membership;
use crate::ports::Recovered;
use crate::types::{LogId, LogIndex, NodeId, Term, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
/// One node's Raft state.
#[derive(Clone, Debug)]
pub struct Node {}
impl Node {
    /// Builds a follower from what was recovered. `bootstrap` is the configuration that an empty log starts from.
    pub fn new(
        _config: Config,
        _recovered: Recovered,
        _bootstrap: Membership,
        _now: Timestamp,
    ) -> Result<Self, ConfigError> {
        todo!()
    }
    /// Takes one input; never blocks, never fails.
    pub fn step(&mut self, _now: Timestamp, _input: Input, _effects: &mut Vec<Effect>) {
        todo!()
    }
    /// When a Tick is next useful.
    pub fn deadline(&self) -> Timestamp {
        todo!()
    }
    /// A snapshot for metrics.
    pub fn status(&self) -> Status {
        todo!()
    }
}
/// What a node knows of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub node: NodeId,
    pub role: RoleKind,
    pub term: Term,
    pub voted_for: Option<NodeId>,
    pub leader: Option<NodeId>,
    pub first_index: LogIndex,
    pub last_log: LogId,
    pub persisted_index: LogIndex,
    pub commit_index: LogIndex,
    pub applied_index: LogIndex,
    pub membership: Membership,
    pub uncommitted_bytes: u64,
    /// only at a leader
    pub progress: BTreeMap<NodeId, ProgressStatus>,
    /// the entry at which the state machine failed and that is not applied yet
    pub apply_failed_at: Option<LogIndex>,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgressStatus {
    pub kind: ProgressKind,
    pub match_index: LogIndex,
    pub next_index: LogIndex,
    pub inflight_appends: usize,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressKind {
    Probe,
    Replicate,
}
