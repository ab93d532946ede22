//! Tables of traces.

use raft_core::NodeId;
use raft_testkit::trace::event_table::EventTable;
use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::{BodyView, Loss, RecordKind, Role};
use raft_testkit::trace::table::{DiagramPlacement, csv, markdown, rst, terminal};
use raft_testkit::trace::view::TraceView;

use super::play::{Play, rewrite};

fn short() -> Play {
    let mut play = Play::new(2, "short");
    play.section("only | one", &["leader_election/split_vote"], &["no_such_feature"]);
    play.role(1, Role::Candidate, "asked to");
    let id = play.send(1, 2, BodyView::RequestVoteResponse { granted: false });
    play.lose(id, Loss::Dropped);
    play
}

#[test]
fn a_grid_table_has_a_triple_of_columns_a_node() {
    let trace = short().trace();
    let view = TraceView::new(&trace);
    let rows = &EventTable::new(&trace).sections[0].rows;
    assert_eq!(
        rst::grid(&view, rows),
        "\
+------+--------------------+-------+------+-----+-------+
| N-1  | N-1                | N-1   | N-2  | N-2 | N-2   |
+------+--------------------+-------+------+-----+-------+
| Role | Op                 | Delta | Role | Op  | Delta |
+======+====================+=======+======+=====+=======+
| CNDI | NEW ROLE           |       | FLWR |     |       |
+------+--------------------+-------+------+-----+-------+
| CNDI | vote+N-2 yes-False |       | FLWR |     |       |
+------+--------------------+-------+------+-----+-------+
"
    );
}

#[test]
fn an_rst_page_names_the_features_and_folds_table_and_diagram() {
    let trace = short().trace();
    let page = rst::page(&TraceView::new(&trace), DiagramPlacement::Directory("diagrams"));
    for expected in [
        ".. _short:\n\n=====================\nThe play called short\n",
        "\nSection 1: only \\| one\n======================\n",
        "Raft features used:\n\n- **Leader election: split vote** (``leader_election/split_vote``;",
        "Raft features tested:\n\n- ``no_such_feature``, which no registry knows\n",
        ".. collapse:: section 1 trace table (click to open)\n\n   +------+",
        "   .. image:: diagrams/short_1.svg\n",
    ] {
        assert!(page.contains(expected), "{expected}\nis not in\n{page}");
    }
}

#[test]
fn a_markdown_table_keeps_its_columns_whatever_the_text() {
    let trace = short().trace();
    let page = markdown::page(&TraceView::new(&trace), DiagramPlacement::Inline);
    assert!(page.contains("## Section 1: only \\| one"), "{page}");
    assert!(page.contains("| CNDI | vote+N-2 yes-False |  | FLWR |  |  |"), "{page}");
    assert!(page.contains("```mermaid\nsequenceDiagram\n"), "{page}");
    let columns = |line: &&str| line.starts_with("| ") && line.matches('|').count() != 7;
    assert_eq!(page.lines().filter(columns).count(), 0, "{page}");
}

#[test]
fn values_with_commas_and_quotes_are_quoted_in_csv() {
    let mut play = Play::new(1, "csv");
    play.section("a \"strange\", title", &[], &[]);
    play.crash(1);
    let trace = play.trace();
    assert_eq!(
        csv::table(&TraceView::new(&trace)),
        "section,title,record,N-1 role,N-1 op,N-1 delta\r\n\
         1,\"a \"\"strange\"\", title\",2,FLWR,CRASH,\r\n"
    );
}

#[test]
fn a_terminal_line_is_at_most_120_columns_however_many_nodes() {
    for nodes in [1, 3, 5, 9, 30] {
        let mut play = Play::new(nodes, "wide");
        play.section(&"a long title ".repeat(20), &[], &[]);
        play.start_all();
        play.state(1).term = 123_456.into();
        play.at(1, RecordKind::Halted { reason: "no room\n".repeat(40) });
        let trace = play.trace();
        let table = terminal::table(&TraceView::new(&trace), terminal::Options::default());
        for line in table.lines() {
            assert!(line.chars().count() <= terminal::WIDTH_MAX, "{line}");
        }
    }
}

#[test]
fn a_terminal_line_shows_every_nodes_state_and_points_at_the_one_concerned() {
    let trace = rewrite();
    let table = terminal::table(&TraceView::new(&trace), terminal::Options::default());
    let line = table.lines().find(|line| line.contains("entries 2 to 3 go")).unwrap();
    assert!(line.contains("n1   entries 2 to 3 go (term 1)"), "{line}");
    assert!(line.ends_with("> F2 3/3  | L2 3/3  | F2 3/2"), "{line}");
    assert!(!table.contains("is durable"), "details are asked for");
    let options = terminal::Options { colours: false, details: true };
    assert!(terminal::table(&TraceView::new(&trace), options).contains("is durable"));
}

#[test]
fn sequence_text_breaks_lost_messages_off() {
    let trace = rewrite();
    let puml = Format::PlantUml.render(&trace);
    assert!(puml.starts_with("@startuml\n") && puml.ends_with("@enduml\n"), "{puml}");
    assert!(puml.contains("n2 ->x n1 : pre-vote? t2"), "{puml}");
    assert!(puml.contains("n1 ->(15) n2 : vote? t1"), "{puml}");
    let mermaid = Format::Mermaid.render(&trace);
    assert!(mermaid.contains("    n2-xn1: pre-vote? t2\n"), "{mermaid}");
    assert!(mermaid.contains("    n1->>n2: vote? t1\n"), "{mermaid}");
}

#[test]
fn a_message_that_another_overtook_is_marked_late_in_mermaid() {
    let mut play = Play::new(2, "late");
    play.section("only", &[], &[]);
    let first = play.send(1, 2, BodyView::RequestVoteResponse { granted: true });
    let second = play.send(1, 2, BodyView::RequestVoteResponse { granted: false });
    play.handle(second, |_| ());
    play.handle(first, |state| state.leader = Some(NodeId(1)));
    let mermaid = Format::Mermaid.render(&play.trace());
    assert!(mermaid.contains("n1->>n2: no vote\n"), "{mermaid}");
    assert!(mermaid.contains("n1->>n2: vote (late)\n"), "{mermaid}");
}

#[test]
fn a_form_is_found_by_its_name_and_an_unknown_one_lists_them_all() {
    for form in Format::ALL {
        assert_eq!(form.name().parse(), Ok(form));
    }
    let error = "pdf".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("pdf") && error.contains("mermaid"), "{error}");
}
