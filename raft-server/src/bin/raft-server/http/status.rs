//! The page `/v1/status`: the state of the node as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use raft_core::ports::SnapshotMetadata;
use raft_core::{
    Incarnation, MemberInfo, Membership, NodeId, Participation, ProgressKind, RoleKind,
    SnapshotProgress, SnapshotStage,
};
use raft_server::kv::protocol::PROTOCOL_VERSION;
use raft_server::space::SpaceReport;
use raft_transport_quic::PeerStatus;
use serde::Serialize;

use super::watched::{Watched, unix_seconds};
use crate::config::Member;

/// The content of the page.
#[derive(Serialize)]
pub(super) struct View {
    cluster_id: String,
    node_id: u64,
    incarnation: u64,
    version: &'static str,
    protocol: Protocol,
    uptime_seconds: u64,
    data_dir: PathBuf,
    certificate_expires_unix: u64,
    role: &'static str,
    term: u64,
    leader: Option<u64>,
    stopped: Option<String>,
    log: Log,
    snapshots: Vec<Snapshot>,
    membership: Members,
    members: BTreeMap<u64, Addresses>,
    /// The peers that refuse this node, and why.
    refused_by: BTreeMap<u64, String>,
    progress: BTreeMap<u64, Progress>,
    peers: BTreeMap<u64, Peer>,
    queues: Queues,
    space: Space,
}

/// The free space of the disk.
#[derive(Serialize)]
struct Space {
    free_bytes: u64,
    reserve_bytes: u64,
    level: &'static str,
    refused: u64,
}

#[derive(Serialize)]
struct Protocol {
    wire: u8,
    client: u16,
}

#[derive(Serialize)]
struct Log {
    base_index: u64,
    first_index: u64,
    last_index: u64,
    last_term: u64,
    persisted_index: u64,
    commit_index: u64,
    commit_index_seen: u64,
    applied_index: u64,
    durably_applied_index: u64,
    bytes: u64,
    apply_failed_at: Option<u64>,
    unapplied_bytes: u64,
    tail_bytes: u64,
    /// Time since the last progress of the disk; 0 if no write is outstanding.
    storage_waiting_milliseconds: u128,
}

/// A complete snapshot.
#[derive(Serialize)]
struct Snapshot {
    last_index: u64,
    last_term: u64,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Members {
    version: u64,
    participation: &'static str,
    admitted_incarnation: Option<u64>,
    voters: Vec<u64>,
    outgoing: Vec<u64>,
    learners: Vec<u64>,
}

#[derive(Serialize)]
struct Addresses {
    peer: String,
    client: String,
    incarnation: Option<u64>,
}

#[derive(Serialize)]
struct Progress {
    state: &'static str,
    match_index: u64,
    next_index: u64,
    inflight_appends: usize,
    /// Present while the follower needs or installs a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Installation>,
}

#[derive(Serialize)]
struct Installation {
    stage: &'static str,
    last_index: Option<u64>,
}

/// The connection to a peer.
#[derive(Serialize)]
struct Peer {
    connected: bool,
    version: Option<u16>,
    rtt_microseconds: Option<u128>,
    last_error: Option<String>,
    bytes_sent: u64,
    bytes_received: u64,
    messages_dropped: u64,
    connections: u64,
}

#[derive(Serialize)]
struct Queues {
    inbox: usize,
    proposals: usize,
    reads: usize,
    waiting: usize,
}

/// The present state.
pub(super) async fn view(watched: &Watched) -> View {
    let status = watched.node.status().await;
    let raft = &status.raft;
    let about = &watched.about;
    View {
        cluster_id: about.identity.cluster.to_string(),
        node_id: about.identity.node.get(),
        incarnation: about.identity.incarnation.get(),
        version: env!("CARGO_PKG_VERSION"),
        protocol: Protocol { wire: raft_core::wire::FORMAT_VERSION, client: PROTOCOL_VERSION },
        uptime_seconds: about.started.elapsed().as_secs(),
        data_dir: about.data_dir.clone(),
        certificate_expires_unix: unix_seconds(about.certificate_expires),
        role: role_name(raft.role),
        term: raft.term.get(),
        leader: raft.leader.map(NodeId::get),
        stopped: status.stopped.as_ref().map(ToString::to_string),
        log: Log {
            base_index: raft.first_index.previous().get(),
            first_index: raft.first_index.get(),
            last_index: raft.last_log.index.get(),
            last_term: raft.last_log.term.get(),
            persisted_index: raft.persisted_index.get(),
            commit_index: raft.commit_index.get(),
            commit_index_seen: raft.commit_index_seen.get(),
            applied_index: raft.applied_index.get(),
            durably_applied_index: raft.durably_applied_index.get(),
            bytes: raft.log_bytes,
            apply_failed_at: raft.apply_failed_at.map(raft_core::LogIndex::get),
            unapplied_bytes: raft.unapplied_bytes,
            tail_bytes: raft.tail_bytes,
            storage_waiting_milliseconds: raft.storage_waiting.as_millis(),
        },
        snapshots: status.snapshots.iter().map(snapshot).collect(),
        membership: membership(raft),
        members: addresses(&raft.membership, &about.members),
        refused_by: status
            .refused_by
            .iter()
            .map(|(peer, why)| (peer.get(), why.reason.clone()))
            .collect(),
        progress: progress(raft),
        peers: watched.transport.status().into_iter().map(peer).collect(),
        queues: Queues {
            inbox: status.queues.inbox,
            proposals: status.queues.proposals,
            reads: status.queues.reads,
            waiting: status.queues.pending,
        },
        space: space(watched.space.report()),
    }
}

const fn space(report: SpaceReport) -> Space {
    let SpaceReport { free_bytes, reserve_bytes, level, refused } = report;
    Space { free_bytes, reserve_bytes, level: level.name(), refused }
}

const fn role_name(role: RoleKind) -> &'static str {
    match role {
        RoleKind::Follower => "follower",
        RoleKind::PreCandidate => "pre-candidate",
        RoleKind::Candidate => "candidate",
        RoleKind::Leader => "leader",
    }
}

