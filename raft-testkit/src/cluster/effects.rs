//! Effects of the core, and the completion of work that is not controlled by the test.

use raft_core::ports::{ApplyError, LogStore, StateMachine};
use raft_core::{Effect, Event, HaltReason, Input, Persist, RoleCause, RoleKind};

use super::sim_cluster::Cluster;
use crate::recorder::NewRecord;
use crate::sim_node::{ApplyWork, Completion};
use crate::trace::record::{
    EntryView, Liveness, MembershipView, RecordKind, ResetView, Vote, command_text,
};

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// Queues the effects of one step.
    pub(super) fn dispatch_effects(&mut self, at: usize, effects: &mut Vec<Effect>, record: u64) {
        // The checker needs the log before the messages and the commit index that depend on it.
        for effect in effects.iter() {
            if let Effect::Persist(change) = effect {
                let commit = self.nodes[at].status.commit_index;
                self.checker.on_persist(at, change, commit, record);
            }
        }
        self.observe_lease(at);
        self.checker.observe(at, &self.nodes[at].status, record);
        let node = &self.nodes[at];
        self.checker.check_settings(at, &node.config, &node.status, record);
        for effect in effects.drain(..) {
            match effect {
                Effect::Persist(change) => self.start_persist(at, change, record),
                Effect::Send(message) => {
                    self.checker.on_send(&message, record);
                    self.network.emit(message, Some(record));
                }
                Effect::FetchEntries(request) => {
                    self.nodes[at].fetches.push_back((request, record));
                }
                Effect::Apply(batch) => {
                    self.nodes[at].applies.push_back((ApplyWork::Apply(batch), record));
                }
                Effect::Compact(_)
                | Effect::TakeSnapshot
                | Effect::SendSnapshot(_)
                | Effect::RestoreSnapshot(_) => self.dispatch_snapshot_effect(at, effect, record),
                Effect::Respond(response) => self.on_response(at, response, record),
                Effect::Event(event) => self.on_event(at, event, record),
                Effect::Halt(reason) => self.on_halt(at, &reason, record),
            }
        }
    }

    /// Notifies the checker when the lease of a node ends, in virtual time.
    pub(super) fn observe_lease(&mut self, at: usize) {
        let node = &self.nodes[at];
        let end = node.status.lease_end.map(|end| node.clock.when(end));
        self.checker.observe_lease(at, self.now, end);
    }

    fn start_persist(&mut self, at: usize, change: Persist, record: u64) {
        let started = if self.recorder.is_enabled() {
            let kind = RecordKind::PersistStarted {
                persist: change.id,
                reset: change.reset.as_ref().map(ResetView::of),
                truncate_from: change.truncate_from,
                entries: change.entries.iter().map(EntryView::of).collect(),
                vote: change
                    .hard_state
                    .map(|state| Vote { term: state.term, voted_for: state.voted_for }),
            };
            self.record_at(at, kind, Some(record))
        } else {
            self.recorder.skip()
        };
        self.nodes[at].persists.push_back((change, started));
    }

    fn on_event(&mut self, at: usize, event: Event, record: u64) {
        let kind = match event {
            Event::RoleChanged { role, cause, .. } => {
                self.on_role_changed(at, role, cause, record);
                return;
            }
            Event::MembershipInForce { version, membership } => {
                let membership = MembershipView::of(&membership);
                RecordKind::MembershipInForce { version, membership }
            }
            Event::AcknowledgementFell { follower, from, to } => {
                RecordKind::AcknowledgementFell { follower, from, to }
            }
            Event::SettingsContradicted { rule, .. } => {
                RecordKind::SettingsContradicted { rule: rule.to_string() }
            }
            Event::Truncated { from, last } => RecordKind::Truncated { from, last },
            Event::SnapshotInstalled { last, keeps_later_entries, .. } => {
                if keeps_later_entries {
                    self.snapshot_counts.suffix_keeping_installs += 1;
                } else {
                    self.snapshot_counts.replacing_installs += 1;
                }
                RecordKind::SnapshotInstalled { last, keeps_later_entries }
            }
            Event::SnapshotDiscarded { last } => {
                self.snapshot_counts.discarded += 1;
                RecordKind::SnapshotDiscarded { last }
            }
            Event::ApplyRetried { index } => RecordKind::ApplyRetried { index },
            Event::MessageRefused { reason, .. } => {
                RecordKind::MessageRefused { why: reason.to_string() }
            }
            Event::TransferStarted { to } => RecordKind::TransferStarted { to },
            Event::TransferCompleted { leader, term } => {
                RecordKind::TransferCompleted { leader, term }
            }
            Event::TransferFailed { to, failure } => {
                RecordKind::TransferFailed { to, why: failure.to_string() }
            }
            // The failure has a record already: the one of its input.
            Event::ApplyFailed { .. } | Event::LeaderDiscovered { .. } => return,
            // The state in each record has the term, and what is lost has a record of its own.
            Event::TermEntered { .. }
            | Event::FollowerSilent { .. }
            | Event::FollowerResponds { .. } => return,
            // They have records of the host.
            Event::Compacted { .. }
            | Event::SnapshotSending { .. }
            | Event::SnapshotSent { .. } => {
                return;
            }
            unknown => self.fail(&format!("this event has no record in traces: {unknown:?}")),
        };
        self.record_at(at, kind, Some(record));
    }

    fn on_role_changed(&mut self, at: usize, role: RoleKind, cause: RoleCause, record: u64) {
        let node = &mut self.nodes[at];
        let from = std::mem::replace(&mut node.recorded_role, role);
        if role == RoleKind::Leader {
            self.checker.on_elected(at, record);
        }
        let node = &self.nodes[at];
        if !self.recorder.is_enabled() {
            self.recorder.skip();
            return;
        }
        let state = Some(node.state(role));
        let kind = RecordKind::RoleChanged {
            from: from.into(),
            to: role.into(),
            why: cause_text(cause).to_owned(),
        };
        let new =
            NewRecord { node: Some(node.id), kind, cause: Some(record), message: None, state };
        self.recorder.push(self.now, new);
    }

    fn on_halt(&mut self, at: usize, reason: &HaltReason, record: u64) {
        self.nodes[at].liveness = Liveness::Halted;
        let reason = reason.to_string();
        self.record_at(at, RecordKind::Halted { reason }, Some(record));
    }

    /// Completes the work that is not controlled by the test, until none is left.
    pub(crate) fn settle(&mut self, at: usize) {
        while self.checker.violation().is_none() {
            let node = &self.nodes[at];
            let disk_at_once = node.disk_completion == Completion::Immediate && node.core.is_some();
            let reads_at_once = disk_at_once || node.write_time.is_some() && node.is_up();
            if disk_at_once && (!node.persists.is_empty() || node.unreported.is_some()) {
                let waiting = node.persists.len();
                self.write_persists_at(at, waiting);
                self.report_persisted_at(at);
            } else if reads_at_once && !node.fetches.is_empty() {
                self.complete_fetch_at(at);
            } else if node.apply_completion == Completion::Immediate
                && node.is_up()
                && !node.applies.is_empty()
            {
                self.apply_batch(at);
            } else if node.is_up() && !node.transfer_reports.is_empty() {
                self.report_transfer(at);
            } else if node.capture_completion == Completion::Immediate
                && node.is_up()
                && !node.captures.is_empty()
            {
                self.complete_capture(at);
            } else {
                self.start_slow_write(at);
                return;
            }
        }
    }

    /// Completes the oldest request for entries of the store.
    pub(super) fn complete_fetch_at(&mut self, at: usize) {
        let Some((fetched, record)) = self.nodes[at].fetch() else { return };
        let kind =
            RecordKind::EntriesFetched { from: fetched.from, count: fetched.entries.len() as u64 };
        self.step(at, Input::EntriesFetched(fetched), kind, Some(record));
    }

    /// Stops a node whose state machine failed in a way that does not mark the log.
    pub(super) fn stop_applying(&mut self, at: usize, error: &ApplyError, record: u64) {
        let node = &mut self.nodes[at];
        node.persists.clear();
        node.applies.clear();
        node.liveness = Liveness::Halted;
        let reason = error.to_string();
        let record = self.record_at(at, RecordKind::Halted { reason }, Some(record));
        self.on_node_stopped(at, record);
    }

    /// Applies the oldest batch and reports the result to the node.
    pub(super) fn apply_batch(&mut self, at: usize) {
        let Some((work, record)) = self.nodes[at].applies.pop_front() else { return };
        let batch = match work {
            ApplyWork::Apply(batch) => batch,
            ApplyWork::Restore(last) => return self.restore_snapshot(at, last, record),
        };
        let result = match self.nodes[at].apply(batch) {
            Ok(result) => result,
            Err(error) => return self.stop_applying(at, &error, record),
        };
        for (committed, output) in &result.done {
            self.checker.on_apply(at, &committed.entry, record);
            if let Some(output) = output {
                self.checker.on_output(at, committed.entry.index(), output, record);
            }
        }
        let last = result.done.last().map(|(committed, _)| committed.entry.index());
        let done = if let Some((committed, failure)) = result.failure {
            let reason = failure.reason.clone();
            let kind = RecordKind::ApplyFailed { index: failure.index, reason: reason.clone() };
            let done = self.step(at, Input::ApplyFailed(failure), kind, Some(record));
            if let Some(request) = committed.request {
                self.on_apply_failed(at, request, reason, done);
            }
            done
        } else {
            let Some(last) = last else { return };
            self.step(at, Input::Applied(last), RecordKind::Applied { index: last }, Some(record))
        };
        self.report_durably_applied(at, done);
        for (committed, output) in result.done {
            if let Some(request) = committed.request {
                let text = command_text(&output.unwrap_or_default());
                self.checker.on_acknowledged(at, &committed.entry, done);
                self.on_applied(at, request, text, done);
            }
        }
        self.panic_if_violated();
    }
}

const fn cause_text(cause: RoleCause) -> &'static str {
    match cause {
        RoleCause::Started => "started",
        RoleCause::ElectionTimeout => "election timeout",
        RoleCause::Requested => "requested",
        RoleCause::TransferRequested => "leadership is transferred to it",
        RoleCause::PreVoteWon => "pre-vote won",
        RoleCause::ElectionWon => "election won",
        RoleCause::ElectionLost => "election lost",
        RoleCause::VoteGranted => "granted its vote",
        RoleCause::HigherTerm => "higher term",
        RoleCause::LeaderDiscovered => "leader discovered",
        RoleCause::QuorumLost => "no contact with a quorum",
        RoleCause::StorageStalled => "disk stalled",
        RoleCause::Removed => "removed from the membership",
        RoleCause::Forced => "forced by the test",
        _ => panic!("this cause of a role has no text in traces"),
    }
}
