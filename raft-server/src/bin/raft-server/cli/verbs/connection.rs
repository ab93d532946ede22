//! The connection of a command: the endpoints of a cluster and the client's certificate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use raft_server::kv::client::ClientConfig;
use raft_transport_quic::tls::{TlsError, TlsIdentity};

use crate::cli::client_file::{ClientFile, ClientFileError};

/// The client file that `raft-server dev` writes by default.
const DEFAULT_FILE: &str = "raft-dev/client.toml";

/// Flags that select the cluster. Each overrides a value of the client file.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Client file, as written by `raft-server dev` [default: raft-dev/client.toml]
    #[arg(long = "client", value_name = "FILE", env = "RAFT_CLIENT")]
    client_file: Option<PathBuf>,
    /// Client addresses of the nodes, HOST:PORT, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS", env = "RAFT_ENDPOINTS")]
    endpoints: Vec<String>,
    /// Certificates of the authorities (PEM)
    #[arg(long, value_name = "FILE", env = "RAFT_CACERT")]
    cacert: Option<PathBuf>,
    /// Certificate chain of this client (PEM)
    #[arg(long, value_name = "FILE", env = "RAFT_CERT")]
    cert: Option<PathBuf>,
    /// Private key of this client (PEM)
    #[arg(id = "tls_key", long = "key", value_name = "FILE", env = "RAFT_KEY")]
    tls_key: Option<PathBuf>,
    /// Time limit of the command, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, env = "RAFT_TIMEOUT")]
    timeout: f64,
}

/// The failure to determine the cluster or the certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(
        "no cluster is given: start one with `raft-server dev` in this directory, name a client \
         file with --client FILE, or set --endpoints, --cacert, --cert and --key"
    )]
    NoFile,
    #[error(transparent)]
    File(#[from] ClientFileError),
    #[error("the timeout must be above 0 and at most 3600 seconds, not {0}")]
    Timeout(f64),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ConnectionArgs {
    /// The client's configuration: flags override the environment, which overrides the client file.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, ConnectionError> {
        if !(self.timeout > 0.0 && self.timeout <= 3600.0) {
            return Err(ConnectionError::Timeout(self.timeout));
        }
        let file = self.file()?;
        let tls = TlsIdentity::load(&file.tls_files())?;
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
