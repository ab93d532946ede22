//! Which cluster a command means, and with which certificate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use raft_server::kv::client::ClientConfig;
use raft_transport_quic::tls::{TlsError, TlsFiles, TlsIdentity};
use serde::{Deserialize, Serialize};

/// Where the file is that `raft-server dev` writes.
const DEFAULT_FILE: &str = "raft-dev/client.toml";

/// The client's file: everything that a command needs to reach a cluster. Paths in it are relative
/// to its own directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientFile {
    /// Client addresses of the nodes, `host:port`.
    pub(crate) endpoints: Vec<String>,
    /// The authority's certificate (PEM).
    pub(crate) ca: PathBuf,
    /// The client's certificate (PEM).
    pub(crate) certificate: PathBuf,
    /// The client's private key (PEM).
    pub(crate) key: PathBuf,
}

/// Flags that say which cluster is meant. Each overrides what the client's file says.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The client's file, as `raft-server dev` writes it [default: raft-dev/client.toml]
    #[arg(long = "client", value_name = "FILE", env = "RAFT_CLIENT")]
    client_file: Option<PathBuf>,
    /// Client addresses of the nodes, host:port, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS", env = "RAFT_ENDPOINTS")]
    endpoints: Vec<String>,
    /// The authority's certificate (PEM)
    #[arg(long, value_name = "FILE", env = "RAFT_CACERT")]
    cacert: Option<PathBuf>,
    /// The client's certificate (PEM)
    #[arg(long, value_name = "FILE", env = "RAFT_CERT")]
    cert: Option<PathBuf>,
    /// The client's private key (PEM)
    #[arg(id = "tls_key", long = "key", value_name = "FILE", env = "RAFT_KEY")]
    tls_key: Option<PathBuf>,
    /// How long the command may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, env = "RAFT_TIMEOUT")]
    timeout: f64,
}

/// Why it is not clear which cluster is meant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(
        "no cluster is named: start one with `raft-server dev` in this directory, or name the \
         client's file with --client FILE, or set --endpoints, --cacert, --cert and --key"
    )]
    NoFile,
    #[error("cannot read the client's file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {}", path.display(), detail.trim_end())]
    Malformed { path: PathBuf, detail: String },
    #[error("the timeout must be above 0 and at most 3600 seconds, not {0}")]
    Timeout(f64),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ClientFile {
    /// Reads a client's file and makes its paths absolute or relative to the working directory.
    pub(crate) fn read(path: &Path) -> Result<Self, ConnectionError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConnectionError::Unreadable { path: path.to_owned(), source })?;
        let mut file: Self = toml::from_str(&text).map_err(|error| ConnectionError::Malformed {
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
}

impl ConnectionArgs {
    /// Flags over environment over the client's file.
    pub(super) fn client_config(&self) -> Result<ClientConfig, ConnectionError> {
        if !(self.timeout > 0.0 && self.timeout <= 3600.0) {
            return Err(ConnectionError::Timeout(self.timeout));
        }
        let file = self.file()?;
        let tls = TlsIdentity::load(&TlsFiles {
            ca: file.ca,
            certificate: file.certificate,
            key: file.key,
        })?;
        let mut config = ClientConfig::new(file.endpoints, tls);
        config.timeout = Duration::from_secs_f64(self.timeout);
        Ok(config)
    }

    fn file(&self) -> Result<ClientFile, ConnectionError> {
        if let (false, Some(ca), Some(certificate), Some(key)) =
            (self.endpoints.is_empty(), &self.cacert, &self.cert, &self.tls_key)
        {
            let endpoints = self.endpoints.clone();
            let (ca, certificate, key) = (ca.clone(), certificate.clone(), key.clone());
            return Ok(ClientFile { endpoints, ca, certificate, key });
        }
        let default = Path::new(DEFAULT_FILE);
        let path = match &self.client_file {
            Some(path) => path,
            None if default.exists() => default,
            None => return Err(ConnectionError::NoFile),
        };
        let mut file = ClientFile::read(path)?;
        if !self.endpoints.is_empty() {
            file.endpoints.clone_from(&self.endpoints);
        }
        for (set, flag) in [
            (&mut file.ca, &self.cacert),
            (&mut file.certificate, &self.cert),
            (&mut file.key, &self.tls_key),
        ] {
            if let Some(flag) = flag {
                set.clone_from(flag);
            }
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_file_reads_back_with_its_paths_in_its_own_directory() {
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
    fn an_unknown_key_in_a_client_file_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.toml");
        std::fs::write(&path, "endpoint = []\n").unwrap();
        let error = ClientFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("`endpoint`") && error.contains("endpoints"), "{error}");
    }
}
