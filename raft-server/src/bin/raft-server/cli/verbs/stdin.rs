//! Standard input of a command.

use std::io::Read;

use super::outcome::VerbError;

/// Reads standard input to its end.
pub(crate) fn read() -> Result<Vec<u8>, VerbError> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(VerbError::Stdin)?;
    Ok(bytes)
}