fn membership(raft: &raft_core::Status) -> Members {
    let ids = |set: &std::collections::BTreeSet<NodeId>| set.iter().map(|id| id.get()).collect();
    let (participation, admitted) = match raft.participation {
        Participation::Voter => ("voter", None),
        Participation::Learner => ("learner", None),
        Participation::Removed => ("removed", None),
        Participation::NotAMember => ("not a member", None),
        Participation::NotAdmitted { admitted } => ("not admitted", Some(admitted.get())),
    };
    Members {
        version: raft.membership_version.get(),
        participation,
        admitted_incarnation: admitted,
        voters: ids(&raft.membership.voters),
        outgoing: ids(&raft.membership.outgoing),
        learners: ids(&raft.membership.learners),
    }
}

/// The members with what is known of them; those of the configuration while there is no membership.
fn addresses(membership: &Membership, listed: &[Member]) -> BTreeMap<u64, Addresses> {
    let described = |(node, info): (&NodeId, &MemberInfo)| {
        let (peer, client) = (info.peer_address.clone(), info.client_address.clone());
        let incarnation = info.incarnation.map(Incarnation::get);
        (node.get(), Addresses { peer, client, incarnation })
    };
    let as_listed = |member: &Member| {
        let Member { id, peer, client } = member.clone();
        (id, Addresses { peer, client, incarnation: None })
    };
    if membership.members().is_empty() {
        listed.iter().map(as_listed).collect()
    } else {
        membership.nodes.iter().map(described).collect()
    }
}

fn progress(raft: &raft_core::Status) -> BTreeMap<u64, Progress> {
    raft.progress
        .iter()
        .map(|(node, progress)| {
            let state = match progress.kind {
                ProgressKind::Probe => "probe",
                ProgressKind::Replicate => "replicate",
                ProgressKind::Snapshot => "snapshot",
            };
            let view = Progress {
                state,
                match_index: progress.match_index.get(),
                next_index: progress.next_index.get(),
                inflight_appends: progress.inflight_appends,
                snapshot: progress.snapshot.map(installation),
            };
            (node.get(), view)
        })
        .collect()
}

fn snapshot(metadata: &SnapshotMetadata) -> Snapshot {
    let SnapshotMetadata { last, size_bytes, .. } = *metadata;
    Snapshot { last_index: last.index.get(), last_term: last.term.get(), size_bytes }
}

fn installation(progress: SnapshotProgress) -> Installation {
    let stage = match progress.stage {
        SnapshotStage::Waiting => "waiting",
        SnapshotStage::Sending => "sending",
        SnapshotStage::Installing => "installing",
        SnapshotStage::Failed => "failed",
    };
    Installation { stage, last_index: progress.last.map(|last| last.index.get()) }
}

fn peer(status: PeerStatus) -> (u64, Peer) {
    let counts = status.counts;
    let peer = Peer {
        connected: status.connected,
        version: status.version,
        rtt_microseconds: status.rtt.map(|rtt| rtt.as_micros()),
        last_error: status.last_error,
        bytes_sent: counts.bytes_sent,
        bytes_received: counts.bytes_received,
        messages_dropped: counts.dropped_unconnected
            + counts.dropped_full
            + counts.dropped_oversize,
        connections: counts.connections,
    };
    (status.node.get(), peer)
}
