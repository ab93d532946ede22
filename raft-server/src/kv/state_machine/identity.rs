//! The identity file beside the database: its format, and whose data it is.
//!
//! A few lines of text, so that a person can read whom a directory belongs to. It is looked at
//! before the database is touched: a release that does not know the format changes nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use raft_core::{ClusterId, GroupId, Identity, Incarnation, NodeId};

use super::error::OpenError;

const FILE_NAME: &str = "IDENTITY";
const TITLE: &str = "raft-server key-value store";
/// The layout that this release reads and writes.
const FORMAT: u64 = 1;

/// Checks that the directory is this node's and of a known format; marks an empty one as such.
pub(super) fn claim(dir: &Path, database: &Path, expected: &Identity) -> Result<(), OpenError> {
    let path = dir.join(FILE_NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if database.exists() {
                let detail = "the file is missing although there is a database".to_owned();
                return Err(OpenError::DamagedIdentity { path, detail });
            }
            create(dir, &path, expected)?;
            fs::read_to_string(&path).map_err(|source| file_error("reading", &path, source))?
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let detail = "it is not text".to_owned();
            return Err(OpenError::DamagedIdentity { path, detail });
        }
        Err(source) => return Err(file_error("reading", &path, source)),
    };
    let found = parse(&path, &text)?;
    if found != *expected {
        return Err(OpenError::OtherIdentity { path, found, expected: *expected });
    }
    Ok(())
}

/// Puts the file in its place whole and durable, and never over another.
fn create(dir: &Path, path: &Path, identity: &Identity) -> Result<(), OpenError> {
    let draft = dir.join(format!("{FILE_NAME}.{}.draft", std::process::id()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).open(&draft).and_then(
        |mut file| {
            file.write_all(render(identity).as_bytes())?;
            file.sync_all()
        },
    );
    written.map_err(|source| file_error("writing", &draft, source))?;
    match fs::hard_link(&draft, path) {
        Ok(()) => {}
        // Another process was faster; whether it is of the same mind is looked at next.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(file_error("naming", path, source)),
    }
    fs::remove_file(&draft).map_err(|source| file_error("removing", &draft, source))?;
    File::open(dir)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| file_error("syncing", dir, source))
}

fn render(identity: &Identity) -> String {
    let body = format!(
        "{TITLE}\nformat = {FORMAT}\ncluster = {}\ngroup = {}\nnode = {}\nincarnation = {}\n",
        identity.cluster, identity.group, identity.node, identity.incarnation
    );
    let checksum = crc32c::crc32c(body.as_bytes());
    format!("{body}crc32c = {checksum:08x}\n")
}

fn parse(path: &Path, text: &str) -> Result<Identity, OpenError> {
    let damaged = |detail: String| OpenError::DamagedIdentity { path: path.to_owned(), detail };
    // The format comes first and on its own: a later one may end differently from here on.
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(damaged(format!("it does not begin with `{TITLE}`")));
    }
    let found = field(lines.next(), "format").and_then(|value| value.parse().ok());
    let found: u64 = found.ok_or_else(|| damaged("its format is not a number".to_owned()))?;
    if found > FORMAT {
        let path = path.to_owned();
        return Err(OpenError::NewerFormat { path, found, supported: FORMAT });
    }
    let identity = parse_identity(lines).ok_or_else(|| damaged("a line is amiss".to_owned()))?;
    if render(&identity) != text {
        return Err(damaged("its checksum does not fit".to_owned()));
    }
    Ok(identity)
}

fn parse_identity<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Identity> {
    let cluster: ClusterId = field(lines.next(), "cluster")?.parse().ok()?;
    let group = GroupId(field(lines.next(), "group")?.parse().ok()?);
    let node = NodeId(field(lines.next(), "node")?.parse().ok()?);
    let incarnation = Incarnation(field(lines.next(), "incarnation")?.parse().ok()?);
    Some(Identity { cluster, group, node, incarnation })
}

fn field<'a>(line: Option<&'a str>, name: &str) -> Option<&'a str> {
    line?.strip_prefix(name)?.strip_prefix(" = ")
}

fn file_error(operation: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::File { operation, path: PathBuf::from(path), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity {
        cluster: ClusterId(0xabc),
        group: GroupId(1),
        node: NodeId(3),
        incarnation: Incarnation(2),
    };

    /// One flipped bit must not turn one node's data into another's.
    #[test]
    fn every_changed_byte_is_noticed() {
        let text = render(&IDENTITY);
        let path = Path::new("IDENTITY");
        assert_eq!(parse(path, &text).unwrap(), IDENTITY);
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(parse(path, &changed).is_err(), "{changed}");
        }
    }

    /// What a later release writes after the format line is its own business.
    #[test]
    fn newer_format_is_named_whatever_follows() {
        let text = format!("{TITLE}\nformat = 2\nsomething new\n");
        let error = parse(Path::new("IDENTITY"), &text).unwrap_err();
        assert!(matches!(error, OpenError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }
}
