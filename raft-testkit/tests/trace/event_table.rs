//! The table of events of a trace, row by row.

use raft_core::{LogId, Term};
use raft_testkit::trace::event_table::{EventTable, Row};
use raft_testkit::trace::record::{BodyView, CommandOutcome, Loss, RecordKind, Role};

use super::hand_written::{TraceBuilder, rewrite};

fn lines(rows: &[Row]) -> Vec<String> {
    let line = |row: &Row| {
        let events =
            row.events.iter().map(|event| format!("{} {} [{}]", event.node, event.op, event.delta));
        format!("{} | {}", row.roles.join(" "), events.collect::<Vec<_>>().join(", "))
    };
    rows.iter().map(line).collect()
}

#[test]
fn an_election_is_written_in_the_notation() {
    let mut builder = TraceBuilder::new(3, "election");
    builder.section("n1 is elected", &[], &[]);
    builder.elect(1, &[2, 3], &[2, 3]);
    let table = EventTable::new(&builder.trace());
    assert_eq!(
        lines(&table.sections[0].rows),
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
fn the_first_row_of_a_section_has_no_delta() {
    let mut builder = TraceBuilder::new(1, "quiet start");
    builder.section("first", &[], &[]);
    builder.state(1).term = Term(3);
    builder.at(1, RecordKind::CommandStarted { command: 1, text: "add 1".to_owned() });
    builder.done(1, 1, CommandOutcome::Unknown);
    builder.state(1).last = LogId::new(Term(3), 4.into());
    builder.done(1, 1, CommandOutcome::Unknown);
    let table = EventTable::new(&builder.trace());
    assert_eq!(
        lines(&table.sections[0].rows),
        ["FLWR | 1 CMD START []", "FLWR | 1 CMD DONE []", "FLWR | 1 CMD DONE [lt-3 li-4]"]
    );
}

#[test]
fn a_change_between_rows_is_in_the_next_row_of_the_node() {
    let mut builder = TraceBuilder::new(2, "late delta");
    builder.section("only", &[], &[]);
    builder.role(1, Role::Candidate, "requested");
    builder.state(2).commit = 1.into();
    builder.at(2, RecordKind::TimerFired);
    builder.state(1).term = Term(2);
    builder.split(1);
    builder.role(2, Role::Candidate, "election timeout");
    let table = EventTable::new(&builder.trace());
    assert_eq!(
        lines(&table.sections[0].rows),
        [
            "CNDI FLWR | 1 NEW ROLE []",
            "CNDI FLWR | 1 NETSPLIT [t-2 n=2]",
            "CNDI CNDI | 2 NEW ROLE []"
        ],
        "a timer has no row, and the first state of n2 is its initial state"
    );
}

#[test]
fn starts_share_a_row_and_are_left_out_before_the_first_section() {
    let mut builder = TraceBuilder::new(3, "start");
    builder.start_all();
    builder.section("after", &[], &[]);
    builder.crash(2);
    builder.section("again", &[], &[]);
    builder.start_all();
    let table = EventTable::new(&builder.trace());
    assert_eq!(table.sections.len(), 2);
    assert_eq!(lines(&table.sections[0].rows), ["FLWR FLWR FLWR | 2 CRASH []"]);
    assert_eq!(
        lines(&table.sections[1].rows),
        ["FLWR FLWR FLWR | 1 STARTED [], 2 STARTED [], 3 STARTED []"]
    );
}

#[test]
fn a_lost_message_has_a_row_for_its_sending_only() {
    let mut builder = TraceBuilder::new(2, "lost");
    builder.section("only", &[], &[]);
    let id = builder.send(1, 2, BodyView::RequestVoteResponse { granted: false });
    builder.lose(id, Loss::Dropped);
    let table = EventTable::new(&builder.trace());
    assert_eq!(lines(&table.sections[0].rows), ["FLWR FLWR | 1 vote+N-2 yes-False []"]);
}

#[test]
fn the_json_form_is_read_back_as_the_same_table() {
    let mut table = EventTable::new(&rewrite());
    let json = table.to_json();
    assert!(json.starts_with("{\"scenario\": \"rewrite\", \"sections\": [\n {\"section\": 1,"));
    for section in &mut table.sections {
        section.rows.iter_mut().for_each(|row| row.sequence = 0);
    }
    assert_eq!(serde_json::from_str::<EventTable>(&json).unwrap(), table);
}
