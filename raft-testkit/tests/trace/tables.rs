//! Tables of traces.

use raft_core::NodeId;
use raft_testkit::trace::event_table::EventTable;
use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::{BodyView, Loss, RecordKind, Role};
use raft_testkit::trace::table::{DiagramPlacement, csv, markdown, rst, terminal};
use raft_testkit::trace::view::TraceView;

use super::hand_written::{TraceBuilder, rewrite};

fn short() -> TraceBuilder {
    let mut builder = TraceBuilder::new(2, "short");
    builder.section("only | one", &["leader_election/split_vote"], &["no_such_feature"]);
    builder.role(1, Role::Candidate, "requested");
    let id = builder.send(1, 2, BodyView::RequestVoteResponse { granted: false });
    builder.lose(id, Loss::Dropped);
    builder
}

#[test]
fn a_grid_table_has_three_columns_for_each_node() {
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
        ".. _short:\n\n==================\nThe scenario short\n",
        "\nSection 1: only \\| one\n======================\n",
        "Raft features used:\n\n- **Leader election: split vote** (``leader_election/split_vote``;",
        "Raft features tested:\n\n- ``no_such_feature``, not registered\n",
        ".. collapse:: section 1 trace table (click to open)\n\n   +------+",
        "   .. image:: diagrams/short_1.svg\n",
    ] {
        assert!(page.contains(expected), "{expected}\nis not in\n{page}");
    }
}

#[test]
fn text_does_not_change_the_columns_of_a_markdown_table() {
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
    let mut builder = TraceBuilder::new(1, "csv");
    builder.section("a \"strange\", title", &[], &[]);
    builder.crash(1);
    let trace = builder.trace();
    assert_eq!(
        csv::table(&TraceView::new(&trace)),
        "section,title,record,N-1 role,N-1 op,N-1 delta\r\n\
         1,\"a \"\"strange\"\", title\",2,FLWR,CRASH,\r\n"
    );
}

#[test]
fn a_terminal_line_has_at_most_120_columns_for_any_number_of_nodes() {
    for nodes in [1, 3, 5, 9, 30] {
        let mut builder = TraceBuilder::new(nodes, "wide");
        builder.section(&"a long title ".repeat(20), &[], &[]);
        builder.start_all();
        builder.state(1).term = 123_456.into();
        builder.at(1, RecordKind::Halted { reason: "no room\n".repeat(40) });
        let trace = builder.trace();
        let table = terminal::table(&TraceView::new(&trace), terminal::Options::default());
        for line in table.lines() {
            assert!(line.chars().count() <= terminal::WIDTH_MAX, "{line}");
        }
    }
}

#[test]
fn a_terminal_line_has_the_state_of_every_node_and_marks_its_own() {
    let trace = rewrite();
    let table = terminal::table(&TraceView::new(&trace), terminal::Options::default());
    let line = table.lines().find(|line| line.contains("removes entries 2 to 3")).unwrap();
    assert!(line.contains("n1   removes entries 2 to 3 (term 1)"), "{line}");
    assert!(line.ends_with("> F2 3/3  | L2 3/3  | F2 3/2"), "{line}");
    assert!(!table.contains("is durable"), "details are off");
    let options = terminal::Options { colours: false, details: true };
    assert!(terminal::table(&TraceView::new(&trace), options).contains("is durable"));
}

#[test]
fn sequence_text_marks_lost_messages() {
    let trace = rewrite();
    let puml = Format::PlantUml.render(&trace);
    assert!(puml.starts_with("@startuml\n") && puml.ends_with("@enduml\n"), "{puml}");
    assert!(puml.contains("n2 ->x n1 : pre-vote request t2"), "{puml}");
    assert!(puml.contains("n1 ->(15) n2 : vote request t1"), "{puml}");
    let mermaid = Format::Mermaid.render(&trace);
    assert!(mermaid.contains("    n2-xn1: pre-vote request t2\n"), "{mermaid}");
    assert!(mermaid.contains("    n1->>n2: vote request t1\n"), "{mermaid}");
}

#[test]
fn an_overtaken_message_is_marked_late_in_mermaid() {
    let mut builder = TraceBuilder::new(2, "late");
    builder.section("only", &[], &[]);
    let first = builder.send(1, 2, BodyView::RequestVoteResponse { granted: true });
    let second = builder.send(1, 2, BodyView::RequestVoteResponse { granted: false });
    builder.handle(second, |_| ());
    builder.handle(first, |state| state.leader = Some(NodeId(1)));
    let mermaid = Format::Mermaid.render(&builder.trace());
    assert!(mermaid.contains("n1->>n2: vote denied\n"), "{mermaid}");
    assert!(mermaid.contains("n1->>n2: vote granted (late)\n"), "{mermaid}");
}

#[test]
fn a_format_is_found_by_its_name_and_an_unknown_one_is_an_error_with_all_names() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    let error = "pdf".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("pdf") && error.contains("mermaid"), "{error}");
}
