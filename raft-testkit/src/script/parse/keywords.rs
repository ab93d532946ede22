//! The keywords of scenario files, for hints in errors and for the check of the documentation.

/// The first word of every statement.
pub(super) const STATEMENTS: &[&str] = &[
    "apply",
    "block",
    "campaign",
    "change",
    "clear_command_failures",
    "clock",
    "cluster",
    "compact",
    "corrupt",
    "crash",
    "cut",
    "cut_off",
    "delay",
    "deliver",
    "disk",
    "drop",
    "duplicate",
    "elect",
    "expect",
    "fail_command",
    "fail_commands",
    "fetch",
    "flush",
    "handle",
    "heal",
    "heartbeat",
    "hold",
    "lose",
    "machine",
    "mark_fixed",
    "partition",
    "persist",
    "propose",
    "read",
    "reconnect",
    "release",
    "remark",
    "restart",
    "run",
    "send",
    "set_term",
    "snapshot",
    "snapshots",
    "start",
    "step_down",
    "take_snapshot",
    "tests",
    "tick",
    "transfer",
    "unblock",
    "uses",
    "wipe",
];

/// The options of `cluster`.
pub(super) const OPTIONS: &[&str] = &[
    "follower_reads",
    "halt",
    "keep",
    "lease",
    "pre_vote",
    "retry",
    "seed",
    "spares",
    "timers",
    "window",
];

/// The first word of every change of the membership.
pub(super) const CHANGES: &[&str] =
    &["add", "demote", "priority", "promote", "remove", "replace", "set", "settings"];

/// The settings of a cluster.
pub(super) const SETTINGS: &[&str] = &[
    "command_bytes",
    "election_timeout",
    "heartbeat_interval",
    "kept_entries",
    "lease_drift",
    "lease_off",
];

/// The kinds of messages.
pub(super) const KINDS: &[&str] = &[
    "any",
    "append",
    "append_resp",
    "heartbeat",
    "install_snapshot",
    "pre_vote",
    "pre_vote_resp",
    "read_index",
    "read_index_resp",
    "timeout_now",
    "timeout_now_resp",
    "vote",
    "vote_resp",
];

/// The words that narrow a selection of messages.
const FILTERS: &[&str] = &["denied", "entries", "granted", "matched", "nth", "rejected", "term"];

/// The first word of every condition, except a node's number.
pub(super) const CONDITIONS: &[&str] =
    &["all", "applied", "commit", "election", "handled", "leader", "log", "sent"];

/// The words that join conditions.
const JOINS: &[&str] = &["and", "or", "then", "within"];

/// The first word of every expectation, except a node's number and the name of a command.
pub(super) const EXPECTATIONS: &[&str] = &[
    "applied",
    "base",
    "commit",
    "converged",
    "durable",
    "explain",
    "follower",
    "last",
    "leader",
    "members",
    "no",
    "settings",
    "total",
];

/// The roles, and the parts that the membership gives to a node.
pub(super) const ROLES: &[&str] = &[
    "candidate",
    "follower",
    "leader",
    "learner",
    "not_a_member",
    "not_admitted",
    "pre_candidate",
    "removed",
    "voter",
];

/// The outcomes of a request.
pub(super) const OUTCOMES: &[&str] = &[
    "applied",
    "changed",
    "failed",
    "not_transferred",
    "pending",
    "ready",
    "ready_locally",
    "redirect",
    "refused",
    "retry",
    "timeout",
    "transferred",
    "unknown",
];

/// The words inside statements.
const OTHERS: &[&str] = &[
    "all", "as", "at", "by", "caught", "follows", "hand", "held", "holding", "if", "joint", "keep",
    "leased", "learner", "learners", "local", "members", "nothing", "off", "on", "once", "settled",
    "trace", "until", "up", "voters", "when", "without", "x",
];

/// Every keyword of scenario files, sorted.
#[must_use]
pub fn keywords() -> Vec<&'static str> {
    let lists = [
        STATEMENTS,
        OPTIONS,
        CHANGES,
        SETTINGS,
        KINDS,
        FILTERS,
        CONDITIONS,
        JOINS,
        EXPECTATIONS,
        ROLES,
        OUTCOMES,
        OTHERS,
    ];
    let mut all = lists.concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// The first word of every statement, sorted.
#[must_use]
pub const fn statements() -> &'static [&'static str] {
    STATEMENTS
}
