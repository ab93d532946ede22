//! The permissions of the data directory. The log store creates it with mode 0700, so that only the
//! user of the node has access.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The permissions of group and others.
const OF_OTHER_USERS: u32 = 0o077;

/// A warning if the directory exists and other users have access to it.
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
