//! Carrying out the commands of a scenario file.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::RunError;
use super::parse::{Command, Expected, Fault, Move, Outcome, Script, Which};
use crate::cluster::{Cluster, RequestHandle};
use crate::files;
use crate::selector::any;

/// A scenario on its way.
struct Stage {
    cluster: Cluster,
    /// The commands that were given names.
    named: BTreeMap<String, RequestHandle>,
}

impl Script {
    /// Carries the scenario out; `name` names its files.
    ///
    /// # Errors
    /// The first thing that does not hold, with the report.
    pub fn run(&self, name: &str) -> Result<Cluster, RunError> {
        let mut stage = Stage { cluster: self.cluster(name), named: BTreeMap::new() };
        for (line, text, command) in &self.commands {
            let outcome = catch_unwind(AssertUnwindSafe(|| stage.carry_out(command)));
            let report = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(report)) => stage.cluster.report(&report),
                Err(panic) => match panic.downcast::<String>() {
                    Ok(report) => *report,
                    Err(panic) => (*panic.downcast_ref::<&str>().unwrap_or(&"panicked")).to_owned(),
                },
            };
            // The report counts more than the files beside it: it is told even if they fail.
            let _ = files::write_failure(&stage.cluster.trace());
            return Err(RunError::Failed { line: *line, command: text.clone(), report });
        }
        Ok(stage.cluster)
    }

    fn cluster(&self, name: &str) -> Cluster {
        let setup = &self.setup;
        let mut cluster = Cluster::new(setup.nodes)
            .scenario(&self.title)
            .named(name)
            .described(&self.description)
            .repeated_by(&format!("raft-testkit run {name}.raft"))
            .seed(setup.seed)
            .timers(setup.timers)
            .pre_vote(setup.pre_vote)
            .apply_failure(setup.policy);
        if let Some((entries, appends)) = setup.window {
            cluster = cluster.window(entries, appends);
        }
        cluster
    }
}

impl Stage {
    fn carry_out(&mut self, command: &Command) -> Result<(), String> {
        let cluster = &mut self.cluster;
        match command {
            Command::Section(title) => {
                cluster.section(title);
            }
            Command::Uses(features) => {
                let paths: Vec<&str> = features.iter().map(String::as_str).collect();
                cluster.last_section().uses(&paths);
            }
            Command::Tests(features) => {
                let paths: Vec<&str> = features.iter().map(String::as_str).collect();
                cluster.last_section().tests(&paths);
            }
            Command::Remark(text) => cluster.remark(text),
            Command::Start => cluster.start(),
            Command::Campaign(node) => cluster.campaign(*node),
            Command::Elect(node) => cluster.elect(*node),
            Command::StepDown(node) => cluster.step_down(*node),
            Command::Heartbeat(node) => cluster.heartbeat(*node),
            Command::Tick(node) => cluster.tick(*node),
            Command::Run(duration) => cluster.run_for(*duration),
            Command::Propose { node, text, name } => {
                let handle = cluster.propose(*node, text);
                self.remember(name.as_ref(), handle);
            }
            Command::Read { node, name } => {
                let handle = cluster.read(*node);
                self.remember(name.as_ref(), handle);
            }
            Command::Move(moves, which) => move_messages(cluster, *moves, which),
            Command::DeliverUntil(until) => cluster.deliver_until(until.clone()),
            Command::LoseNothing => cluster.lose_nothing(),
            Command::Expect(expected) => {
                cluster.start();
                return self.expect(expected);
            }
            Command::Fault(fault) => break_or_mend(cluster, fault),
        }
        Ok(())
    }

    fn remember(&mut self, name: Option<&String>, handle: RequestHandle) {
        if let Some(name) = name {
            self.named.insert(name.clone(), handle);
        }
    }

