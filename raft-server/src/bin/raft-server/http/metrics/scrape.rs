//! The metrics of a node and their values.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use raft_core::RoleKind;
use raft_server::NodeStatus;
use raft_server::kv::client_api::ClientApiStatus;
use raft_server::space::SpaceReport;
use raft_transport_quic::{AcceptCounts, PeerCounts, PeerStatus};

use super::encode::Page;
use super::process::Process;
use super::snapshots;
use crate::http::watched::{Watched, unix_seconds};

/// The media type of the page.
pub(in crate::http) const CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page with the present values.
pub(in crate::http) async fn page(watched: &Watched) -> Result<String, fmt::Error> {
    let scrape = Scrape {
        status: watched.node.status().await,
        peers: watched.transport.status(),
        accepts: watched.transport.accept_counts(),
        space: watched.space.report(),
        clients: watched.clients.status(),
        certificate_expires: unix_seconds(watched.about.certificate_expires),
        process: Process::read(),
    };
    scrape.text()
}

impl Scrape {
    fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// The values of one scrape.
#[derive(Debug)]
struct Scrape {
    status: NodeStatus,
    peers: Vec<PeerStatus>,
    accepts: AcceptCounts,
    space: SpaceReport,
    clients: ClientApiStatus,
    certificate_expires: u64,
    process: Process,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder: &mut encoder };
        self.server(&mut page)?;
        self.node(&mut page)?;
        self.node_counters(&mut page)?;
        snapshots::write(&mut page, &self.status, &self.peers)?;
        self.space(&mut page)?;
        self.peers(&mut page)?;
        self.clients(&mut page)?;
        self.process(&mut page)
    }
}

impl Scrape {
    /// Metrics with etcd's names.
    fn server(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let raft = &self.status.raft;
        let counters = &self.status.counters;
        let has_leader = u64::from(raft.leader.is_some());
        page.gauge("etcd_server_has_leader", "1 if a leader is known", has_leader)?;
        let is_leader = u64::from(raft.role == RoleKind::Leader);
        page.gauge("etcd_server_is_leader", "1 if this node is the leader", is_leader)?;
        page.counter(
            "etcd_server_leader_changes_seen",
            "Changes of the known leader, to another or to none",
            counters.leader_changes,
        )?;
        page.counter(
            "etcd_server_proposals_committed",
            "Index of the last committed entry",
            raft.commit_index.get(),
        )?;
        page.counter(
            "etcd_server_proposals_applied",
            "Index of the last applied entry",
            raft.applied_index.get(),
        )?;
        let pending = self.status.queues.proposals + self.status.queues.pending;
        page.gauge(
            "etcd_server_proposals_pending",
            "Proposals and reads without a response",
            pending as u64,
        )?;
        page.counter(
            "etcd_server_proposals_failed",
            "Proposals without an output: refused, failed or with an unknown outcome",
            counters.proposals_failed,
        )?;
        page.histogram(
            "etcd_disk_wal_fsync_duration_seconds",
            "Time to make a batch of log entries durable",
            &counters.persist_time,
        )
    }

    /// The present state of the node.
    fn node(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let raft = &self.status.raft;
        let queues = &self.status.queues;
        for (name, help, value) in [
            ("raft_term", "Current term", raft.term.get()),
            (
                "raft_membership_version",
                "Index of the membership in force",
                raft.membership_version.get(),
            ),
            (
                "raft_leader_id",
                "Node id of the leader, 0 if unknown",
                raft.leader.map_or(0, |l| l.0),
            ),
            ("raft_log_first_index", "Index of the first entry in the log", raft.first_index.get()),
            (
                "raft_log_last_index",
                "Index of the last entry in the log",
                raft.last_log.index.get(),
            ),
            (
                "raft_log_persisted_index",
                "Index of the last durable entry",
                raft.persisted_index.get(),
            ),
            (
                "raft_unapplied_bytes",
                "Bytes of commands that were proposed at this node and are not applied",
                raft.unapplied_bytes,
            ),
            (
                "raft_storage_waiting_milliseconds",
                "Time since the last progress of the disk of the log, 0 if no write is outstanding",
                u64::try_from(raft.storage_waiting.as_millis()).unwrap_or(u64::MAX),
            ),
            ("raft_tail_bytes", "Bytes of log entries in memory", raft.tail_bytes),
            (
                "raft_apply_failed",
                "1 if the state machine failed at an entry",
                u64::from(raft.apply_failed_at.is_some()),
            ),
            (
                "raft_inbox_messages",
                "Messages from peers that wait to be processed",
                queues.inbox as u64,
            ),
            (
                "raft_tls_certificate_expiry_timestamp_seconds",
                "Expiry of this node's certificate, in seconds since 1970",
                self.certificate_expires,
            ),
        ] {
            page.gauge(name, help, value)?;
        }
        Ok(())
    }

