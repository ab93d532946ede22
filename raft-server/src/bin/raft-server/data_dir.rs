//! The data directory: only the user of the node may use it. The log store creates it with mode
//! 0700 and makes its name durable.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The permissions of group and others.
const OF_OTHER_USERS: u32 = 0o077;

/// What is wrong with the permissions of the directory, if it exists and other users have access.
pub(crate) fn warning(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let mode = metadata.permissions().mode() & 0o7777;
    (metadata.is_dir() && mode & OF_OTHER_USERS != 0).then(|| {
        let path = path.display();
        format!(
            "other users of this machine have access to the data directory {path}: it has mode \
             {mode:04o}; run: chmod 700 {path}"
        )
    })
}
