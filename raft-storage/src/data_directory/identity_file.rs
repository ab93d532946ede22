//! The identity file of a data directory.

use std::cmp::Ordering;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use raft_core::{GroupId, Identity, Incarnation, NodeId};

use super::{DirectoryError, io_error, sync_directory};

const IDENTITY_FILE: &str = "IDENTITY";
/// The name of the line before the checksum.
const STATE: &str = "state";

/// The state of the creation of a data directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The database may be missing or incomplete; it contains nothing that was acknowledged.
    Creating,
    /// The database was created and must exist.
    Ready,
}

/// What an identity file states.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityRecord {
    /// To which node the directory belongs.
    pub identity: Identity,
    /// Whether its creation is complete.
    pub stage: Stage,
    /// Further lines, each a name without spaces and a value.
    pub facts: Vec<(String, String)>,
}

impl IdentityRecord {
    /// The value of the fact with this name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The identity file of a data directory of one kind.
#[derive(Clone, Debug)]
pub struct IdentityFile {
    directory: PathBuf,
    kind: &'static str,
    format: u32,
}

impl IdentityFile {
    /// The identity file in a directory. `kind` is the first word of the file, without spaces;
    /// `format` is the only format that this reads and writes.
    #[must_use]
    pub fn new(directory: &Path, kind: &'static str, format: u32) -> Self {
        Self { directory: directory.to_owned(), kind, format }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(IDENTITY_FILE)
    }

    /// Reads the file without writing anything. `None` if the directory or the file does not exist.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has another format.
    pub fn read(&self) -> Result<Option<(Identity, Stage)>, DirectoryError> {
        Ok(self.read_record()?.map(|record| (record.identity, record.stage)))
    }

    /// Reads the file with its facts, as [`IdentityFile::read`] does.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has another format.
    pub fn read_record(&self) -> Result<Option<IdentityRecord>, DirectoryError> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        self.parse(&String::from_utf8_lossy(&bytes)).map(Some)
    }

    /// Writes a file without facts; durable on return. A crash leaves the old or the new file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, identity: &Identity, stage: Stage) -> Result<(), DirectoryError> {
        let facts = Vec::new();
        self.write_record(&IdentityRecord { identity: *identity, stage, facts })
    }

    /// Writes the file with its facts, as [`IdentityFile::write`] does.
    ///
    /// # Errors
    /// When the file cannot be written.
    ///
    /// # Panics
    /// When the name or the value of a fact cannot be in one line.
    pub fn write_record(&self, record: &IdentityRecord) -> Result<(), DirectoryError> {
        let path = self.path();
        let draft = self.directory.join(format!("{IDENTITY_FILE}.new"));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(self.render(record).as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(io_error("write", &path))?;
        sync_directory(&self.directory)
    }

    fn render(&self, record: &IdentityRecord) -> String {
        let Identity { cluster, group, node, incarnation } = record.identity;
        let state = match record.stage {
            Stage::Creating => "creating",
            Stage::Ready => "ready",
        };
        let mut body = format!(
            "{} {}\ncluster {cluster}\ngroup {group}\nnode {node}\nincarnation {incarnation}\n",
            self.kind, self.format
        );
        for (name, value) in &record.facts {
            assert!(is_fact(name, value), "a fact is one line with a name: {name:?} {value:?}");
            body.push_str(&format!("{name} {value}\n"));
        }
        body.push_str(&format!("{STATE} {state}\n"));
        let crc = crc32c::crc32c(body.as_bytes());
        format!("{body}crc32c {crc:08x}\n")
    }

    fn parse(&self, text: &str) -> Result<IdentityRecord, DirectoryError> {
        let damaged = |detail: String| DirectoryError::Damaged { path: self.path(), detail };
        let mut lines = text.lines();
        // All formats have the same first line.
        let found: u32 = field(&mut lines, self.kind).map_err(damaged)?;
        let (path, supported) = (self.path(), self.format);
        match found.cmp(&supported) {
            Ordering::Greater => {
                return Err(DirectoryError::NewerFormat { path, found, supported });
            }
            Ordering::Less => return Err(DirectoryError::OlderFormat { path, found, supported }),
            Ordering::Equal => {}
        }
        let identity = Identity {
            cluster: field(&mut lines, "cluster").map_err(damaged)?,
            group: GroupId(field(&mut lines, "group").map_err(damaged)?),
            node: NodeId(field(&mut lines, "node").map_err(damaged)?),
            incarnation: Incarnation(field(&mut lines, "incarnation").map_err(damaged)?),
        };
        let mut facts = Vec::new();
        let state = loop {
            let line = lines.next().unwrap_or_default();
            match line.split_once(' ') {
                Some((STATE, state)) => break state,
                Some((name, value)) if is_fact(name, value) => {
                    facts.push((name.to_owned(), value.to_owned()));
                }
                Some(_) | None => {
                    return Err(damaged(format!("`{line}` found where `{STATE}` was expected")));
                }
            }
        };
        let stage = match state {
            "creating" => Stage::Creating,
            "ready" => Stage::Ready,
            other => return Err(damaged(format!("unknown state `{other}`"))),
        };
        let record = IdentityRecord { identity, stage, facts };
        // Any other damage makes the text differ from a newly rendered one.
        if self.render(&record) != text {
            return Err(damaged("its checksum does not match".to_owned()));
        }
        Ok(record)
    }
}

