//! What lasts longer than a record at a node: a lease, a joint membership, a transfer of the
//! leadership, a snapshot on its way.

use super::describe::node_name;
use super::record::{BodyView, Liveness, Record, RecordKind};
use super::view::{TraceView, is_send};

/// A state of a node that lasts from one record to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// What lasts.
    pub kind: SpanKind,
    /// What lasts, in words.
    pub text: String,
    /// The first record.
    pub first: u64,
    /// The record with which it ends; `None` if the trace ends before.
    pub end: Option<u64>,
}

/// What lasts. Each kind has a place of its own beside the lifeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanKind {
    /// The leader serves reads without messages.
    Lease,
    /// The membership in force is joint.
    JointMembership,
    /// The leader transfers its leadership.
    Transfer,
    /// A snapshot is on its way to a follower.
    Snapshot,
}

impl SpanKind {
    /// Every kind, in the order of their places from the lifeline outwards.
    pub const ALL: [Self; 4] = [Self::Lease, Self::JointMembership, Self::Transfer, Self::Snapshot];

    /// The name in style sheets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::JointMembership => "joint",
            Self::Transfer => "transfer",
            Self::Snapshot => "transit",
        }
    }

    /// The name in legends.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::JointMembership => "joint membership",
            Self::Transfer => "transfer",
            Self::Snapshot => "snapshot on its way",
        }
    }
}

/// The spans of each node, by column. The end of a lease is compared with the virtual time: it is
/// approximate at a node whose clock has another rate.
#[must_use]
pub fn spans(view: &TraceView<'_>) -> Vec<Vec<Span>> {
    let mut columns: Vec<Column> = view.nodes.iter().map(|_| Column::default()).collect();
    for record in &view.trace.records {
        // A lease ends by time, at whatever node something happens next.
        for column in &mut columns {
            column.expire_lease(record);
        }
        let column = record.node.and_then(|node| view.column(node));
        if let Some(column) = column.and_then(|at| columns.get_mut(at)) {
            column.read(record);
        }
    }
    columns.into_iter().map(|column| column.spans).collect()
}

/// The spans of one node so far.
#[derive(Default)]
struct Column {
    spans: Vec<Span>,
    lease_end: Option<u64>,
}

impl Column {
    #[allow(clippy::wildcard_enum_match_arm, reason = "few kinds of records begin or end a span")]
    fn read(&mut self, record: &Record) {
        if let Some(state) = &record.state {
            if state.liveness != Liveness::Up && state.liveness != Liveness::Blocked {
                for kind in SpanKind::ALL {
                    self.end(kind, record);
                }
                self.lease_end = None;
                return;
            }
            self.read_lease(record, state.lease_end);
        }
        match &record.kind {
            RecordKind::MembershipInForce { membership, .. } if membership.is_joint() => {
                self.begin(SpanKind::JointMembership, record, membership.text());
            }
            RecordKind::MembershipInForce { .. } => self.end(SpanKind::JointMembership, record),
            RecordKind::TransferStarted { to } => {
                let text = format!("transfer to {}", node_name(*to));
                self.begin(SpanKind::Transfer, record, text);
            }
            RecordKind::TransferCompleted { .. } | RecordKind::TransferFailed { .. } => {
                self.end(SpanKind::Transfer, record);
            }
            RecordKind::SnapshotSent { .. } => self.end(SpanKind::Snapshot, record),
            kind if is_send(kind) => {
                if let Some(message) = &record.message
                    && let BodyView::InstallSnapshot { .. } = message.body
                {
                    let text = format!("snapshot on its way to {}", node_name(message.to));
                    self.begin(SpanKind::Snapshot, record, text);
                }
            }
            _ => {}
        }
    }

    fn read_lease(&mut self, record: &Record, end: Option<u64>) {
        self.lease_end = end;
        match end.filter(|&end| end > record.time) {
            Some(end) => {
                let text = format!("lease to {} ms", end / 1_000_000);
                self.begin(SpanKind::Lease, record, text);
            }
            None => self.end(SpanKind::Lease, record),
        }
    }

    fn expire_lease(&mut self, record: &Record) {
        if self.lease_end.is_some_and(|end| end <= record.time) {
            self.end(SpanKind::Lease, record);
        }
    }

    /// Begins a span, or continues it with another text.
    fn begin(&mut self, kind: SpanKind, record: &Record, text: String) {
        if let Some(open) = self.open(kind) {
            open.text = text;
        } else {
            self.spans.push(Span { kind, text, first: record.sequence, end: None });
        }
    }

    fn end(&mut self, kind: SpanKind, record: &Record) {
        if let Some(open) = self.open(kind) {
            open.end = Some(record.sequence);
        }
    }

    fn open(&mut self, kind: SpanKind) -> Option<&mut Span> {
        self.spans.iter_mut().find(|span| span.kind == kind && span.end.is_none())
    }
}
