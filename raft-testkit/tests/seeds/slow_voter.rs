use raft_testkit::{Cluster, append, append_response, vote, vote_response};

use super::{cluster, finish, step};

const TITLE: &str = "Votes of an earlier election are ignored";

#[test]
fn votes_of_an_earlier_election_are_ignored() {
    finish(&run(), include_str!("data/test_slow_voter.json"));
}

pub(super) fn run() -> Cluster {
    let mut c = cluster("test_slow_voter", TITLE).pre_vote(false).described(
        "A candidate campaigns a second time before it has the votes of its first election. Those \
         votes arrive late and are of an earlier term: only the votes of the second election count.",
    );
    c.start();
    c.section("An election").uses(&["log_replication"]).tests(&["leader_election/all_yes_votes"]);
    c.campaign(3);
    c.deliver_all();

    c.section("The leader steps down and campaigns; the votes are not sent yet")
        .uses(&["leader_election"])
        .tests(&["leader_election/one_vote_a_term"]);
    c.step_down(3);
    c.campaign(3);
    c.send(vote().from(3));
    c.handle(vote().from(3));

    c.section("It campaigns again; the votes of the earlier election arrive")
        .uses(&["leader_election"])
        .tests(&["leader_election/stale_vote_ignored"]);
    c.campaign(3);
    step(&mut c, vote_response().from(1));
    step(&mut c, vote_response().from(2));
    c.expect_no_leader();

    c.section("The vote requests of the second election are handled")
        .uses(&["leader_election"])
        .tests(&["leader_election/one_vote_a_term"]);
    c.send(vote().from(3));
    step_vote(&mut c, 2);
    step_vote(&mut c, 1);

    c.section("The votes of the second election elect it")
        .uses(&["log_replication"])
        .tests(&["leader_election/all_yes_votes"]);
    c.handle(vote_response().from(2));
    c.expect_leader(3, 3);
    step(&mut c, append().from(3).to(1));
    c.send(append_response().from(1));
    c.handle(vote_response().from(1));
    step(&mut c, append().from(3).to(2));
    c.send(append_response().from(2));
    c.handle(append_response().from(1));
    c.handle(append_response().from(2));
    c
}

/// The voter handles the request and sends its vote.
fn step_vote(c: &mut Cluster, voter: u64) {
    c.handle(vote().to(voter));
    c.send(vote_response().from(voter));
}
