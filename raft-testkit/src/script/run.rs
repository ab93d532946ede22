//! Runs a scenario: each statement is a call of the cluster.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::Failure;
use super::scenario::{Line, Scenario};
use super::statement::{BulkAction, Fault, MessageAction, Statement};
use crate::cluster::{Cluster, RequestHandle};
use crate::selector::Selector;
use crate::trace::files;

/// A scenario that runs.
struct ScenarioRun {
    cluster: Cluster,
    /// The requests that have names.
    named: BTreeMap<String, RequestHandle>,
}

impl Scenario {
    /// Runs the scenario; `name` names the files of its trace.
    ///
    /// # Errors
    /// The first statement that fails, with the report. The trace is then written in every format
    /// into the directory for failures.
    pub fn run(&self, name: &str) -> Result<Cluster, Failure> {
        let mut run = ScenarioRun { cluster: self.cluster(name), named: BTreeMap::new() };
        for Line { number, text, statement } in &self.statements {
            let outcome = catch_unwind(AssertUnwindSafe(|| run.execute(statement)));
            let report = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(report)) => run.cluster.report(&report),
                Err(panic) => match panic.downcast::<String>() {
                    Ok(report) => *report,
                    Err(panic) => (*panic.downcast_ref::<&str>().unwrap_or(&"panicked")).to_owned(),
                },
            };
            // The report is returned even if the trace cannot be written.
            let _ = files::write_failure(&run.cluster.trace());
            return Err(Failure { line: *number, statement: text.clone(), report });
        }
        Ok(run.cluster)
    }

    fn cluster(&self, name: &str) -> Cluster {
        let options = &self.options;
        let mut cluster = Cluster::new(options.nodes)
            .scenario(&self.title)
            .named(name)
            .described(&self.description)
            .defined_in_file(name)
            .seed(options.seed)
            .timers(options.timers)
            .pre_vote(options.pre_vote)
            .follower_reads(options.follower_reads)
            .apply_failure(options.apply_failure);
        if options.spares > 0 {
            cluster = cluster.spares(options.spares);
        }
        if let Some(drift) = options.lease {
            cluster = cluster.leases(drift);
        }
        if let Some((entries, appends)) = options.window {
            cluster = cluster.window(entries, appends);
        }
        if let Some(entries) = options.keep {
            cluster = cluster.keep(entries);
        }
        cluster
    }
}

impl ScenarioRun {
    fn execute(&mut self, statement: &Statement) -> Result<(), String> {
        let cluster = &mut self.cluster;
        match statement {
            Statement::Section(title) => {
                cluster.section(title);
            }
            Statement::Uses(features) => {
                let paths: Vec<&str> = features.iter().map(String::as_str).collect();
                cluster.last_section().uses(&paths);
            }
            Statement::Tests(features) => {
                let paths: Vec<&str> = features.iter().map(String::as_str).collect();
                cluster.last_section().tests(&paths);
            }
            Statement::Remark(text) => cluster.remark(text),
            Statement::Start => cluster.start(),
            Statement::Campaign(node) => cluster.campaign(*node),
            Statement::Elect(node) => cluster.elect(*node),
            Statement::StepDown(node) => cluster.step_down(*node),
            Statement::Heartbeat(node) => cluster.heartbeat(*node),
            Statement::Tick(node) => cluster.tick(*node),
            Statement::TakeSnapshot(node) => cluster.take_snapshot(*node),
            Statement::Compact(node) => cluster.compact(*node),
            Statement::Flush(node) => cluster.flush(*node),
            Statement::Run(duration) => cluster.run_for(*duration),
            Statement::Propose { node, text, name } => {
                let handle = cluster.propose(*node, text);
                self.name(name.as_ref(), handle);
            }
            Statement::Clock { node, rate } => cluster.clock_rate(*node, *rate),
            Statement::Read { node, consistency, name } => {
                let handle = cluster.read_with(*node, *consistency);
                self.name(name.as_ref(), handle);
            }
            Statement::Transfer { from, to, name } => {
                let handle = cluster.transfer(*from, *to);
                self.name(name.as_ref(), handle);
            }
            Statement::ChangeMembership { node, if_version, change, name } => {
                let handle = change.request(cluster, *node, *if_version);
                self.name(name.as_ref(), handle);
            }
            Statement::AllMessages(action) => act_on_all(cluster, *action),
            Statement::Messages(action, selector) => act_on(cluster, *action, selector.clone()),
            Statement::DeliverUntil(condition) => cluster.deliver_until(condition.clone()),
            Statement::LoseNothing => cluster.lose_nothing(),
            Statement::Expect(expectation) => {
                cluster.start();
                return expectation.check(cluster, &self.named);
            }
            Statement::Fault(fault) => inject(cluster, fault),
        }
        Ok(())
    }

