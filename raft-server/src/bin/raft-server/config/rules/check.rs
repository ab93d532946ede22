//! Checks merged settings and fills in the defaults.

use std::path::PathBuf;

use raft_core::ClusterId;
use raft_server::space::RESERVE_BYTES_DEFAULT;
use raft_transport_quic::tls::TlsFiles;

use super::findings::{Findings, Problem, Warning};
use super::listen::listen;
use super::members::{members, node};
use super::raft::raft;
use crate::config::checked::{ClientSettings, Config};
use crate::config::defaults::{self, RUNTIME_THREADS_MAX};
use crate::config::log::{LogFilter, LogSettings};
use crate::config::quantity::Size;
use crate::config::settings::Settings;

/// Checks merged settings and fills in the defaults. Returns all problems, not only the first.
pub(in crate::config) fn check(settings: Settings) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
    let mut findings = Findings::default();
    let members = members(&settings, &mut findings);
    let node = node(&settings, &members, &mut findings);
    let own = members.iter().find(|member| Some(member.id) == settings.node_id).cloned();
    let listen = listen(&settings, own.as_ref(), &mut findings);
    let raft = raft(&settings, &mut findings);
    let clients = clients(&settings, &mut findings);
    let cluster = cluster(&settings, &mut findings);
    let mut file = |key, value, remedy| path(key, value, remedy, &mut findings);
    let data_dir =
        file("data_dir", settings.data_dir, "the directory for the log and the key-value store");
    let tls = TlsFiles {
        ca: file("tls_ca", settings.tls_ca, "the PEM file with the authorities' certificates"),
        certificate: file(
            "tls_certificate",
            settings.tls_certificate,
            "the PEM file with this node's certificate",
        ),
        key: file("tls_key", settings.tls_key, "the PEM file with this node's private key"),
    };
    let config = Config {
        cluster,
        node,
        data_dir,
        bootstrap: settings.bootstrap.unwrap_or_default(),
        members,
        listen,
        tls,
        raft,
        storage_reserve_bytes: settings
            .storage_reserve_bytes
            .map_or(RESERVE_BYTES_DEFAULT, |size| size.0),
        snapshot_bytes_per_second_max: settings
            .snapshot_bytes_per_second
            .map_or(defaults::SNAPSHOT_BYTES_PER_SECOND, |size| size.0),
        clients,
        log: LogSettings {
            format: settings.log_format.unwrap_or_default(),
            filter: log_filter(settings.log_level, &mut findings),
        },
        runtime_threads: threads(settings.runtime_threads, &mut findings),
        shutdown_grace: settings.shutdown_grace.map_or(defaults::SHUTDOWN_GRACE, |span| span.0),
    };
    if findings.problems.is_empty() {
        Ok((config, findings.warnings))
    } else {
        Err(findings.problems)
    }
}

fn path(
    key: &'static str,
    value: Option<PathBuf>,
    remedy: &'static str,
    findings: &mut Findings,
) -> PathBuf {
    match value {
        Some(path) if !path.as_os_str().is_empty() => path,
        Some(_) | None => {
            findings.missing(key, remedy);
            PathBuf::new()
        }
    }
}

fn cluster(settings: &Settings, findings: &mut Findings) -> ClusterId {
    let Some(text) = &settings.cluster_id else {
        findings.missing("cluster_id", "32 hexadecimal digits, the same on every node");
        return ClusterId::default();
    };
    let digits = text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit());
    match text.parse() {
        Ok(cluster) if digits => cluster,
        Ok(_) | Err(_) => {
            findings.problems.push(Problem::ClusterId(text.clone()));
            ClusterId::default()
        }
    }
}

fn clients(settings: &Settings, findings: &mut Findings) -> ClientSettings {
    let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    let clients = ClientSettings {
        connection_response_bytes_max: settings.limit_connection_response_bytes.map(bytes),
        identity_response_bytes_max: settings.limit_identity_response_bytes.map(bytes),
        disk_reads_max: settings.limit_disk_reads,
    };
    for (key, value) in [
        ("limit_connection_response_bytes", clients.connection_response_bytes_max),
        ("limit_identity_response_bytes", clients.identity_response_bytes_max),
        ("limit_disk_reads", clients.disk_reads_max),
    ] {
        if value == Some(0) {
            findings.problems.push(Problem::Zero(key));
        }
    }
    clients
}

fn threads(threads: Option<usize>, findings: &mut Findings) -> usize {
    match threads {
        None => defaults::runtime_threads(),
        Some(0) => {
            findings.problems.push(Problem::Zero("runtime_threads"));
            1
        }
        Some(threads) if threads > RUNTIME_THREADS_MAX => {
            findings.problems.push(Problem::Threads(threads));
            1
        }
        Some(threads) => threads,
    }
}

fn log_filter(text: Option<String>, findings: &mut Findings) -> LogFilter {
    let Some(text) = text else { return LogFilter::default() };
    text.parse().unwrap_or_else(|_| {
        findings.problems.push(Problem::LogLevel(text));
        LogFilter::default()
    })
}
