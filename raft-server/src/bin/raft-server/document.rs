//! Documents that are made from the code.

use std::path::PathBuf;

/// Compares a document of this repository with its generated text. With `UPDATE=1` in the
/// environment it writes the document instead.
pub(crate) fn compare(document: &str, generated: &str) {
    let path = path(document);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, generated).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "{document} differs from the code; write it with UPDATE=1 and read the difference"
    );
}

/// The path of a file of this repository.
pub(crate) fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

/// A document with the code block behind the marker of a source file replaced by that file, without
/// its comments and attributes at the top.
fn with_example(document: &str, example: &str) -> String {
    let text = std::fs::read_to_string(path(document)).unwrap();
    let code = std::fs::read_to_string(path(example)).unwrap();
    let code: String = code
        .lines()
        .skip_while(|line| line.is_empty() || line.starts_with("//!") || line.starts_with("#!["))
        .map(|line| format!("{line}\n"))
        .collect();
    let marker = format!("<!-- {example} -->\n```rust");
    let (before, rest) = text.split_once(&marker).expect("the document has the marker");
    let (attributes, rest) = rest.split_once('\n').expect("the block has a first line");
    let end = rest.find("```\n").expect("the block has an end");
    format!("{before}{marker}{attributes}\n{code}{}", &rest[end..])
}

#[test]
fn documents_contain_the_counter_example() {
    for document in ["README.md", "raft-server/README.md"] {
        let expected = with_example(document, "raft-server/examples/counter.rs");
        compare(document, &expected);
    }
}
