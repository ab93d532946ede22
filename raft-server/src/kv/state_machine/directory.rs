//! The directories of the store, beside the identity file: the database, the one that replaces it,
//! and the captured states.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use raft_core::Identity;
use raft_storage::data_directory::DirectoryLock;

use super::error::OpenError;
use super::identity::{self, FIRST_DATABASE, Naming, POINTER_FILE};

const CAPTURE_PREFIX: &str = "capture-";

/// The directory of the store. It is locked until this and every directory in it are dropped.
///
/// The first database is in `db`. A restore builds the next one in `db-1`, `db-2` and so on, and
/// then names it in the pointer file: that is the one moment at which the state changes. An open
/// store removes every other database and every captured state, which a crash may have left.
#[derive(Debug)]
pub(super) struct StoreDirectory {
    path: PathBuf,
    identity: Identity,
    lock: Arc<DirectoryLock>,
    naming: Naming,
    /// The number of the current database; zero is `db`.
    current: u64,
    captures: u64,
}

impl StoreDirectory {
    /// Opens the directory of a store and returns that of its database.
    ///
    /// # Errors
    /// When the directory belongs to another node, has a newer format, is in use, is damaged, or
    /// cannot be read or created.
    pub(super) fn open(
        path: &Path,
        identity: &Identity,
    ) -> Result<(Self, OwnedDirectory), OpenError> {
        let (lock, naming) = identity::claim(path, identity)?;
        let current = current(path, naming)?;
        remove_leftovers(path, &database_name(current))?;
        let lock = Arc::new(lock);
        let this =
            Self { path: path.to_owned(), identity: *identity, lock, naming, current, captures: 0 };
        let database = this.owned(&database_name(current));
        database.keep();
        Ok((this, database))
    }

    /// A directory for a captured state, which does not exist yet. It is removed when dropped.
    pub(super) fn new_capture(&mut self) -> OwnedDirectory {
        self.captures += 1;
        self.owned(&format!("{CAPTURE_PREFIX}{}", self.captures))
    }

    /// A directory for the next database, which does not exist yet. It is removed when dropped,
    /// unless [`StoreDirectory::switch_to`] makes it the current one.
    ///
    /// # Errors
    /// When a remainder of an earlier attempt cannot be removed.
    pub(super) fn new_database(&self) -> Result<OwnedDirectory, OpenError> {
        let directory = self.owned(&database_name(self.current + 1));
        remove(directory.path())?;
        Ok(directory)
    }

    /// Makes a directory of [`StoreDirectory::new_database`] the one that is opened from now on. A
    /// crash leaves the earlier or the new one; after an error it is either of them.
    ///
    /// # Errors
    /// When a file cannot be written. The store must not be used further.
    pub(super) fn switch_to(&mut self, database: &OwnedDirectory) -> Result<(), OpenError> {
        let number = self.current + 1;
        database.keep();
        sync(&self.path)?;
        identity::name_database(&self.path, &self.identity, &mut self.naming)?;
        let path = self.path.join(POINTER_FILE);
        let draft = self.path.join(format!("{POINTER_FILE}.new"));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(render(&database_name(number)).as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(file_error("write", &path))?;
        sync(&self.path)?;
        self.current = number;
        Ok(())
    }

    fn owned(&self, name: &str) -> OwnedDirectory {
        OwnedDirectory {
            path: self.path.join(name),
            is_removed: AtomicBool::new(true),
            _lock: Arc::clone(&self.lock),
        }
    }
}

/// A directory in a [`StoreDirectory`], which stays locked meanwhile.
#[derive(Debug)]
pub(super) struct OwnedDirectory {
    path: PathBuf,
    /// Whether the directory is removed when this is dropped.
    is_removed: AtomicBool,
    _lock: Arc<DirectoryLock>,
}

impl OwnedDirectory {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does not remove the directory when this is dropped.
    pub(super) fn keep(&self) {
        self.is_removed.store(false, Ordering::Release);
    }

    /// Removes the directory when this is dropped.
    pub(super) fn remove_when_dropped(&self) {
        self.is_removed.store(true, Ordering::Release);
    }
}

impl Drop for OwnedDirectory {
    fn drop(&mut self) {
        if !*self.is_removed.get_mut() {
            return;
        }
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "a directory remains until the next start");
        }
    }
}

/// The number of the current database.
fn current(path: &Path, naming: Naming) -> Result<u64, OpenError> {
    let pointer = path.join(POINTER_FILE);
    let damaged = |detail: String| OpenError::DamagedIdentity { path: pointer.clone(), detail };
    let number = match (naming, fs::read_to_string(&pointer)) {
        (Naming::Fixed, _) => return Ok(0),
        (Naming::Pointer, Ok(text)) => {
            parse(&text).ok_or_else(|| damaged("its checksum does not match".to_owned()))?
        }
        // The first restore did not complete.
        (Naming::Pointer, Err(error)) if error.kind() == io::ErrorKind::NotFound => 0,
        (Naming::Pointer, Err(error)) => return Err(file_error("read", &pointer)(error)),
    };
    let name = database_name(number);
    if path.join(&name).exists() {
        return Ok(number);
    }
    Err(damaged(format!("the database `{name}` does not exist")))
}

fn remove_leftovers(path: &Path, current: &str) -> Result<(), OpenError> {
    for entry in fs::read_dir(path).map_err(file_error("read", path))? {
        let entry = entry.map_err(file_error("read", path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_other_database = number_of(&name).is_some() && name != current;
        if is_other_database || name.starts_with(CAPTURE_PREFIX) {
            tracing::info!(path = %entry.path().display(), "removing what an earlier run left");
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn database_name(number: u64) -> String {
    match number {
        0 => FIRST_DATABASE.to_owned(),
        number => format!("{FIRST_DATABASE}-{number}"),
    }
}

fn number_of(name: &str) -> Option<u64> {
    let rest = name.strip_prefix(FIRST_DATABASE)?;
    let number = if rest.is_empty() { 0 } else { rest.strip_prefix('-')?.parse().ok()? };
    (database_name(number) == name).then_some(number)
}

/// The content of the pointer file.
fn render(name: &str) -> String {
    format!("{name}\ncrc32c {:08x}\n", crc32c::crc32c(name.as_bytes()))
}

fn parse(text: &str) -> Option<u64> {
    let name = text.lines().next()?;
    if render(name) == text { number_of(name) } else { None }
}

/// Removes a directory if it exists.
fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file_error("remove", path)(error)),
    }
}

fn sync(path: &Path) -> Result<(), OpenError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(file_error("sync the directory", path))
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { operation, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pointer file that names a wrong directory would show an old or an empty state.
    #[test]
    fn every_changed_byte_of_a_pointer_file_is_detected() {
        let text = render(&database_name(7));
        assert_eq!(parse(&text), Some(7));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(parse(&String::from_utf8_lossy(&bytes)), None, "byte {at}");
            assert_eq!(parse(&text[..at]), None, "truncated to {at} bytes");
        }
    }

    /// Other files in the directory are not ours and are not removed.
    #[test]
    fn only_names_of_databases_have_numbers() {
        assert_eq!(number_of("db"), Some(0));
        assert_eq!(number_of("db-12"), Some(12));
        for other in ["db-", "db-0", "db-01", "db-x", "db.old", "dbs", "capture-1", ""] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
