//! The registry of the features of Raft. Sections of scenarios name features, so that the features
//! without a test can be listed.
//!
//! A feature has a path, such as `leader_election`; a branch of it has the path of the feature as a
//! prefix, such as `leader_election/split_vote`. A section names the features that it *uses*, and
//! those that it *tests*.

/// One feature of Raft, or one branch of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Feature {
    /// Its path in traces: `feature` or `feature/branch`. Stable once it is in use.
    pub path: &'static str,
    /// Its title in pages.
    pub title: &'static str,
    /// What it guarantees, in one or two sentences.
    pub description: &'static str,
    /// Its source.
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

/// The feature whose path is most similar to this one: a hint for a mistyped path.
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
    ($($name:ident = $path:literal, $title:literal, $source:literal, $description:literal;)*) => {
        $(
            #[doc = $description]
            pub const $name: Feature =
                Feature { path: $path, title: $title, description: $description, source: $source };
        )*

        /// Every feature, each followed by its branches.
        pub const ALL: &[&Feature] = &[$(&$name),*];
    };
}

features! {
    LEADER_ELECTION = "leader_election", "Leader election", "Raft §5.2, §5.4.1; thesis §3.4",
        "A node that receives nothing from a leader requests votes; a majority makes it the only leader of its term.";
    ALL_YES_VOTES = "leader_election/all_yes_votes", "All votes granted", "Raft §5.2",
        "The candidate wins with the first majority of votes; later ones change nothing.";
    ALL_YES_VOTES_WITH_PRE_VOTE = "leader_election/all_yes_votes_with_pre_vote", "All votes granted, after a pre-vote", "thesis §9.6",
        "A node raises its term only after a majority has granted its pre-vote.";
    SPLIT_VOTE = "leader_election/split_vote", "Split vote", "Raft §5.2",
        "No candidate reaches a majority; the term ends without a leader, and an election of a later term follows.";
    STALE_LOG_LOSES = "leader_election/stale_log_loses", "A stale log loses", "Raft §5.4.1",
        "A voter denies its vote to a candidate whose last entry is older than its own, whatever the term of the candidate.";
    STALE_VOTE_IGNORED = "leader_election/stale_vote_ignored", "Votes of an older election", "Raft §5.1, §5.2",
        "A vote that arrives after its candidate moved to a later term does not count.";
    LATE_VOTE = "leader_election/late_vote", "A vote from a slow disk", "Raft §5.2, §5.6",
        "A vote that arrives after the election timeout of its candidate counts as long as no later term has begun.";
    ONE_VOTE_A_TERM = "leader_election/one_vote_a_term", "One vote a term", "Raft §5.2",
        "A node grants one vote in each term, to the first candidate; the vote survives a crash.";
    HIGHER_TERM_STEPS_DOWN = "leader_election/higher_term_steps_down", "A higher term ends a leadership", "Raft §5.1",
        "A leader or candidate that sees a higher term becomes a follower in it.";
    CANDIDATE_YIELDS = "leader_election/candidate_yields", "A candidate yields to the leader of its term", "Raft §5.2",
        "An append of its own term shows a candidate that another node is the leader; it becomes a follower.";
    CHECK_QUORUM = "leader_election/check_quorum", "A leader without a quorum steps down", "thesis §6.2",
        "A leader that receives no response from a majority for an election timeout becomes a follower.";
    LEADER_STICKINESS = "leader_election/leader_stickiness", "Leader stickiness", "thesis §4.2.3",
        "A follower with recent contact to a leader denies votes to other candidates.";
    SINGLE_NODE = "leader_election/single_node", "A cluster of one", "Raft §5.2",
        "A single voter is a majority: it becomes leader as soon as its own vote is durable.";
    EVEN_CLUSTER = "leader_election/even_cluster", "An even number of voters", "Raft §5.2",
        "Half of the voters are not a majority: of four voters, three are.";

    STATE_MACHINE_COMMAND = "state_machine_command", "Commands", "Raft §5.3, §8; thesis §6.3",
        "The leader appends a command to its log, replicates it to a majority, applies it, and responds with the output.";
    ALL_IN_SYNC = "state_machine_command/all_in_sync", "All followers in sync", "Raft §5.3",
        "Every follower has the log of the leader; one round of appends commits the command.";
    MINIMAL_NODE_COUNT = "state_machine_command/minimal_node_count", "A bare majority", "Raft §5.3",
        "A command is committed although a minority of the nodes is down.";
    REQUEST_REDIRECT = "state_machine_command/request_redirect", "Redirected by a follower", "Raft §8; thesis §6.2",
        "A follower refuses the command and names the leader.";
    REQUEST_RETRY = "state_machine_command/request_retry", "Refused for now", "thesis §6.2",
        "A node that knows no leader refuses the command; the client can retry.";
    APPLY_ON_DELAYED_REPLICATION = "state_machine_command/apply_on_delayed_replication", "Applied after catching up", "Raft §5.3",
        "A node that was down applies the entries that were committed without it, in order, once it has them.";
    COMMIT_WITH_HEARTBEAT = "state_machine_command/commit_with_heartbeat", "Commit index in a heartbeat", "Raft §5.3",
        "Followers receive the commit index with the next append or heartbeat.";
    FOLLOWER_APPLY_FAILS = "state_machine_command/follower_apply_fails", "A follower's state machine fails", "Raft §5.3",
        "The quorum commits the command; the follower does not apply it until its state machine works again.";
    LEADER_APPLY_FAILS = "state_machine_command/leader_apply_fails", "The leader's state machine fails", "Raft §5.3",
        "The client receives the error of the leader's state machine.";
    UNKNOWN_OUTCOME = "state_machine_command/unknown_outcome", "Leadership lost before the commit", "Raft §8; thesis §6.3",
        "The outcome of the command is unknown: it may or may not take effect.";
    LINEARIZABLE_READ = "state_machine_command/linearizable_read", "Reads by ReadIndex", "thesis §6.4",
        "A leader responds to a read after a majority has confirmed that it was the leader when the read arrived.";
    READ_AT_FOLLOWER = "state_machine_command/read_at_follower", "Reads at followers", "thesis §6.4",
        "A follower requests the read index from its leader, and responds once it has applied that index itself.";
    LOCAL_READ = "state_machine_command/local_read", "Reads of a bounded age", "thesis §6.4",
        "A node reads its own state without messages while it knows that the state is not older than the read permits.";

    LEADER_LEASE = "leader_lease", "Leases", "thesis §6.4.1",
        "Within an election timeout of a round that a majority has acknowledged no other node is elected: the leader serves reads without messages.";
    LEASE_EXPIRES = "leader_lease/expires", "A lease ends by the leader's own clock", "thesis §6.4.1",
        "A leader that was paused, or has no contact with a majority, finds its lease expired and confirms reads with a round.";
    LEASE_SEND_TIME = "leader_lease/send_time", "A lease counts from the start of a round", "thesis §6.4.1",
        "A late acknowledgement does not extend the lease beyond an election timeout after its round began.";
    LEASE_AND_TRANSFER = "leader_lease/transfer", "No lease during a transfer", "thesis §6.4.1, §3.10",
        "A transfer overrides what the followers guarantee, so that the leader has no lease from its request on.";
    LEASE_AND_RESTART = "leader_lease/restart", "A restarted node withholds its vote", "thesis §6.4.1",
        "A node may have acknowledged a round before it stopped: it does not vote within an election timeout of its start.";
    LEASE_AND_TERMS = "leader_lease/later_term", "A later term does not release a vote", "thesis §6.4.1",
        "A follower that learns of a later term without a leader still votes only an election timeout after its last contact.";

    LOG_REPLICATION = "log_replication", "Log replication", "Raft §5.3",
        "Logs that have an entry of the same index and term are equal up to it; the leader makes the log of every follower equal to its own.";
    HEARTBEAT_ONLY = "log_replication/heartbeat_only", "Heartbeats", "Raft §5.2",
        "An append without entries resets the election timers of followers and checks that their logs end where the log of the leader ends.";
    SLOW_FOLLOWER_BACKDOWN = "log_replication/slow_follower_backdown", "Backing up for a follower that lacks entries", "Raft §5.3",
        "A follower that lacks the previous entry rejects the append; the leader goes back to the last entry that both logs have.";
    CONFLICT_OVERWRITTEN = "log_replication/conflict_overwritten", "Conflicting entries are replaced", "Raft §5.3, figure 7",
        "A follower replaces a conflicting, uncommitted suffix by the entries of the leader.";
    STALE_APPEND_KEEPS_LOG = "log_replication/stale_append_keeps_log", "A late short append removes nothing", "Raft §5.3",
        "A delayed append that ends before the last entry of the follower removes no matching entry.";
    DUPLICATE_APPEND = "log_replication/duplicate_append", "A duplicate append", "Raft §5.5",
        "A second copy of an append changes nothing.";
    EARLIER_RESPONSE_IGNORED = "log_replication/earlier_response_ignored", "Responses of an earlier term", "Raft §5.1, §5.3",
        "A response counts only in the term of its append, and not before the round of the follower's progress began.";
    PIPELINE = "log_replication/pipeline", "Several appends in flight", "thesis §10.2.1",
        "The leader sends further appends before it has the response to the first, within a window.";
    OLD_TERM_NOT_COUNTED = "log_replication/old_term_not_counted", "Entries of older terms are not committed by counting", "Raft §5.4.2, figure 8",
        "A leader counts the copies of entries of its own term only; earlier entries are committed with them.";
    ENTRIES_FROM_THE_STORE = "log_replication/entries_from_the_store", "Entries from the log store", "Raft §5.3",
        "Entries that a lagging follower needs and that are no longer in memory are read from the log store.";

    DURABILITY = "durability", "Durability", "Raft §5.6; thesis §3.8",
        "A node responds only after its term, vote and entries are durable; they survive a crash.";
    RESPONSE_WAITS_FOR_PERSIST = "durability/response_waits_for_persist", "Responses wait for the disk", "Raft §5.6",
        "A vote or the response to an append is sent only after the write that it depends on is durable.";
    LOSE_UNSYNCED = "durability/lose_unsynced", "A crash loses writes that are not durable", "Raft §5.6",
        "A node restarts with its durable entries and catches up.";
    LATE_PERSIST = "durability/late_persist", "A late completion", "thesis §10.2.1",
        "The completion of an older write never makes newer entries count as durable.";
    LEADER_DISK_IN_PARALLEL = "durability/leader_disk_in_parallel", "The disk of the leader in parallel with the network", "thesis §10.2.1",
        "A command can be committed by followers before it is durable at the leader.";
    STALLED_DISK = "durability/stalled_disk", "A stalled disk", "glossary",
        "A node whose disk makes no progress does not lead, campaign or vote; a slow disk deposes no leader.";

    NETWORK_PARTITION = "network_partition", "Partitions", "Raft §5.4; thesis §6.2",
        "The side with a majority continues; the other side commits nothing.";
    MINORITY_LEADER = "network_partition/minority_leader", "A leader in a minority", "Raft §5.3, §5.4",
        "Entries that such a leader appends are not committed; they are replaced after the partition heals.";
    ONE_WAY = "network_partition/one_way", "A link cut in one direction", "thesis §6.2",
        "A node that can only send, or only receive, does not disturb the cluster.";

    LIMITS = "limits", "Limits on memory", "raft_core::Limits",
        "Entries in memory, queues and unapplied commands are bounded, however slow disks and state machines are.";

    LEADERSHIP_TRANSFER = "leadership_transfer", "Leadership transfer", "thesis §3.10",
        "A leader transfers its leadership to a follower that has its whole log.";
    TRANSFER_WITHOUT_PRE_VOTE = "leadership_transfer/without_pre_vote", "The target campaigns at once", "thesis §3.10, §4.2.3",
        "The target campaigns without a pre-vote, and voters with recent contact with the leader vote for it.";
    TRANSFER_CATCHES_UP = "leadership_transfer/target_catches_up", "The target catches up first", "thesis §3.10",
        "The leader refuses commands and sends the missing entries before it requests the target to campaign.";
    TRANSFER_TIMES_OUT = "leadership_transfer/times_out", "The leader gives up", "thesis §3.10",
        "After an election timeout the leader ends the transfer and accepts commands again.";
    TRANSFER_REFUSED = "leadership_transfer/refused", "Targets that cannot lead", "thesis §3.10",
        "A leader refuses targets that are no voters; a target that cannot campaign declines.";
    TRANSFER_INTERRUPTED = "leadership_transfer/interrupted", "The leadership is lost meanwhile", "thesis §3.10",
        "A transfer ends with its leadership: a node that leads again begins without one.";
    LATE_TIMEOUT_NOW = "leadership_transfer/late_timeout_now", "Late requests to campaign", "thesis §3.10",
        "A request of an older term, or one that the leader has given up since, starts no election.";

    MEMBERSHIP_CHANGE = "membership_change", "Membership changes", "Raft §6; thesis §4",
        "Nodes are added and removed while the cluster works; the majorities of consecutive configurations overlap.";
    ONE_STEP = "membership_change/one_step", "One voter at a time", "thesis §4.1, §4.2",
        "Voters that differ by at most one node change with one entry, which is in force as soon as it is appended.";
    JOINT_CONSENSUS = "membership_change/joint", "Joint consensus", "Raft §6; thesis §4.3",
        "While voters change by more than one node, elections and commitment need a majority of the old and of the new ones.";
    LEARNERS = "membership_change/learner", "Learners", "thesis §4.2.1",
        "A learner receives the log; it counts in no majority and does not campaign.";
    LEARNER_CATCHES_UP = "membership_change/catch_up", "A promotion waits for its learner", "thesis §4.2.1",
        "A learner becomes a voter only when it keeps up with the log; one that lags is refused, with its last entry.";
    ONE_CHANGE = "membership_change/one_at_a_time", "One change at a time", "thesis §4.1",
        "A leader refuses a change until the last one, and an entry of its own term, are committed.";
    CONDITIONAL_CHANGE = "membership_change/conditional", "Conditional changes", "here",
        "A change that names the version of the membership is refused if another change was made in between.";
    UNCOMMITTED_MEMBERSHIP = "membership_change/uncommitted", "An uncommitted membership is in force", "thesis §4.1",
        "A new leader uses the latest membership in its log, committed or not, and completes the change.";
    MEMBERSHIP_ROLLED_BACK = "membership_change/rolled_back", "A membership is rolled back", "thesis §4.1",
        "When the entry of a membership is removed from a log, the one before it is in force again.";
    LEADER_REMOVED = "membership_change/leader_removed", "A leader removes itself", "thesis §4.2.2",
        "It does not count itself, and steps down when the membership without it is committed.";
    REMOVED_NODE = "membership_change/removed_node", "Removed nodes", "thesis §4.2.3",
        "A removed node that knows of its removal does not campaign; one that does not know of it disturbs no leader.";
    REPLACED_NODE = "membership_change/replaced_node", "Nodes that lost their disks", "Viewstamped Replication Revisited §4.3",
        "The votes and acknowledgements of another incarnation than the admitted one do not count until the node is replaced.";
    REPLICATION_SESSION = "membership_change/session", "Acknowledgements of an earlier session", "here",
        "What a node acknowledged before it was removed and added again, or replaced, counts for nothing.";
    MEMBERSHIP_AND_TRANSFER = "membership_change/transfer", "Membership changes and transfers", "thesis §3.10, §4",
        "No change begins during a transfer of the leadership, and only a voter of the membership in force is a target.";
    MEMBERSHIP_IN_SNAPSHOT = "membership_change/snapshot", "Snapshots carry the membership", "Raft §7; thesis §5.1",
        "A snapshot has the membership in force at its last entry, whatever was in force when it was sent.";

    CLUSTER_SETTINGS = "cluster_settings", "Settings of the cluster", "here",
        "Settings in the membership replace those of each node: in force when appended, rolled back when truncated, carried by snapshots.";
    SETTINGS_TIMEOUT = "cluster_settings/election_timeout", "Another election timeout", "here",
        "Until a change is committed, nodes use the longest timeout and the shortest heartbeat interval, so that it causes no election.";
    SETTINGS_LEASE = "cluster_settings/lease", "Leases while the timeout changes", "thesis §6.4.1",
        "A lease lasts the shortest timeout since the commit index, and only members that hold the membership durably count.";
    SETTINGS_REFUSED = "cluster_settings/refused", "Invalid settings are refused", "here",
        "The leader checks the rules before it appends the change, and names the one that is broken.";
    PRIORITIES = "priorities", "Priorities of voters", "here",
        "A voter of a lower priority campaigns later, and a leader gives way to a caught-up voter of a higher priority.";

    SNAPSHOTS = "snapshots", "Snapshots and compaction", "Raft §7; thesis §5",
        "A snapshot of the state machine replaces a prefix of the log, and restores nodes that need that prefix.";
    COMPACTION = "snapshots/compaction", "Compaction", "Raft §7; thesis §5.1",
        "Entries whose effect is durable in the state machine or in a snapshot are removed; those that a follower needs are kept within a budget.";
    SLOW_FOLLOWER_SNAPSHOT = "snapshots/slow_follower", "A follower that needs compacted entries", "Raft §7; thesis §5.3",
        "The leader sends its snapshot, one at a time, and then the entries after it.";
    SNAPSHOT_TRANSFER_INTERRUPTED = "snapshots/transfer_interrupted", "A transfer that ends early", "thesis §5.3",
        "A transfer that is lost, damaged or outlived by its leadership is repeated after a pause, and blocks nothing.";
    SNAPSHOT_REPLACES_LOG = "snapshots/conflicting_log_replaced", "A snapshot replaces a conflicting log", "Raft §7",
        "A follower without the last entry of the snapshot replaces its whole log.";
    SUFFIX_KEPT = "snapshots/suffix_kept", "Entries after the snapshot stay", "Raft §7",
        "A follower that has the last entry of the snapshot keeps the entries after it.";
    SNAPSHOT_DISCARDED = "snapshots/discarded", "A snapshot that is not needed", "Raft §7",
        "A follower that has committed the last entry of a snapshot discards it.";
    INSTALL_INTERRUPTED = "snapshots/install_interrupted", "A crash during an install", "Raft §7; thesis §5.1.3",
        "After a crash the node has the old log or the new one, never a mixture.";
    RESTORED_IN_ORDER = "snapshots/restored_in_order", "The state machine is restored in order", "Raft §7",
        "A state machine is restored after the reset of the log is durable, between the entries before and after it.";
    EXPLANATION = "explanation", "Explanations", "raft_core::Explanation",
        "A node states what it waits for, and why.";
    EXPLAINED_LEADER = "explanation/leader", "Why there is no leader", "raft_core::LeaderFinding",
        "A node without a leader names the voters that it lacks, the votes, and the candidates that it refused.";
    EXPLAINED_COMMIT = "explanation/commit", "Why nothing commits", "raft_core::CommitFinding",
        "A leader names the voters that lack the next entry, and what each of them needs.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_follows_its_feature_and_paths_are_unique() {
        let mut seen: Vec<&str> = Vec::new();
        for feature in ALL {
            assert!(!seen.contains(&feature.path), "{} comes twice", feature.path);
            assert!(!feature.is_branch() || seen.contains(&feature.family()), "{}", feature.path);
            seen.push(feature.path);
        }
    }

    #[test]
    fn a_mistyped_path_finds_the_most_similar_one() {
        assert_eq!(nearest("leader_election/split_votes"), Some(&SPLIT_VOTE));
        assert_eq!(nearest("log_replicaton"), Some(&LOG_REPLICATION));
        assert_eq!(nearest("zzz"), None);
    }
}
