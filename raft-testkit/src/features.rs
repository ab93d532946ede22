//! The features of Raft that scenarios name, so that what nothing tests can be seen.
//!
//! A feature has a path, like `leader_election`; one of its branches has the feature's path in
//! front, like `leader_election/split_vote`. A section of a scenario names the features that it
//! *uses* to get somewhere and those that it *tests*.

/// One feature of Raft, or one branch of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Feature {
    /// Names it in traces: `feature` or `feature/branch`. Never changes once it is in use.
    pub path: &'static str,
    /// Names it for readers.
    pub title: &'static str,
    /// What holds, in a sentence or two.
    pub says: &'static str,
    /// Where to read about it.
    pub source: &'static str,
}

impl Feature {
    /// The path of the feature itself, without the branch.
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.path.split_once('/').map_or(self.path, |(family, _)| family)
    }

    /// Whether this is a branch of a feature.
    #[must_use]
    pub fn is_branch(&self) -> bool {
        self.path.contains('/')
    }
}

/// The feature with this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Feature> {
    ALL.iter().copied().find(|feature| feature.path == path)
}

/// The registered path that looks most like this one: a hint for a mistyped path.
#[must_use]
pub fn nearest(path: &str) -> Option<&'static Feature> {
    let likeness = |feature: &Feature| {
        let longest = path.len().max(feature.path.len());
        let ahead = path.bytes().zip(feature.path.bytes()).take_while(|(a, b)| a == b).count();
        let behind = path.bytes().rev().zip(feature.path.bytes().rev());
        let behind = behind.take_while(|(a, b)| a == b).count();
        (2 * (ahead + behind) >= longest).then_some(ahead + behind)
    };
    let scored = ALL.iter().filter_map(|feature| Some((likeness(feature)?, *feature)));
    scored.max_by_key(|(score, _)| *score).map(|(_, feature)| feature)
}

macro_rules! features {
    ($($name:ident = $path:literal, $title:literal, $source:literal, $says:literal;)*) => {
        $(
            #[doc = $says]
            pub const $name: Feature =
                Feature { path: $path, title: $title, says: $says, source: $source };
        )*

        /// Every feature, each followed by its branches.
        pub const ALL: &[&Feature] = &[$(&$name),*];
    };
}

