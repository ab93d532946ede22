//! The configuration reference, made from the declared settings.

use super::setting::{DefaultValue, Group, Setting};
use super::settings::groups;

const INTRODUCTION: &str = "\
# Configuration

The settings of `raft-server serve` and `raft-server check`. Each is a key of the configuration
file (TOML), a flag and an environment variable. A flag overrides the variable, which overrides the
file, which overrides the default. Paths in the file are relative to the directory of the file.
`--config` or `RAFT_SERVER_CONFIG` names the file.

`raft-server check --config node.toml` validates a configuration and the files that it names.
`raft-server config reference` prints this document, and a test compares the two.
";

/// The configuration reference as Markdown.
pub(crate) fn reference() -> String {
    let groups: Vec<String> = groups().iter().map(group).collect();
    format!("{INTRODUCTION}{}", groups.concat())
}

fn group(group: &Group) -> String {
    let settings: Vec<String> = group.settings.iter().map(setting).collect();
    format!("\n## {}\n{}", group.name, settings.concat())
}

fn setting(setting: &Setting) -> String {
    let Setting { key, variable, kind, meaning, default, range } = setting;
    let default = match default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::Value(value) => format!("`{value}`"),
        DefaultValue::Text(text) => text.clone(),
    };
    let (toml_type, unit) = (kind.toml_type(), kind.unit());
    let flag = key.replace('_', "-");
    let meaning = wrapped(meaning);
    format!(
        "\n### `{key}`\n\n{meaning}\n\n\
         | type | unit | default | range | flag | variable |\n\
         | --- | --- | --- | --- | --- | --- |\n\
         | {toml_type} | {unit} | {default} | {range} | `--{flag}` | `{variable}` |\n"
    )
}

/// A text with line breaks, so that no line is longer than 100 columns.
fn wrapped(text: &str) -> String {
    const COLUMNS_MAX: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= COLUMNS_MAX {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_is_the_reference_of_this_program() {
        crate::document::compare("docs/configuration.md", &reference());
    }
}
