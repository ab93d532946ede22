//! Metrics of the log's length and of snapshots.

use std::fmt;

use prometheus_client::metrics::MetricType;
use raft_core::ProgressKind;
use raft_server::NodeStatus;
use raft_transport_quic::PeerStatus;

use super::encode::Page;

/// Writes the metrics of compaction and snapshots.
pub(super) fn write(
    page: &mut Page<'_, '_>,
    status: &NodeStatus,
    peers: &[PeerStatus],
) -> fmt::Result {
    let NodeStatus { raft, counters, snapshots, .. } = status;
    let installing =
        raft.progress.values().filter(|progress| progress.kind == ProgressKind::Snapshot).count();
    let bytes: u64 = snapshots.iter().map(|snapshot| snapshot.size_bytes).sum();
    let latest = snapshots.last().map_or(0, |snapshot| snapshot.last.index.get());
    for (name, help, value) in [
        ("raft_log_bytes", "Approximate bytes of the entries in the log", raft.log_bytes),
        (
            "raft_durably_applied_index",
            "Index of the last entry whose effect is durable outside of the log",
            raft.durably_applied_index.get(),
        ),
        ("raft_snapshots", "Snapshots on the disk", snapshots.len() as u64),
        ("raft_snapshots_bytes", "Bytes of the snapshots on the disk", bytes),
        ("raft_snapshot_last_index", "Last entry of the latest snapshot, 0 without one", latest),
        (
            "raft_followers_installing",
            "Followers that need or install a snapshot, for which the log is kept",
            installing as u64,
        ),
    ] {
        page.gauge(name, help, value)?;
    }
    for (name, help, value) in [
        ("raft_snapshots_taken", "Snapshots taken", counters.snapshots_taken),
        ("raft_snapshots_failed", "Snapshots that could not be taken", counters.snapshots_failed),
        ("raft_snapshots_sent", "Snapshots delivered to followers", counters.snapshots_sent),
        ("raft_snapshots_received", "Snapshots received completely", counters.snapshots_received),
        (
            "raft_snapshots_restored",
            "Restores of the state machine from a snapshot",
            counters.snapshots_restored,
        ),
    ] {
        page.counter(name, help, value)?;
    }
    let sent = peers.iter().map(|peer| (peer.node, peer.counts.snapshot_bytes_sent));
    page.family(
        "raft_peer_snapshot_sent_bytes",
        "Bytes of snapshots sent to a peer",
        (MetricType::Counter, "To"),
        sent,
    )?;
    let received = peers.iter().map(|peer| (peer.node, peer.counts.snapshot_bytes_received));
    page.family(
        "raft_peer_snapshot_received_bytes",
        "Bytes of snapshots received from a peer",
        (MetricType::Counter, "From"),
        received,
    )
}