    fn name(&mut self, name: Option<&String>, handle: RequestHandle) {
        if let Some(name) = name {
            self.named.insert(name.clone(), handle);
        }
    }
}

fn act_on_all(cluster: &mut Cluster, action: BulkAction) {
    match action {
        BulkAction::Send => cluster.send_all(),
        BulkAction::Handle => cluster.handle_all(),
        BulkAction::Deliver => drop(cluster.deliver_all()),
        BulkAction::Drop => drop(cluster.drop_all()),
    }
}

fn act_on(cluster: &mut Cluster, action: MessageAction, selector: Selector) {
    match action {
        MessageAction::Send => drop(cluster.send(selector)),
        MessageAction::Handle => drop(cluster.handle(selector)),
        MessageAction::Deliver => drop(cluster.deliver(selector)),
        MessageAction::Drop => drop(cluster.drop(selector)),
        MessageAction::Hold => drop(cluster.hold(selector)),
        MessageAction::Release => drop(cluster.release(selector)),
        MessageAction::Duplicate => drop(cluster.duplicate(selector)),
        MessageAction::Delay => drop(cluster.delay(selector)),
        MessageAction::Lose => cluster.lose(selector),
        MessageAction::Corrupt => drop(cluster.corrupt(selector)),
    }
}

fn inject(cluster: &mut Cluster, fault: &Fault) {
    match fault {
        Fault::Partition(groups, cut_off) => {
            let groups: Vec<&[u64]> = groups.iter().map(Vec::as_slice).collect();
            cluster.partition_with(&groups, *cut_off);
        }
        Fault::Heal { keep_held: true } => cluster.heal(),
        Fault::Heal { keep_held: false } => cluster.heal_without_held(),
        Fault::Cut(from, to) => cluster.cut(*from, *to),
        Fault::Reconnect(from, to) => cluster.reconnect(*from, *to),
        Fault::CutOff(node) => cluster.cut_off(*node),
        Fault::Crash(node, crash) => cluster.crash(*node, *crash),
        Fault::Restart(node) => cluster.restart(*node),
        Fault::Wipe(node) => cluster.wipe(*node),
        Fault::Block(node) => cluster.block(*node),
        Fault::Unblock(node) => cluster.unblock(*node),
        Fault::SetTerm(node, term) => cluster.set_term(*node, *term),
        Fault::Disk { node, by_hand: true } => cluster.disk_by_hand(*node),
        Fault::Disk { node, by_hand: false } => cluster.disk_at_once(*node),
        Fault::Machine { node, by_hand: true } => cluster.apply_by_hand(*node),
        Fault::Machine { node, by_hand: false } => cluster.apply_at_once(*node),
        Fault::Snapshots { node, by_hand: true } => cluster.snapshots_by_hand(*node),
        Fault::Snapshots { node, by_hand: false } => cluster.snapshots_at_once(*node),
        Fault::Snapshot { node, fails: true } => cluster.fail_snapshot(*node),
        Fault::Snapshot { node, fails: false } => cluster.complete_snapshot(*node),
        Fault::Persist { node, count: None } => cluster.complete_all_persists(*node),
        Fault::Persist { node, count: Some(count) } => cluster.complete_persists(*node, *count),
        Fault::Fetch(node) => cluster.complete_fetch(*node),
        Fault::Apply(node) => cluster.complete_apply(*node),
        Fault::FailCommands(node) => cluster.fail_commands(*node),
        Fault::FailCommand(node, text) => cluster.fail_command(*node, text),
        Fault::ClearCommandFailures(node) => cluster.clear_command_failures(*node),
        Fault::MarkFixed(node) => drop(cluster.mark_fixed(*node)),
    }
}