    /// Counters of the node since its start.
    fn node_counters(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let counters = &self.status.counters;
        for (name, help, value) in [
            ("raft_proposals", "Proposals accepted from callers", counters.proposals),
            ("raft_reads", "Reads accepted from callers", counters.reads),
            ("raft_reads_failed", "Reads without a result", counters.reads_failed),
            (
                "raft_storage_stalls",
                "Times that leadership or a candidacy ended because of a stalled disk",
                counters.storage_stalls,
            ),
            ("raft_persist_changes", "Changes to the log made durable", counters.persists),
            ("raft_applied_entries", "Entries applied since the start", counters.applied_entries),
            (
                "raft_apply_failures",
                "Entries at which the state machine failed",
                counters.apply_failures,
            ),
            ("raft_messages_received", "Messages received from peers", counters.messages_received),
            ("raft_messages_sent", "Messages sent to peers", counters.messages_sent),
            ("raft_messages_refused", "Messages refused as invalid", counters.messages_refused),
            (
                "raft_acknowledgements_fell",
                "Times that a follower had lost entries that it had acknowledged",
                counters.acknowledgements_fell,
            ),
            (
                "raft_inbox_dropped",
                "Messages dropped because the inbox was full",
                counters.inbox_dropped,
            ),
        ] {
            page.counter(name, help, value)?;
        }
        let apply = counters.apply_time.as_secs_f64();
        page.counter_f64("raft_apply_seconds", "Time spent in the state machine", apply)
    }

    /// The free space of the disk.
    fn space(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let SpaceReport { free_bytes, reserve_bytes, level: _, refused } = self.space;
        page.gauge(
            "raft_storage_free_bytes",
            "Free space on the disk of the data directory",
            free_bytes,
        )?;
        page.gauge(
            "raft_storage_reserve_bytes",
            "Free space below which a leader refuses writes",
            reserve_bytes,
        )?;
        page.counter(
            "raft_storage_no_space_refusals",
            "Commands refused for lack of free space",
            refused,
        )
    }

    /// The connections to peers, and the port for them.
    fn peers(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        type Count = fn(&PeerCounts) -> u64;
        let sent: [(&str, &str, Count); 4] = [
            ("etcd_network_peer_sent_bytes", "Bytes sent to a peer", |c| c.bytes_sent),
            ("etcd_network_peer_sent_failures", "Messages to a peer that were dropped", |c| {
                c.dropped_unconnected + c.dropped_full + c.dropped_oversize
            }),
            ("raft_peer_connections", "Connections established with a peer", |c| c.connections),
            ("raft_peer_failed_dials", "Failed dials of a peer", |c| c.failed_dials),
        ];
        let received: [(&str, &str, Count); 4] = [
            ("etcd_network_peer_received_bytes", "Bytes received from a peer", |c| {
                c.bytes_received
            }),
            (
                "raft_peer_violations",
                "Connections closed because of a protocol violation by a peer",
                |c| c.violations,
            ),
            ("raft_peer_skipped_messages", "Messages of unknown kinds, skipped", |c| {
                c.skipped_messages
            }),
            ("raft_peer_skipped_streams", "Streams of unknown kinds, skipped", |c| {
                c.skipped_streams
            }),
        ];
        let labelled = [("To", sent), ("From", received)];
        for (label, counters) in labelled {
            for (name, help, count) in counters {
                let values = self.peers.iter().map(|peer| (peer.node, count(&peer.counts)));
                page.family(name, help, (MetricType::Counter, label), values)?;
            }
        }
        let accepts = &self.accepts;
        for (name, help, value) in [
            ("raft_peer_port_handshakes", "Incoming handshakes", accepts.handshakes),
            (
                "raft_peer_port_failed",
                "Incoming handshakes that failed or were refused",
                accepts.failed,
            ),
            (
                "raft_peer_port_refused_not_a_peer",
                "Connections refused because the node is not a configured peer",
                accepts.refused_not_a_peer,
            ),
            (
                "raft_peer_port_refused_limit",
                "Connections refused because too many handshakes were in progress",
                accepts.refused_limit,
            ),
            (
                "raft_peer_port_address_checks",
                "Connections whose source address was verified first",
                accepts.address_checks,
            ),
        ] {
            page.counter(name, help, value)?;
        }
        let connected = self.peers.iter().map(|peer| (peer.node, u64::from(peer.connected)));
        page.family(
            "raft_peer_connected",
            "1 if a peer is connected",
            (MetricType::Gauge, "To"),
            connected,
        )
    }

