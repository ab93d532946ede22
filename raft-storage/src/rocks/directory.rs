//! The files of the data directory beside the database: identity and lock.

use std::fmt::Display;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use raft_core::{GroupId, Identity, Incarnation, NodeId};

use crate::error::OpenError;

/// The format of the data directory that this release writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

const IDENTITY_FILE: &str = "IDENTITY";
const LOCK_FILE: &str = "LOCK";
const DATABASE_DIRECTORY: &str = "db";
/// The first word of the identity file.
const MAGIC: &str = "raft-log";

/// The state of the creation of a data directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// The database may be missing or incomplete; it contains nothing that was acknowledged.
    Creating,
    /// The database was created and must exist.
    Ready,
}

/// The directory of the database in a data directory.
pub(super) fn database_of(directory: &Path) -> PathBuf {
    directory.join(DATABASE_DIRECTORY)
}

/// An exclusive lock on a data directory. Released when dropped or when the process exits.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Acquires the lock and writes the id of this process to the file.
    pub(super) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Best effort: the holder may not have written its id yet.
                let _ = Read::take(&file, 20).read_to_string(&mut holder);
                return Err(OpenError::Locked { path, pid: holder.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        let note_holder = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        note_holder(&mut file).map_err(io_error("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// Reads the identity file without writing anything. `None` if the directory or the file does not
/// exist.
pub(super) fn read_identity(directory: &Path) -> Result<Option<(Identity, Stage)>, OpenError> {
    let path = directory.join(IDENTITY_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    parse(&String::from_utf8_lossy(&bytes), &path).map(Some)
}

/// Writes the identity file; durable on return.
pub(super) fn write_identity(
    directory: &Path,
    identity: &Identity,
    stage: Stage,
) -> Result<(), OpenError> {
    let path = directory.join(IDENTITY_FILE);
    let draft = directory.join(format!("{IDENTITY_FILE}.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(render(identity, stage).as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    };
    write().map_err(io_error("write", &path))?;
    sync_directory(directory)
}

/// Creates the directory and missing parents, each with mode 0700. The directory entries are durable
/// on return.
pub(super) fn create(directory: &Path) -> Result<(), OpenError> {
    let mut missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(io_error("create the directory", directory))?;
    while let Some(made) = missing.pop() {
        match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Adds the operation and the file to an error of the operating system.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    let sync = || File::open(directory)?.sync_all();
    sync().map_err(io_error("sync the directory", directory))
}

fn render(identity: &Identity, stage: Stage) -> String {
    let Identity { cluster, group, node, incarnation } = identity;
    let state = match stage {
        Stage::Creating => "creating",
        Stage::Ready => "ready",
    };
    let body = format!(
        "{MAGIC} {FORMAT}\ncluster {cluster}\ngroup {group}\nnode {node}\nincarnation \
         {incarnation}\nstate {state}\n"
    );
    let crc = crc32c::crc32c(body.as_bytes());
    format!("{body}crc32c {crc:08x}\n")
}

fn parse(text: &str, path: &Path) -> Result<(Identity, Stage), OpenError> {
    let damaged = |detail: String| OpenError::Damaged { path: path.to_owned(), detail };
    let mut lines = text.lines();
    // All formats have the same first line.
    let found: u32 = field(&mut lines, MAGIC).map_err(damaged)?;
    if found > FORMAT {
        let supported = FORMAT;
        return Err(OpenError::NewerFormat { path: path.to_owned(), found, supported });
    }
    let identity = Identity {
        cluster: field(&mut lines, "cluster").map_err(damaged)?,
        group: GroupId(field(&mut lines, "group").map_err(damaged)?),
        node: NodeId(field(&mut lines, "node").map_err(damaged)?),
        incarnation: Incarnation(field(&mut lines, "incarnation").map_err(damaged)?),
    };
    let stage = match field::<String>(&mut lines, "state").map_err(damaged)?.as_str() {
        "creating" => Stage::Creating,
        "ready" => Stage::Ready,
        other => return Err(damaged(format!("unknown state `{other}`"))),
    };
    // Any other damage makes the text differ from a newly rendered one.
    if render(&identity, stage) != text {
        return Err(damaged("its checksum does not match".to_owned()));
    }
    Ok((identity, stage))
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

    #[test]
    fn a_written_identity_file_is_read_back() {
        for stage in [Stage::Creating, Stage::Ready] {
            let text = render(&IDENTITY, stage);
            assert_eq!(parse(&text, Path::new("x")).unwrap(), (IDENTITY, stage));
        }
    }

    #[test]
    fn every_changed_byte_of_an_identity_file_is_detected() {
        let text = render(&IDENTITY, Stage::Ready);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let damaged = String::from_utf8(bytes).expect("ASCII stays ASCII");
            assert!(parse(&damaged, Path::new("x")).is_err(), "{damaged}");
            assert!(parse(&text[..at], Path::new("x")).is_err(), "cut to {at} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_reported_even_if_the_rest_is_unreadable() {
        let error = parse("raft-log 7\nsomething new\n", Path::new("x")).unwrap_err();
        assert!(matches!(error, OpenError::NewerFormat { found: 7, supported: FORMAT, .. }));
    }
}
