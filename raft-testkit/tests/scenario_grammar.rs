//! `docs/scenarios.md` is the grammar of scenario files: it has every keyword, and all its examples
//! are parsed.

use std::fs;
use std::path::PathBuf;

use raft_testkit::script::{Scenario, keywords, statements};

fn document() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code blocks with this language.
fn blocks<'d>(document: &'d str, language: &str) -> Vec<&'d str> {
    let fence = format!("```{language}\n");
    let after = document.split(fence.as_str()).skip(1);
    after.filter_map(|rest| rest.split_once("```").map(|(block, _)| block)).collect()
}

/// The examples in the first column of the tables of statements.
fn examples(document: &str) -> Vec<&str> {
    let cells = document.lines().filter_map(|line| line.strip_prefix("| `"));
    cells.filter_map(|rest| rest.split_once("` |").map(|(example, _)| example)).collect()
}

#[test]
fn every_example_of_the_document_is_parsed() {
    let document = document();
    let examples = examples(&document);
    assert!(examples.len() >= statements().len(), "{examples:?}");
    for example in &examples {
        // A table cell cannot contain a bare vertical bar.
        let text = example.replace("\\|", "|");
        Scenario::parse(&text).unwrap_or_else(|error| panic!("{example}: {error}"));
    }
    for statement in statements() {
        let has_example = examples.iter().any(|example| {
            example.split_whitespace().next().map(|word| word.trim_end_matches(':'))
                == Some(*statement)
        });
        assert!(has_example, "{statement} has no example");
    }
}

#[test]
fn every_complete_scenario_of_the_document_passes() {
    let document = document();
    let scenarios = blocks(&document, "raft");
    assert!(!scenarios.is_empty());
    for text in scenarios {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        if let Err(failure) = scenario.run("docs_scenarios") {
            panic!("{failure}\n{text}");
        }
    }
}

#[test]
fn the_grammar_of_the_document_has_every_keyword_of_the_parser() {
    let document = document();
    let [grammar] = blocks(&document, "ebnf")[..] else { panic!("one block of grammar") };
    for keyword in keywords() {
        assert!(grammar.contains(&format!("\"{keyword}\"")), "{keyword} is not in the grammar");
    }
}

#[test]
fn every_terminal_of_the_grammar_is_a_keyword_of_the_parser() {
    let document = document();
    let [grammar] = blocks(&document, "ebnf")[..] else { panic!("one block of grammar") };
    let keywords = keywords();
    for terminal in grammar.split('"').skip(1).step_by(2) {
        let is_word = terminal.chars().next().is_some_and(char::is_alphabetic);
        assert!(!is_word || keywords.contains(&terminal), "the parser lacks {terminal}");
    }
}

#[test]
fn every_statement_of_the_list_is_known_to_the_parser() {
    for statement in statements() {
        if let Err(error) = Scenario::parse(statement) {
            assert!(!error.message.starts_with("unknown statement"), "{error}");
        }
    }
}