    /// The port for clients.
    fn clients(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let ClientApiStatus { response_bytes, response_bytes_peak, response_waits, disk_reads } =
            self.clients;
        page.gauge(
            "raft_client_response_bytes",
            "Bytes reserved for responses to clients",
            response_bytes,
        )?;
        page.gauge(
            "raft_client_response_bytes_peak",
            "Most bytes reserved for responses to clients since the start",
            response_bytes_peak,
        )?;
        page.counter(
            "raft_client_response_waits",
            "Requests that waited for the budget of their response",
            response_waits,
        )?;
        page.counter("raft_client_disk_reads", "Reads of clients that needed the disk", disk_reads)
    }

    /// The standard metrics of a process.
    fn process(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let process = &self.process;
        if let Some(cpu) = process.cpu {
            let seconds = cpu.as_secs_f64();
            page.counter_f64("process_cpu_seconds", "User and system CPU time", seconds)?;
        }
        if let Some(bytes) = process.resident_bytes {
            page.gauge("process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(count) = process.open_files {
            page.gauge("process_open_fds", "Open file descriptors", count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use raft_core::NodeId;
    use raft_server::space::SpaceLevel;

    use super::*;
    use crate::http::sample;

    const INTRODUCTION: &str = "\
# Metrics

The page `/metrics` of the HTTP port, in the OpenMetrics text format. A metric with the same meaning
as one of etcd has the name of etcd's. Counters start at zero with the process, except those that are
an index of the log. A test compares this document with the code.

| metric | type | unit | meaning |
| --- | --- | --- | --- |
";

    fn page() -> String {
        let peer = PeerStatus::new(NodeId(2), String::new());
        let scrape = Scrape {
            status: sample::healthy_node(),
            peers: vec![peer],
            accepts: AcceptCounts::default(),
            space: SpaceReport {
                free_bytes: 0,
                reserve_bytes: 0,
                level: SpaceLevel::Ample,
                refused: 0,
            },
            clients: ClientApiStatus::default(),
            certificate_expires: 0,
            process: Process {
                cpu: Some(std::time::Duration::ZERO),
                resident_bytes: Some(0),
                open_files: Some(0),
            },
        };
        scrape.text().unwrap()
    }

    /// The rows of the document, from the descriptions in the page.
    fn rows(page: &str) -> String {
        let mut rows = String::new();
        let mut lines = page.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((name, help)) =
                line.strip_prefix("# HELP ").and_then(|line| line.split_once(' '))
            else {
                continue;
            };
            let kind = lines.next().and_then(|line| line.rsplit(' ').next()).unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            let label =
                lines.peek().and_then(|sample| sample.strip_prefix(name)).map_or("", |rest| {
                    let rest = rest.strip_prefix(suffix).unwrap_or(rest);
                    if rest.starts_with("{To=") {
                        "{To=\"N\"}"
                    } else if rest.starts_with("{From=") {
                        "{From=\"N\"}"
                    } else {
                        ""
                    }
                });
            let help = help.trim_end_matches('.');
            let unit = unit(name, help);
            rows += &format!("| `{name}{suffix}{label}` | {kind} | {unit} | {help} |\n");
        }
        rows
    }

    fn unit(name: &str, help: &str) -> &'static str {
        if name.contains("_bytes") {
            "bytes"
        } else if name.ends_with("_milliseconds") {
            "milliseconds"
        } else if name.ends_with("_seconds") {
            "seconds"
        } else if help.starts_with("1 if") {
            "0 or 1"
        } else {
            "number"
        }
    }

    #[test]
    fn document_lists_every_metric() {
        let rows = rows(&page());
        assert!(rows.lines().count() > 40, "{rows}");
        crate::document::compare("docs/metrics.md", &format!("{INTRODUCTION}{rows}"));
    }
}