    fn expect(&mut self, expected: &Expected) -> Result<(), String> {
        let cluster = &mut self.cluster;
        match expected {
            Expected::Converged => cluster.expect_converged(),
            Expected::NoLeader => cluster.expect_no_leader(),
            Expected::Commit(node, index) => cluster.expect_commit(*node, *index),
            Expected::Last { node, index, term } => cluster.expect_last(*node, *index, *term),
            Expected::Applied(node, index) => {
                let applied = cluster.status(*node).applied_index;
                if applied.get() != *index {
                    return Err(format!(
                        "node {node} should have applied {index}, but has {applied}"
                    ));
                }
            }
            Expected::Total(node, total) => {
                let is = cluster.machine(*node).total();
                if is != *total {
                    return Err(format!("node {node}'s total should be {total}, but is {is}"));
                }
            }
            Expected::Role { node, role, term } => {
                let status = cluster.status(*node);
                let (is, in_term) = (format!("{:?}", status.role).to_lowercase(), status.term);
                if is != role.replace('_', "") || term.is_some_and(|term| in_term.get() != term) {
                    return Err(format!(
                        "node {node} should be a {role} (term {term:?}), but is a {is} in term {in_term}"
                    ));
                }
            }
            Expected::Outcome { name, outcome } => {
                let Some(&handle) = self.named.get(name) else {
                    return Err(format!("no command is called {name:?}"));
                };
                let expectation = cluster.expect(handle);
                match outcome {
                    Outcome::Applied(None) => expectation.is_applied(),
                    Outcome::Applied(Some(output)) => expectation.is_applied_with(output),
                    Outcome::Unknown => expectation.is_unknown(),
                    Outcome::Refused => expectation.is_refused(),
                    Outcome::Retry => expectation.is_to_be_retried(),
                    Outcome::Redirect(node) => expectation.is_redirected_to(*node),
                    Outcome::TimedOut => expectation.is_timed_out(),
                    Outcome::Pending => expectation.is_pending(),
                    Outcome::Failed => expectation.has_failed_to_apply(),
                    Outcome::ReadReady => expectation.is_read_ready(),
                }
            }
        }
        Ok(())
    }
}

fn move_messages(cluster: &mut Cluster, moves: Move, which: &Which) {
    match (moves, which) {
        (Move::Send, Which::All) => cluster.send_all(),
        (Move::Handle, Which::All) => cluster.handle_all(),
        (Move::Deliver, Which::All) => drop(cluster.deliver_all()),
        (Move::Drop, Which::All) => drop(cluster.drop_all()),
        (Move::Send, Which::These(select)) => drop(cluster.send(select.clone())),
        (Move::Handle, Which::These(select)) => drop(cluster.handle(select.clone())),
        (Move::Deliver, Which::These(select)) => drop(cluster.deliver(select.clone())),
        (Move::Drop, Which::These(select)) => drop(cluster.drop(select.clone())),
        (Move::Hold, Which::These(select)) => drop(cluster.hold(select.clone())),
        (Move::Release, Which::These(select)) => drop(cluster.release(select.clone())),
        (Move::Duplicate, Which::These(select)) => drop(cluster.duplicate(select.clone())),
        (Move::Delay, Which::These(select)) => drop(cluster.delay(select.clone())),
        (Move::Lose, Which::These(select)) => cluster.lose(select.clone()),
        (Move::Hold, Which::All) => drop(cluster.hold(any())),
        (Move::Release, Which::All) => drop(cluster.release(any())),
        (Move::Duplicate, Which::All) => drop(cluster.duplicate(any())),
        (Move::Delay, Which::All) => drop(cluster.delay(any())),
        (Move::Lose, Which::All) => cluster.lose(any()),
    }
}

fn break_or_mend(cluster: &mut Cluster, fault: &Fault) {
    match fault {
        Fault::Partition(groups, cut_off) => {
            let groups: Vec<&[u64]> = groups.iter().map(Vec::as_slice).collect();
            cluster.partition_with(&groups, *cut_off);
        }
        Fault::Heal { keep_held: true } => cluster.heal(),
        Fault::Heal { keep_held: false } => cluster.heal_without_held(),
        Fault::Cut(from, to) => cluster.cut(*from, *to),
        Fault::Mend(from, to) => cluster.reconnect(*from, *to),
        Fault::CutOff(node) => cluster.cut_off(*node),
        Fault::Crash(node, crash) => cluster.crash(*node, *crash),
        Fault::Restart(node) => cluster.restart(*node),
        Fault::Block(node) => cluster.block(*node),
        Fault::Unblock(node) => cluster.unblock(*node),
        Fault::SetTerm(node, term) => cluster.set_term(*node, *term),
        Fault::Disk { node, by_hand: true } => cluster.disk_by_hand(*node),
        Fault::Disk { node, by_hand: false } => cluster.disk_at_once(*node),
        Fault::Machine { node, by_hand: true } => cluster.apply_by_hand(*node),
        Fault::Machine { node, by_hand: false } => cluster.apply_at_once(*node),
        Fault::Persist(node, None) => cluster.complete_all_persists(*node),
        Fault::Persist(node, Some(count)) => {
            cluster.complete_persists(*node, usize::try_from(*count).unwrap_or(usize::MAX));
        }
        Fault::Apply(node) => cluster.complete_apply(*node),
        Fault::Rig(node, None) => cluster.fail_commands(*node),
        Fault::Rig(node, Some(text)) => cluster.fail_command(*node, text),
        Fault::Disarm(node) => cluster.clear_command_failures(*node),
        Fault::MarkFixed(node) => drop(cluster.mark_fixed(*node)),
    }
}
