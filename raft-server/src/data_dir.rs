//! The data directory: only the user of the node may use it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The mode of a data directory that the node creates.
const MODE: u32 = 0o700;
/// The permissions of group and others.
const OF_OTHER_USERS: u32 = 0o077;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot create the data directory {}: {source}", path.display())]
pub(crate) struct DataDirError {
    path: PathBuf,
    source: io::Error,
}

/// Creates the directory, closed to other users, if there is none; warns of one that is open.
pub(crate) fn prepare(path: &Path) -> Result<(), DataDirError> {
    let error = |source| DataDirError { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & OF_OTHER_USERS != 0 {
                tracing::warn!(
                    path = %path.display(), mode = format_args!("{mode:03o}"),
                    "other users of this machine have access to the data directory; \
                     set its mode to 700"
                );
            }
            Ok(())
        }
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(error)?;
            }
            DirBuilder::new().mode(MODE).create(path).map_err(error)
        }
        Err(other) => Err(error(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_closed_to_other_users() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/data");
        prepare(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        prepare(&path).unwrap();
    }
}
