//! Steps of the nodes, and the records of what happens.

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{Effect, Input};

use super::sim_cluster::Cluster;
use crate::check::Violation;
use crate::network::slot_of;
use crate::recorder::NewRecord;
use crate::trace::record::{MessageView, RecordKind};

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Passes one input to a node and queues the effects. Returns the number of the record.
    pub(crate) fn step(
        &mut self,
        at: usize,
        input: Input,
        kind: RecordKind,
        cause: Option<u64>,
    ) -> u64 {
        self.step_with(at, input, kind, cause, None)
    }

    pub(super) fn step_with(
        &mut self,
        at: usize,
        input: Input,
        kind: RecordKind,
        cause: Option<u64>,
        message: Option<MessageView>,
    ) -> u64 {
        let mut effects = self.take_input(at, input);
        let record = self.record_with(at, kind, cause, message);
        self.dispatch_effects(at, &mut effects, record);
        self.effects = effects;
        self.panic_if_violated();
        record
    }

    /// Like [`Cluster::step`], for a step that has a record already.
    pub(super) fn step_as(&mut self, at: usize, input: Input, record: u64) {
        let mut effects = self.take_input(at, input);
        self.dispatch_effects(at, &mut effects, record);
        self.effects = effects;
        self.panic_if_violated();
    }

    fn take_input(&mut self, at: usize, input: Input) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        let node = &mut self.nodes[at];
        if let Some(core) = node.core.as_mut() {
            core.step(node.clock.at(self.now), input, &mut effects);
            node.status = core.status();
        }
        self.events += 1;
        effects
    }

    /// Records an event of a node with the current state of the node.
    pub(crate) fn record_at(&mut self, at: usize, kind: RecordKind, cause: Option<u64>) -> u64 {
        self.record_with(at, kind, cause, None)
    }

    pub(crate) fn record_with(
        &mut self,
        at: usize,
        kind: RecordKind,
        cause: Option<u64>,
        message: Option<MessageView>,
    ) -> u64 {
        if !self.recorder.is_enabled() {
            return self.recorder.skip();
        }
        let node = &self.nodes[at];
        let state = Some(node.state(node.status.role));
        let new = NewRecord { node: Some(node.id), kind, cause, message, state };
        self.recorder.push(self.now, new)
    }

    /// Records an event that belongs to no node.
    pub(crate) fn record_cluster(&mut self, kind: RecordKind) -> u64 {
        let new = NewRecord { node: None, kind, cause: None, message: None, state: None };
        self.recorder.push(self.now, new)
    }

    /// If a rule is violated: records that, and panics with the report unless
    /// [`Cluster::without_panic`] is set.
    pub(crate) fn panic_if_violated(&mut self) {
        let Some(violation) = self.checker.violation() else { return };
        let violation = violation.clone();
        self.record_violation(&violation);
        if self.settings.panic_on_violation {
            self.fail(&violation.to_string());
        }
    }

    /// Records a violation, once, at the node of the later observation.
    fn record_violation(&mut self, violation: &Violation) {
        if !self.recorder.is_enabled() || self.recorder.has_violation() {
            return;
        }
        let Violation { rule, earlier, later } = violation;
        let text = format!("{}; {}", earlier.text, later.text);
        let kind = RecordKind::Violation { rule: rule.name().to_owned(), text };
        let observed = self.recorder.record(later.record);
        let cause = observed.map(|record| record.sequence);
        if let Some(node) = observed.and_then(|record| record.node) {
            self.record_at(slot_of(node), kind, cause);
        } else {
            self.record_cluster(kind);
        }
    }
}
