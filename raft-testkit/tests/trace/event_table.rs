//! The facts of a trace, row by row.

use raft_core::{LogId, Term};
use raft_testkit::trace::event_table::{EventTable, Row};
use raft_testkit::trace::record::{BodyView, CommandOutcome, Loss, RecordKind, Role};

use super::play::{Play, rewrite};

fn lines(rows: &[Row]) -> Vec<String> {
    let line = |row: &Row| {
        let events =
            row.events.iter().map(|event| format!("{} {} [{}]", event.node, event.op, event.delta));
        format!("{} | {}", row.roles.join(" "), events.collect::<Vec<_>>().join(", "))
    };
    rows.iter().map(line).collect()
}

#[test]
fn an_election_reads_as_the_legend_says() {
    let mut play = Play::new(3, "election");
    play.section("n1 is elected", &[], &[]);
    play.elect(1, &[2, 3], &[2, 3]);
    let facts = EventTable::new(&play.trace());
    assert_eq!(
        lines(&facts.sections[0].rows),
        [
            "CNDI FLWR FLWR | 1 NEW ROLE []",
            "CNDI FLWR FLWR | 1 p_v_r+N-2 t-1 li-0 lt-0 []",
            "CNDI FLWR FLWR | 1 p_v_r+N-3 t-1 li-0 lt-0 []",
            "CNDI FLWR FLWR | 2 N-1+p_v_r t-1 li-0 lt-0 []",
            "CNDI FLWR FLWR | 2 p_v+N-1 yes-True []",
            "CNDI FLWR FLWR | 3 N-1+p_v_r t-1 li-0 lt-0 []",
            "CNDI FLWR FLWR | 3 p_v+N-1 yes-True []",
            "CNDI FLWR FLWR | 1 N-2+p_v yes-True [t-1]",
            "CNDI FLWR FLWR | 1 N-3+p_v yes-True []",
            "CNDI FLWR FLWR | 1 poll+N-2 t-1 li-0 lt-0 []",
            "CNDI FLWR FLWR | 1 poll+N-3 t-1 li-0 lt-0 []",
            "CNDI FLWR FLWR | 2 N-1+poll t-1 li-0 lt-0 [t-1]",
            "CNDI FLWR FLWR | 2 vote+N-1 yes-True []",
            "CNDI FLWR FLWR | 3 N-1+poll t-1 li-0 lt-0 [t-1]",
            "CNDI FLWR FLWR | 3 vote+N-1 yes-True []",
            "LEAD FLWR FLWR | 1 N-2+vote yes-True [lt-1 li-1]",
            "LEAD FLWR FLWR | 1 NEW ROLE []",
            "LEAD FLWR FLWR | 1 N-3+vote yes-True []",
            "LEAD FLWR FLWR | 1 ae+N-2 t-1 i-0 lt-0 e-1 c-0 []",
            "LEAD FLWR FLWR | 1 ae+N-3 t-1 i-0 lt-0 e-1 c-0 []",
            "LEAD FLWR FLWR | 2 N-1+ae t-1 i-0 lt-0 e-1 c-0 [lt-1 li-1]",
            "LEAD FLWR FLWR | 2 N-2+ae_reply ok-True mi-1 []",
            "LEAD FLWR FLWR | 3 N-1+ae t-1 i-0 lt-0 e-1 c-0 [lt-1 li-1]",
            "LEAD FLWR FLWR | 3 N-3+ae_reply ok-True mi-1 []",
            "LEAD FLWR FLWR | 1 N-2+ae_reply ok-True mi-1 [ci-1]",
            "LEAD FLWR FLWR | 1 N-3+ae_reply ok-True mi-1 []",
        ]
    );
}

#[test]
fn a_section_begins_without_a_delta_and_never_makes_up_for_it() {
    let mut play = Play::new(1, "quiet start");
    play.section("first", &[], &[]);
    play.state(1).term = Term(3);
    play.at(1, RecordKind::CommandStarted { command: 1, text: "add 1".to_owned() });
    play.done(1, 1, CommandOutcome::Unknown);
    play.state(1).last = LogId::new(Term(3), 4.into());
    play.done(1, 1, CommandOutcome::Unknown);
    let facts = EventTable::new(&play.trace());
    assert_eq!(
        lines(&facts.sections[0].rows),
        ["FLWR | 1 CMD START []", "FLWR | 1 CMD DONE []", "FLWR | 1 CMD DONE [lt-3 li-4]"]
    );
}

#[test]
fn a_change_between_rows_shows_on_the_nodes_next_row() {
    let mut play = Play::new(2, "late delta");
    play.section("only", &[], &[]);
    play.role(1, Role::Candidate, "asked to");
    play.state(2).commit = 1.into();
    play.at(2, RecordKind::TimerFired);
    play.state(1).term = Term(2);
    play.split(1);
    play.role(2, Role::Candidate, "nobody leads");
    let facts = EventTable::new(&play.trace());
    assert_eq!(
        lines(&facts.sections[0].rows),
        [
            "CNDI FLWR | 1 NEW ROLE []",
            "CNDI FLWR | 1 NETSPLIT [t-2 n=2]",
            "CNDI CNDI | 2 NEW ROLE []"
        ],
        "the timer is no row, and n2's state before its first record is what it came up with"
    );
}

#[test]
fn nodes_that_start_together_share_a_row_and_go_unsaid_before_the_first_section() {
    let mut play = Play::new(3, "start");
    play.start_all();
    play.section("after", &[], &[]);
    play.crash(2);
    play.section("again", &[], &[]);
    play.start_all();
    let facts = EventTable::new(&play.trace());
    assert_eq!(facts.sections.len(), 2);
    assert_eq!(lines(&facts.sections[0].rows), ["FLWR FLWR FLWR | 2 CRASH []"]);
    assert_eq!(
        lines(&facts.sections[1].rows),
        ["FLWR FLWR FLWR | 1 STARTED [], 2 STARTED [], 3 STARTED []"]
    );
}

#[test]
fn a_lost_message_shows_as_sent_and_never_as_handled() {
    let mut play = Play::new(2, "lost");
    play.section("only", &[], &[]);
    let id = play.send(1, 2, BodyView::RequestVoteResponse { granted: false });
    play.lose(id, Loss::Dropped);
    let facts = EventTable::new(&play.trace());
    assert_eq!(lines(&facts.sections[0].rows), ["FLWR FLWR | 1 vote+N-2 yes-False []"]);
}

#[test]
fn the_json_form_is_read_back_as_the_same_facts() {
    let mut facts = EventTable::new(&rewrite());
    let json = facts.to_json();
    assert!(json.starts_with("{\"scenario\": \"rewrite\", \"sections\": [\n {\"section\": 1,"));
    for section in &mut facts.sections {
        section.rows.iter_mut().for_each(|row| row.sequence = 0);
    }
    assert_eq!(serde_json::from_str::<EventTable>(&json).unwrap(), facts);
}
