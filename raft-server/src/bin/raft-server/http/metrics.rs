//! `/metrics` in the Prometheus text format. Where a number means the same as one of etcd's it has
//! etcd's name, so that dashboards made for etcd show it.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use raft_core::{NodeId, RoleKind};
use raft_server::kv::client_api::ClientApiStatus;
use raft_server::space::SpaceReport;
use raft_server::{DURATION_BUCKETS, DurationHistogram, NodeStatus};
use raft_transport_quic::{AcceptCounts, PeerCounts, PeerStatus};

use super::status::{Watched, unix_seconds};

/// What the page is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page, from the node's numbers at this moment.
pub(super) fn page(watched: &Watched) -> Result<String, fmt::Error> {
    let scrape = Scrape {
        status: watched.node.status(),
        peers: watched.transport.status(),
        accepts: watched.transport.accept_counts(),
        space: watched.space.report(),
        clients: watched.clients.status(),
        certificate_expires: unix_seconds(watched.about.certificate_expires),
        process: process(),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// All numbers of one scrape.
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
        self.space(&mut page)?;
        self.peers(&mut page)?;
        self.clients(&mut page)?;
        self.process(&mut page)
    }
}

impl Scrape {
    /// etcd's names.
    fn server(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let raft = &self.status.raft;
        let counters = &self.status.counters;
        let has_leader = u64::from(raft.leader.is_some());
        page.gauge("etcd_server_has_leader", "Whether a leader is known", has_leader)?;
        let is_leader = u64::from(raft.role == RoleKind::Leader);
        page.gauge("etcd_server_is_leader", "Whether this node leads", is_leader)?;
        page.counter(
            "etcd_server_leader_changes_seen",
            "How often another leader, or none, came to be known",
            counters.leader_changes,
        )?;
        page.counter(
            "etcd_server_proposals_committed",
            "The index of the last committed entry",
            raft.commit_index.get(),
        )?;
        page.counter(
            "etcd_server_proposals_applied",
            "The index of the last applied entry",
            raft.applied_index.get(),
        )?;
        let pending = self.status.queues.proposals + self.status.queues.waiting;
        page.gauge(
            "etcd_server_proposals_pending",
            "Requests that nobody has answered yet",
            pending as u64,
        )?;
        page.counter(
            "etcd_server_proposals_failed",
            "Proposals that did not end with an output",
            counters.proposals_failed,
        )?;
        page.histogram(
            "etcd_disk_wal_fsync_duration_seconds",
            "How long making a batch of the log durable took",
            &counters.persist_time,
        )
    }

    /// Names of our own.
    fn node(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let raft = &self.status.raft;
        let counters = &self.status.counters;
        let queues = &self.status.queues;
        for (name, help, value) in [
            ("raft_term", "The current term", raft.term.get()),
            (
                "raft_leader_id",
                "The leader's node id, 0 if unknown",
                raft.leader.map_or(0, |l| l.0),
            ),
            ("raft_log_first_index", "The first index kept in the log", raft.first_index.get()),
            ("raft_log_last_index", "The last index of the log", raft.last_log.index.get()),
            ("raft_log_persisted_index", "The last durable index", raft.persisted_index.get()),
            (
                "raft_unapplied_bytes",
                "Bytes of commands proposed here and not applied here yet",
                raft.unapplied_bytes,
            ),
            (
                "raft_storage_waiting_milliseconds",
                "How long the disk of the log has made no progress, 0 if nothing waits for it",
                u64::try_from(raft.storage_waiting.as_millis()).unwrap_or(u64::MAX),
            ),
            ("raft_tail_bytes", "Bytes of log entries in memory", raft.tail_bytes),
            (
                "raft_apply_failed",
                "Whether the state machine failed at an entry",
                u64::from(raft.apply_failed_at.is_some()),
            ),
            ("raft_inbox_messages", "Messages from peers waiting", queues.inbox as u64),
            (
                "raft_tls_certificate_expiry_timestamp_seconds",
                "When this node's certificate expires",
                self.certificate_expires,
            ),
        ] {
            page.gauge(name, help, value)?;
        }
        for (name, help, value) in [
            ("raft_proposals", "Proposals taken from callers", counters.proposals),
            ("raft_reads", "Reads taken from callers", counters.reads),
            ("raft_reads_failed", "Reads that were not answered", counters.reads_failed),
            (
                "raft_storage_stalls",
                "How often leadership or a candidacy was given up because of a stalled disk",
                counters.storage_stalls,
            ),
            ("raft_persist_changes", "Changes made durable", counters.persists),
            ("raft_applied_entries", "Entries applied since the start", counters.applied_entries),
            (
                "raft_apply_failures",
                "Entries at which the state machine failed",
                counters.apply_failures,
            ),
            ("raft_messages_received", "Messages from peers", counters.messages_received),
            ("raft_messages_sent", "Messages to peers", counters.messages_sent),
            ("raft_messages_refused", "Messages refused as invalid", counters.messages_refused),
            ("raft_inbox_dropped", "Messages dropped at a full inbox", counters.inbox_dropped),
        ] {
            page.counter(name, help, value)?;
        }
        let apply = counters.apply_time.as_secs_f64();
        page.counter_f64("raft_apply_seconds", "Time spent in the state machine", apply)
    }

