//! Many random schedules, and the proof that they are repeatable and really broken.

use raft_testkit::swarm::Swarm;

#[test]
fn every_seed_keeps_the_rules_and_converges() {
    let swarm = Swarm::of_seeds(0..5_000);
    let tally = swarm.run();
    println!("{tally}");
    if tally.runs >= 1_000 {
        assert_eq!(tally.missing(), Vec::<&str>::new(), "each fault really happens");
    }
}

#[test]
fn a_seed_gives_the_same_trace_to_the_bit() {
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