features! {
    LEADER_ELECTION = "leader_election", "Leader election", "Raft §5.2, §5.4.1; thesis §3.4",
        "A node that hears from no leader asks the others for their votes; a majority makes it the only leader of its term.";
    ALL_YES_VOTES = "leader_election/all_yes_votes", "Everybody votes yes", "Raft §5.2",
        "The candidate wins with the first majority of votes; later ones change nothing.";
    ALL_YES_VOTES_WITH_PRE_VOTE = "leader_election/all_yes_votes_with_pre_vote", "Everybody votes yes, asked before", "thesis §9.6",
        "A node first asks whether it would win, and raises its term only when a majority says yes.";
    SPLIT_VOTE = "leader_election/split_vote", "Split vote", "Raft §5.2",
        "Nobody reaches a majority; the term ends without a leader and a new one is tried.";
    STALE_LOG_LOSES = "leader_election/stale_log_loses", "A stale log loses", "Raft §5.4.1",
        "A voter refuses a candidate whose last entry is older than its own, however high the candidate's term.";
    STALE_VOTE_IGNORED = "leader_election/stale_vote_ignored", "Votes of an older election", "Raft §5.1, §5.2",
        "A vote that arrives after its candidate moved to a later term does not count.";
    ONE_VOTE_A_TERM = "leader_election/one_vote_a_term", "One vote a term", "Raft §5.2",
        "A node votes for one candidate in a term, first come first served, and remembers it over a crash.";
    HIGHER_TERM_STEPS_DOWN = "leader_election/higher_term_steps_down", "A higher term demotes", "Raft §5.1",
        "A leader or candidate that sees a higher term becomes a follower in it.";
    CANDIDATE_YIELDS = "leader_election/candidate_yields", "A candidate yields to the leader of its term", "Raft §5.2",
        "An append of its own term tells a candidate that somebody else has won.";
    CHECK_QUORUM = "leader_election/check_quorum", "A leader without a quorum steps down", "thesis §6.2",
        "A leader that heard from no majority for an election timeout gives up leading.";
    LEADER_STICKINESS = "leader_election/leader_stickiness", "A working leader is protected", "thesis §4.2.3",
        "A follower that hears from a leader refuses to help anyone overthrow it.";
    SINGLE_NODE = "leader_election/single_node", "A cluster of one", "Raft §5.2",
        "One node is a majority of itself: it leads as soon as its own vote is durable.";
    EVEN_CLUSTER = "leader_election/even_cluster", "An even number of voters", "Raft §5.2",
        "Half is not a majority: of four, three must agree.";

    STATE_MACHINE_COMMAND = "state_machine_command", "Commands", "Raft §5.3, §8; thesis §6.3",
        "A client's command goes into the leader's log, to a majority, and then to the state machine whose output answers the client.";
    ALL_IN_SYNC = "state_machine_command/all_in_sync", "All followers in step", "Raft §5.3",
        "Every follower has the leader's log; one round of appends commits the command.";
    MINIMAL_NODE_COUNT = "state_machine_command/minimal_node_count", "A bare majority", "Raft §5.3",
        "The command commits although a minority of the nodes is away.";
    REQUEST_REDIRECT = "state_machine_command/request_redirect", "Redirected by a follower", "Raft §8; thesis §6.2",
        "A follower refuses the command and names the leader.";
    REQUEST_RETRY = "state_machine_command/request_retry", "Told to try again", "thesis §6.2",
        "A node that knows of no leader refuses the command and says so.";
    APPLY_ON_DELAYED_REPLICATION = "state_machine_command/apply_on_delayed_replication", "Applied on catching up", "Raft §5.3",
        "A node that was away applies what was committed without it, in order, once it has the entries.";
    COMMIT_WITH_HEARTBEAT = "state_machine_command/commit_with_heartbeat", "Commit told by a heartbeat", "Raft §5.3",
        "Followers learn from the next append or heartbeat how far they may apply.";
    FOLLOWER_APPLY_FAILS = "state_machine_command/follower_apply_fails", "A follower's state machine fails", "Raft §5.3",
        "The command succeeds by the quorum; the follower has committed but not applied, and applies once the cause is gone.";
    LEADER_APPLY_FAILS = "state_machine_command/leader_apply_fails", "The leader's state machine fails", "Raft §5.3",
        "The caller gets the error of the leader's state machine.";
    UNKNOWN_OUTCOME = "state_machine_command/unknown_outcome", "Leadership lost on the way", "Raft §8; thesis §6.3",
        "The client is told that its command may or may not take effect.";
    LINEARIZABLE_READ = "state_machine_command/linearizable_read", "Reads by ReadIndex", "thesis §6.4",
        "A leader answers a read once a majority has confirmed that it still led when the read came.";

    LOG_REPLICATION = "log_replication", "Log replication", "Raft §5.3",
        "Logs that hold an entry of the same index and term are equal up to it; the leader makes every follower's log agree with its own.";
    HEARTBEAT_ONLY = "log_replication/heartbeat_only", "Heartbeats", "Raft §5.2",
        "An append without entries shows that the leader lives, and checks that the follower's log ends where the leader's does.";
    SLOW_FOLLOWER_BACKDOWN = "log_replication/slow_follower_backdown", "Backing up to a follower that lacks entries", "Raft §5.3",
        "A follower that lacks the previous entry refuses; the leader goes back to where the logs agree and sends from there.";
    CONFLICT_OVERWRITTEN = "log_replication/conflict_overwritten", "Conflicting entries are replaced", "Raft §5.3, figure 7",
        "A follower removes a suffix that was never committed and takes the leader's entries.";
    STALE_APPEND_KEEPS_LOG = "log_replication/stale_append_keeps_log", "A late short append removes nothing", "Raft §5.3",
        "An append that arrives late and ends before the follower's last entry leaves what agrees in place.";
    DUPLICATE_APPEND = "log_replication/duplicate_append", "An append twice", "Raft §5.5",
        "An append that arrives a second time changes nothing.";
    PIPELINE = "log_replication/pipeline", "Several appends in flight", "thesis §10.2.1",
        "The leader sends on without waiting for answers, within a window.";
    OLD_TERM_NOT_COUNTED = "log_replication/old_term_not_counted", "Older terms are not committed by counting", "Raft §5.4.2, figure 8",
        "A leader counts copies only of an entry of its own term; what comes before is committed with it.";

    DURABILITY = "durability", "Durability", "Raft §5.6; thesis §3.8",
        "A node answers only for what is on its disk: votes, terms and entries survive a crash.";
    PROMISE_WAITS_FOR_PERSIST = "durability/promise_waits_for_persist", "A promise waits for the disk", "Raft §5.6",
        "A vote or an append's answer leaves the node after the write that it depends on is durable.";
    LOSE_UNSYNCED = "durability/lose_unsynced", "A crash loses what was not durable", "Raft §5.6",
        "A node comes back with what was durable, and catches up.";
    LATE_PERSIST = "durability/late_persist", "A late completion", "thesis §10.2.1",
        "The completion of an older write never makes newer entries count as durable.";
    LEADER_DISK_IN_PARALLEL = "durability/leader_disk_in_parallel", "The leader's disk works beside the network", "thesis §10.2.1",
        "A command may be committed by followers before the leader's own disk has it.";

    NETWORK_PARTITION = "network_partition", "Partitions", "Raft §5.4; thesis §6.2",
        "The side with a majority goes on; the other side can commit nothing.";
    MINORITY_LEADER = "network_partition/minority_leader", "A leader cut off with a minority", "Raft §5.3, §5.4",
        "What a cut-off leader logs never commits, and is replaced when it returns.";
    ONE_WAY = "network_partition/one_way", "A link cut one way", "thesis §6.2",
        "A node that is heard and does not hear, or the reverse, does no harm.";

    LEADERSHIP_TRANSFER = "leadership_transfer", "Leadership transfer", "thesis §3.10",
        "A leader hands over to a follower that has its whole log.";
    MEMBERSHIP_CHANGE = "membership_change", "Membership changes", "Raft §6; thesis §4",
        "Nodes join and leave while the cluster works, and no two majorities can miss each other.";
    SNAPSHOTS = "snapshots", "Snapshots and compaction", "Raft §7; thesis §5",
        "The state machine's state replaces the log that led to it, and brings a node up that the log no longer can.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_follows_its_feature_and_no_path_comes_twice() {
        let mut seen: Vec<&str> = Vec::new();
        for feature in ALL {
            assert!(!seen.contains(&feature.path), "{} comes twice", feature.path);
            assert!(!feature.is_branch() || seen.contains(&feature.family()), "{}", feature.path);
            seen.push(feature.path);
        }
    }

    #[test]
    fn a_mistyped_path_finds_the_one_that_was_meant() {
        assert_eq!(nearest("leader_election/split_votes"), Some(&SPLIT_VOTE));
        assert_eq!(nearest("log_replicaton"), Some(&LOG_REPLICATION));
        assert_eq!(nearest("zzz"), None);
    }
}
