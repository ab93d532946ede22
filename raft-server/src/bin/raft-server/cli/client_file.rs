//! The client file: the endpoints of a cluster and the files of the client's certificate.

use std::path::{Path, PathBuf};

use raft_transport_quic::tls::TlsFiles;
use serde::{Deserialize, Serialize};

/// Everything that a command needs to connect to a cluster. Paths in the file are relative to the
/// directory of the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientFile {
    /// Client addresses of the nodes, `HOST:PORT`.
    pub(crate) endpoints: Vec<String>,
    /// The certificates of the authorities (PEM).
    pub(crate) ca: PathBuf,
    /// The client's certificate chain (PEM).
    pub(crate) certificate: PathBuf,
    /// The client's private key (PEM).
    pub(crate) key: PathBuf,
}

/// A client file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientFileError {
    #[error("cannot read the client file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {}", path.display(), detail.trim_end())]
    Malformed { path: PathBuf, detail: String },
}

impl ClientFile {
    /// Reads a client file. The returned paths are absolute or relative to the working directory.
    pub(crate) fn read(path: &Path) -> Result<Self, ClientFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ClientFileError::Unreadable { path: path.to_owned(), source })?;
        let mut file: Self = toml::from_str(&text).map_err(|error| ClientFileError::Malformed {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        for file in [&mut file.ca, &mut file.certificate, &mut file.key] {
            *file = directory.join(&*file);
        }
        Ok(file)
    }

    /// The text of the file.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("strings and paths have a form in TOML")
    }

    /// The files of the client's certificate.
    pub(crate) fn tls_files(&self) -> TlsFiles {
        TlsFiles {
            ca: self.ca.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_client_file_are_relative_to_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.toml");
        let written = ClientFile {
            endpoints: vec!["127.0.0.1:1".to_owned(), "localhost:2".to_owned()],
            ca: "ca.pem".into(),
            certificate: "/elsewhere/client.pem".into(),
            key: "client.key".into(),
        };
        std::fs::write(&path, written.to_toml()).unwrap();
        let read = ClientFile::read(&path).unwrap();
        assert_eq!(read.endpoints, written.endpoints);
        assert_eq!(read.ca, directory.path().join("ca.pem"));
        assert_eq!(read.certificate, Path::new("/elsewhere/client.pem"));
        assert_eq!(read.key, directory.path().join("client.key"));
    }

    #[test]
    fn unknown_key_in_a_client_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.toml");
        std::fs::write(&path, "endpoint = []\n").unwrap();
        let error = ClientFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("`endpoint`") && error.contains("endpoints"), "{error}");
    }
}
