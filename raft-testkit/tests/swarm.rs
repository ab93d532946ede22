//! Random schedules keep the rules, are repeatable, and find known bugs.

use raft_testkit::swarm::{KnownBug, Swarm};

/// Each known bug is found within this many seeds.
const KNOWN_BUG_SEEDS: u64 = 100;

#[test]
fn every_seed_keeps_the_rules_and_converges() {
    let swarm = Swarm::of_seeds(0..10_000);
    let statistics = swarm.run();
    println!("{statistics}");
    if statistics.runs >= 1_000 {
        assert_eq!(statistics.missing(), Vec::<&str>::new(), "each fault happens");
    }
}

#[test]
fn a_seed_gives_the_same_trace_byte_for_byte() {
    let swarm = Swarm::of_seeds(0..1);
    for seed in [1, 2, 3, 77, 1_234] {
        let records = |seed| {
            let mut bytes = Vec::new();
            swarm.replay(seed).trace().write(&mut bytes).unwrap();
            bytes
        };
        assert!(records(seed) == records(seed), "seed {seed}");
    }
}

#[test]
fn known_bugs_are_found_and_reported_in_forty_lines() {
    for known_bug in KnownBug::ALL {
        let rules: &[&str] = match known_bug {
            KnownBug::PersistReportedBeforeWrite => &["persist before send"],
            KnownBug::RefusedVotesArriveGranted => {
                &["election safety", "leader completeness", "leaders are elected by a quorum"]
            }
            KnownBug::AcknowledgesOneEntryTooMany => &["committed entries are durable on a quorum"],
            KnownBug::VoteLostAtRestart => &["durable state survives a restart"],
            KnownBug::SnapshotsLackACommand => &["snapshots equal the committed prefix"],
            KnownBug::ReportsMemoryAsDurable => &["compacted after it is durably applied"],
            KnownBug::CommitsOlderTermsByCounting => &["leaders commit entries of their own term"],
            KnownBug::CountsByAnEarlierMembership => {
                &["leaders commit entries of their own term", "committed entries"]
            }
            KnownBug::WipedNodesKeepTheirIncarnation => &[
                "leader completeness",
                "committed entries are durable on a quorum",
                "leaders are elected by a quorum",
                "one vote",
                "election safety",
            ],
            KnownBug::RespondsToUnconfirmedReads
            | KnownBug::AcceptsAcknowledgementsOfOlderRounds
            | KnownBug::ReturnsUnconfirmedReadIndexes => &["reads are confirmed by a quorum"],
            KnownBug::TakesContactForAnUpToDateState => &["local reads are as recent as stated"],
            KnownBug::ClocksDriftBeyondTheBound => &["a lease excludes other leaders"],
            other => panic!("{other:?} has no expected rule"),
        };
        let (_, failure) = Swarm::of_seeds(0..KNOWN_BUG_SEEDS).known_bug(known_bug).search();
        let failure = failure
            .unwrap_or_else(|| panic!("{known_bug:?} is not found in {KNOWN_BUG_SEEDS} seeds"));
        let report = failure.report;
        println!("{known_bug:?}, seed {}\n{report}\n", failure.seed);
        assert!(rules.iter().any(|rule| report.contains(rule)), "{known_bug:?}:\n{report}");
        assert!(report.lines().count() <= 40, "{known_bug:?}:\n{report}");
        assert!(report.contains("RAFT_SWARM_SEED="), "{known_bug:?}:\n{report}");
        let has_source = report.contains("(Raft ") || report.contains("(thesis ");
        assert!(has_source, "{known_bug:?}:\n{report}");
    }
}