    /// The free space of the disk.
    fn space(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let SpaceReport { free_bytes, reserve_bytes, level: _, refused } = self.space;
        page.gauge("raft_storage_free_bytes", "Free space on the disk", free_bytes)?;
        page.gauge(
            "raft_storage_reserve_bytes",
            "Free space below which writes are refused",
            reserve_bytes,
        )?;
        page.counter(
            "raft_storage_no_space_refusals",
            "Commands refused for lack of free space",
            refused,
        )
    }

    /// The network, a line a peer.
    fn peers(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        type Count = fn(&PeerCounts) -> u64;
        let sent: [(&str, &str, Count); 4] = [
            ("etcd_network_peer_sent_bytes", "Bytes sent to a peer", |c| c.bytes_sent),
            ("etcd_network_peer_sent_failures", "Messages to a peer that were dropped", |c| {
                c.dropped_unconnected + c.dropped_full + c.dropped_oversize
            }),
            ("raft_peer_connections", "Connections to a peer made", |c| c.connections),
            ("raft_peer_failed_dials", "Dials of a peer that failed", |c| c.failed_dials),
        ];
        let received: [(&str, &str, Count); 4] = [
            ("etcd_network_peer_received_bytes", "Bytes from a peer", |c| c.bytes_received),
            ("raft_peer_violations", "Connections closed for what a peer sent", |c| c.violations),
            ("raft_peer_skipped_messages", "Messages of kinds unknown here", |c| {
                c.skipped_messages
            }),
            ("raft_peer_skipped_streams", "Streams of kinds unknown here", |c| c.skipped_streams),
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
            ("raft_peer_port_handshakes", "Handshakes begun by other sides", accepts.handshakes),
            ("raft_peer_port_failed", "Handshakes that failed or were refused", accepts.failed),
            (
                "raft_peer_port_refused_not_a_peer",
                "Nodes of this cluster refused because they are no configured peers",
                accepts.refused_not_a_peer,
            ),
            (
                "raft_peer_port_refused_limit",
                "Connections refused because too many handshakes were in progress",
                accepts.refused_limit,
            ),
            (
                "raft_peer_port_address_checks",
                "Connections that had to prove their source address",
                accepts.address_checks,
            ),
        ] {
            page.counter(name, help, value)?;
        }
        let connected = self.peers.iter().map(|peer| (peer.node, u64::from(peer.connected)));
        page.family(
            "raft_peer_connected",
            "Whether a peer is connected",
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
            "Bytes that responses to clients may take up at present",
            response_bytes,
        )?;
        page.gauge(
            "raft_client_response_bytes_peak",
            "The most that responses to clients could take up since the start",
            response_bytes_peak,
        )?;
        page.counter(
            "raft_client_response_waits",
            "Requests that waited for room for their response",
            response_waits,
        )?;
        page.counter(
            "raft_client_disk_reads",
            "Reads of clients that were not answered from memory",
            disk_reads,
        )
    }

    /// What every exporter says of its process.
    fn process(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let process = &self.process;
        if let Some(cpu) = process.cpu {
            let seconds = cpu.as_secs_f64();
            page.counter_f64("process_cpu_seconds", "User and system time", seconds)?;
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

/// Writes one metric after another.
struct Page<'page, 'encoder> {
    encoder: &'page mut DescriptorEncoder<'encoder>,
}

impl Page<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counter_f64(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    /// One number a peer. As with etcd, the label is `To` where it is about what this node sends
    /// and `From` where it is about what it receives.
    fn family(
        &mut self,
        name: &str,
        help: &str,
        (kind, label): (MetricType, &'static str),
        values: impl Iterator<Item = (NodeId, u64)>,
    ) -> fmt::Result {
        let is_counter = matches!(kind, MetricType::Counter);
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (node, value) in values {
            let labels = [(label, node.to_string())];
            let encoder = metric.encode_family(&labels)?;
            if is_counter {
                ConstCounter::new(value).encode(encoder)?;
            } else {
                ConstGauge::new(value).encode(encoder)?;
            }
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, times: &DurationHistogram) -> fmt::Result {
        let bounds = DURATION_BUCKETS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(times.buckets).collect();
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<prometheus_client::encoding::NoLabelSet>(
            times.sum.as_secs_f64(),
            times.count,
            &buckets,
            None,
        )
    }
}

/// What the system says of this process, where it says it cheaply (Linux).
#[derive(Clone, Copy, Default, Debug)]
struct Process {
    cpu: Option<Duration>,
    resident_bytes: Option<u64>,
    open_files: Option<u64>,
}

fn process() -> Process {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = u64::try_from(clock.tv_sec)
        .ok()
        .zip(u32::try_from(clock.tv_nsec).ok())
        .map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let resident_bytes = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    });
    let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
    Process { cpu, resident_bytes, open_files }
}