/// Whether a name and a value form a line that is read back as the same fact.
fn is_fact(name: &str, value: &str) -> bool {
    !name.is_empty()
        && name != STATE
        && !name.contains(char::is_whitespace)
        && !value.contains('\n')
}

fn field<'a, T: FromStr<Err: Display>>(
    lines: &mut impl Iterator<Item = &'a str>,
    name: &str,
) -> Result<T, String> {
    let line = lines.next().unwrap_or_default();
    let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
    let value = value.ok_or_else(|| format!("`{line}` found where `{name}` was expected"))?;
    value.parse().map_err(|error| format!("`{line}`: {error}"))
}

#[cfg(test)]
mod tests {
    use raft_core::ClusterId;

    use super::*;

    const IDENTITY: Identity = Identity {
        cluster: ClusterId(0xabc),
        group: GroupId(0),
        node: NodeId(3),
        incarnation: Incarnation(2),
    };

    fn file() -> IdentityFile {
        IdentityFile::new(Path::new("x"), "raft-test", 2)
    }

    fn record(stage: Stage) -> IdentityRecord {
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let facts = vec![fact("members", "1 2 3"), fact("origin", "")];
        IdentityRecord { identity: IDENTITY, stage, facts }
    }

    #[test]
    fn a_written_identity_file_is_read_back() {
        for stage in [Stage::Creating, Stage::Ready] {
            let text = file().render(&record(stage));
            let read = file().parse(&text).unwrap();
            assert_eq!(read, record(stage));
            assert_eq!(read.fact("members"), Some("1 2 3"));
            assert_eq!(read.fact("epoch"), None);
        }
    }

    #[test]
    fn every_changed_byte_of_an_identity_file_is_detected() {
        let text = file().render(&record(Stage::Ready));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let damaged = String::from_utf8(bytes).expect("ASCII stays ASCII");
            assert!(file().parse(&damaged).is_err(), "{damaged}");
            assert!(file().parse(&text[..at]).is_err(), "cut to {at} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_reported_even_if_the_rest_is_unreadable() {
        let error = file().parse("raft-test 7\nsomething new\n").unwrap_err();
        assert!(matches!(error, DirectoryError::NewerFormat { found: 7, supported: 2, .. }));
    }

    /// A whole file of an earlier release is not a damaged one.
    #[test]
    fn an_older_format_is_reported_with_both_numbers() {
        let older = IdentityFile::new(Path::new("x"), "raft-test", 1);
        let error = file().parse(&older.render(&record(Stage::Ready))).unwrap_err();
        assert!(matches!(error, DirectoryError::OlderFormat { found: 1, supported: 2, .. }));
    }

    #[test]
    fn a_directory_of_another_kind_is_reported_as_damaged() {
        let other = IdentityFile::new(Path::new("x"), "raft-other", 2);
        let text = other.render(&record(Stage::Ready));
        let error = file().parse(&text).unwrap_err();
        assert!(matches!(error, DirectoryError::Damaged { .. }), "{error}");
    }
}
