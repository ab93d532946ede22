//! Reads the configuration file.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::member::MEMBER_KEYS;
use super::settings::{KEYS, Settings};

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file is not TOML, or a value has the wrong type. The message shows the line.
    #[error("{}: {}", path.display(), detail.trim_end())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// The position and the fault.
        detail: String,
    },
    /// The file has an unknown key.
    #[error("{}, line {line}, column {column}: unknown key `{key}`{}", path.display(), hint(nearest, valid))]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The unknown key.
        key: String,
        /// The valid key that is most similar, if one is.
        nearest: Option<&'static str>,
        /// All valid keys of the table.
        valid: &'static [&'static str],
    },
}

fn hint(nearest: &Option<&'static str>, valid: &[&str]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!("; the keys are {}", valid.join(", ")),
    }
}

/// Reads a file. Paths in it are relative to its directory.
pub(crate) fn read(path: &Path) -> Result<Settings, FileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    let settings = parse(path, &text)?;
    Ok(settings.relative_to(path.parent().unwrap_or_else(|| Path::new(""))))
}

fn parse(path: &Path, text: &str) -> Result<Settings, FileError> {
    let malformed = |error: toml::de::Error| FileError::Malformed {
        path: path.to_owned(),
        detail: error.to_string(),
    };
    let table = DeTable::parse(text).map_err(malformed)?;
    check_keys(path, text, table.get_ref(), KEYS)?;
    let members = table.get_ref().iter().find(|(key, _)| key.get_ref() == "members");
    if let Some(DeValue::Array(members)) = members.map(|(_, value)| value.get_ref()) {
        for member in members.iter() {
            if let DeValue::Table(member) = member.get_ref() {
                check_keys(path, text, member, &MEMBER_KEYS)?;
            }
        }
    }
    toml::from_str(text).map_err(malformed)
}

/// Refuses the first key, in the order of the file, that is not among the valid ones.
fn check_keys(
    path: &Path,
    text: &str,
    table: &DeTable<'_>,
    valid: &'static [&'static str],
) -> Result<(), FileError> {
    let unknown = table
        .keys()
        .filter(|key| !valid.contains(&key.get_ref().as_ref()))
        .min_by_key(|key| key.span().start);
    let Some(unknown) = unknown else { return Ok(()) };
    let before = text.get(..unknown.span().start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Err(FileError::UnknownKey {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.chars().count() - before[..line_start].chars().count() + 1,
        key: unknown.get_ref().escape_debug().to_string(),
        nearest: nearest(unknown.get_ref(), valid),
        valid,
    })
}

/// The valid key that is most similar to a mistyped one.
fn nearest(mistyped: &str, valid: &[&'static str]) -> Option<&'static str> {
    let normal = mistyped.replace('-', "_").to_lowercase();
    valid
        .iter()
        .map(|key| (strsim::jaro_winkler(&normal, key), *key))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::quantity::{Size, Span};
    use super::*;

    fn message(text: &str) -> String {
        parse(Path::new("node.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn unknown_key_is_located_and_a_similar_one_is_named() {
        assert_eq!(
            message("node_id = 1\nelection-timout = \"1s\"\n"),
            "node.toml, line 2, column 1: unknown key `election-timout`; did you mean `election_timeout`?"
        );
        assert_eq!(
            message("node_id = 1\n[[members]]\nid = 1\n  peeer = \"x\"\n"),
            "node.toml, line 4, column 3: unknown key `peeer`; did you mean `peer`?"
        );
        let nothing_like_it = message("zzz = 1\n");
        assert!(nothing_like_it.contains("the keys are cluster_id, node_id"), "{nothing_like_it}");
    }

    #[test]
    fn value_of_the_wrong_type_is_shown_in_its_line() {
        let text = message("node_id = 1\nelection_timeout = \"soon\"\n");
        assert!(text.contains("line 2"), "{text}");
        assert!(text.contains("`soon` is not a duration"), "{text}");
        assert!(message("node_id = \"one\"").contains("line 1"));
        assert!(message("node_id = ").contains("line 1"));
    }

    #[test]
    fn values_have_units_and_paths_are_relative_to_the_file() {
        let text = "heartbeat_interval = '50ms'\nlimit_append_bytes = 4096\n\
                    limit_tail_bytes = '1MiB'\ntls_ca = 'ca.pem'\ndata_dir = '/data'";
        let settings =
            parse(Path::new("x"), text).unwrap().relative_to(Path::new("/etc/raft-server"));
        assert_eq!(settings.heartbeat_interval, Some(Span(Duration::from_millis(50))));
        assert_eq!(settings.limit_append_bytes, Some(Size(4096)));
        assert_eq!(settings.limit_tail_bytes, Some(Size(1 << 20)));
        assert_eq!(settings.tls_ca.as_deref(), Some(Path::new("/etc/raft-server/ca.pem")));
        assert_eq!(settings.data_dir.as_deref(), Some(Path::new("/data")));
    }
}
