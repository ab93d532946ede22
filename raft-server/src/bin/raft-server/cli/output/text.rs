//! Results as text in columns.

use std::path::Path;

use raft_core::ports::SnapshotMetadata;
use raft_server::kv::protocol::{MembershipMember, MembershipReport, Role, StatusReport};
use raft_server::kv::state_machine::{
    CapturedSummary, Deleted, KeyValue, Projection, Revision, TxnOpResult, TxnResult,
};

pub(super) fn deleted_text(revision: Revision, deleted: &Deleted) -> String {
    let count = deleted.count;
    let keys = if count == 1 { "key" } else { "keys" };
    let mut text = format!("{count} {keys} deleted at revision {revision}\n");
    if !deleted.prev_kvs.is_empty() {
        text += &format!("before:\n{}", key_table(&deleted.prev_kvs, Projection::KeysAndValues));
    }
    text
}

pub(super) fn txn_text(revision: Revision, result: &TxnResult) -> String {
    let held =
        if result.succeeded { "the comparisons held" } else { "the comparisons did not hold" };
    let mut text = format!("{held}; the store is at revision {revision}\n");
    for (number, result) in result.results.iter().enumerate() {
        let number = number + 1;
        text += &match result {
            TxnOpResult::Put { .. } => format!("{number}. put done\n"),
            TxnOpResult::DeleteRange(deleted) => {
                format!("{number}. {}", deleted_text(revision, deleted))
            }
            TxnOpResult::Range(found) if found.kvs.is_empty() => {
                format!("{number}. no such key\n")
            }
            TxnOpResult::Range(found) => {
                format!("{number}. read\n{}", key_table(&found.kvs, Projection::KeysAndValues))
            }
        };
    }
    text
}

pub(super) const fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

pub(super) fn key_table<'a>(
    kvs: impl IntoIterator<Item = &'a KeyValue>,
    projection: Projection,
) -> String {
    let row = |kv: &KeyValue| {
        let mut row = vec![escaped(&kv.key)];
        if projection == Projection::KeysAndValues {
            row.push(escaped(&kv.value));
        }
        row.extend([
            kv.version.to_string(),
            kv.create_revision.to_string(),
            kv.mod_revision.to_string(),
        ]);
        row
    };
    let mut head = vec!["KEY", "VALUE", "VERSION", "CREATED", "MODIFIED"];
    if projection != Projection::KeysAndValues {
        head.remove(1);
    }
    table(&head, kvs.into_iter().map(row).collect())
}

/// One line about a saved snapshot.
pub(super) fn saved(path: &Path, metadata: &SnapshotMetadata) -> String {
    let SnapshotMetadata { last, size_bytes, checksum, .. } = metadata;
    let path = path.display();
    format!("{path}: entry {last}, {size_bytes} bytes, crc32c {checksum:08x}\n")
}

/// What a saved snapshot contains.
pub(super) fn snapshot(metadata: &SnapshotMetadata, summary: &CapturedSummary) -> String {
    let SnapshotMetadata { last, membership: (index, membership), size_bytes, checksum } = metadata;
    let voters: Vec<String> = membership.voters.iter().map(ToString::to_string).collect();
    format!(
        "last entry   {last}\nmembership   {index} (voters {})\nsize         {size_bytes} bytes\n\
         crc32c       {checksum:08x}\ncluster      {}\nrevision     {}\nkeys         {}\n\
         superseded   {}\nsessions     {}\n",
        voters.join(" "),
        summary.cluster,
        summary.revision,
        summary.keys,
        summary.superseded,
        summary.sessions,
    )
}

pub(super) fn status_table(reports: &[(String, Result<StatusReport, String>)]) -> String {
    let head = [
        "ENDPOINT",
        "NODE",
        "ROLE",
        "TERM",
        "LEADER",
        "LOG",
        "COMMITTED",
        "APPLIED",
        "REVISION",
        "FREE",
        "PROBLEM",
    ];
    let row = |(endpoint, report): &(String, Result<StatusReport, String>)| {
        let unknown = || "-".to_owned();
        let mut row = vec![endpoint.clone()];
        match report {
            Ok(report) => row.extend([
                report.node.to_string(),
                role(report.role).to_owned(),
                report.term.to_string(),
                report.leader.map_or_else(unknown, |leader| leader.to_string()),
                report.last_log.index.to_string(),
                report.commit_index.to_string(),
                report.applied_index.to_string(),
                report.revision.map_or_else(unknown, |revision| revision.to_string()),
                report.space.map_or_else(unknown, |space| size(space.free_bytes)),
                report.problem.clone().unwrap_or_default(),
            ]),
            Err(error) => {
                row.extend(std::iter::repeat_with(unknown).take(head.len() - 2));
                row.push(error.clone());
            }
        }
        row
    };
    table(&head, reports.iter().map(row).collect())
}

/// A number of bytes in the largest unit of which there is at least one.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{}{name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes}B"),
    }
}

/// The version of a membership, and a line for each member.
pub(super) fn membership(report: &MembershipReport) -> String {
    let head = ["NODE", "ROLE", "LEADER", "ENTRY", "INCARNATION", "CLIENT ADDRESS", "PEER ADDRESS"];
    let row = |member: &MembershipMember| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            member.node.to_string(),
            member.role.name().to_owned(),
            if member.leader { "yes" } else { "" }.to_owned(),
            or_dash(member.match_index.map(|index| index.to_string())),
            or_dash(member.incarnation.map(|incarnation| incarnation.to_string())),
            or_dash(member.client_address.clone()),
            or_dash(member.peer_address.clone()),
        ]
    };
    let state = if report.is_final { "" } else { ", which is being changed" };
    let rows = report.members.iter().map(row).collect();
    format!("version {}{state}\n{}", report.version, table(&head, rows))
}

/// Columns as wide as their widest cell, with two blanks between them and none at a line's end.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut all = vec![head.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()];
    all.extend(rows);
    let widths: Vec<usize> = (0..head.len())
        .map(|column| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Text with control characters and backslashes escaped; bytes that are not UTF-8 as `\x00`.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text += "\\\\",
                '\n' => text += "\\n",
                '\r' => text += "\\r",
                '\t' => text += "\\t",
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text += &hex(byte));
                }
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text += &hex(*byte));
    }
    text
}

fn hex(byte: u8) -> String {
    format!("\\x{byte:02x}")
}

#[cfg(test)]
mod tests {
    use raft_core::{ClusterId, Incarnation, LogId, LogIndex, NodeId, Term};
    use raft_server::kv::protocol::{FollowerReport, MemberRole};
    use raft_server::space::{SpaceLevel, SpaceReport};

    use raft_server::kv::state_machine::RangeResult;

    use super::*;

    fn kv(key: &'static [u8], value: &'static [u8]) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: value.into(),
            create_revision: Revision(3),
            mod_revision: Revision(12),
            version: 2,
        }
    }

    fn report() -> StatusReport {
        StatusReport {
            release: "1.2.3".to_owned(),
            cluster: ClusterId(7),
            node: NodeId(1),
            role: Role::Leader,
            term: Term(4),
            leader: Some(NodeId(1)),
            first_index: LogIndex(1),
            last_log: LogId::new(Term(4), LogIndex(90)),
            commit_index: LogIndex(89),
            applied_index: LogIndex(88),
            revision: Some(Revision(80)),
            followers: vec![FollowerReport { node: NodeId(2), match_index: LogIndex(89) }],
            problem: None,
            space: Some(SpaceReport {
                free_bytes: 1_610_612_736,
                reserve_bytes: 1 << 29,
                level: SpaceLevel::Ample,
                refused: 0,
            }),
        }
    }

    #[test]
    fn keys_are_in_columns_and_other_bytes_are_escaped() {
        let kvs = [kv(b"a", b"long value"), kv(b"odd\x00\xff\n\\\x1b[1m", "é".as_bytes())];
        let expected = "\
KEY                     VALUE       VERSION  CREATED  MODIFIED
a                       long value  2        3        12
odd\\x00\\xff\\n\\\\\\x1b[1m  é           2        3        12
";
        assert_eq!(key_table(&kvs, Projection::KeysAndValues), expected);
        let keys = "KEY  VERSION  CREATED  MODIFIED\na    2        3        12\n";
        assert_eq!(key_table(&kvs[..1], Projection::KeysOnly), keys);
    }

    #[test]
    fn transaction_shows_the_result_of_each_operation() {
        let result = TxnResult {
            succeeded: false,
            results: vec![
                TxnOpResult::Put { prev_kv: None },
                TxnOpResult::DeleteRange(Deleted { count: 1, prev_kvs: vec![] }),
                TxnOpResult::Range(RangeResult::default()),
                TxnOpResult::Range(RangeResult {
                    kvs: vec![kv(b"a", b"1")],
                    more: false,
                    count: Some(1),
                }),
            ],
        };
        let expected = "\
the comparisons did not hold; the store is at revision 12
1. put done
2. 1 key deleted at revision 12
3. no such key
4. read
KEY  VALUE  VERSION  CREATED  MODIFIED
a    1      2        3        12
";
        assert_eq!(txn_text(Revision(12), &result), expected);
    }

    #[test]
    fn nodes_that_do_not_respond_have_a_line_in_the_status() {
        let reports = vec![
            ("127.0.0.1:1".to_owned(), Ok(report())),
            ("127.0.0.1:2".to_owned(), Err("does not respond".to_owned())),
        ];
        let expected = "\
ENDPOINT     NODE  ROLE    TERM  LEADER  LOG  COMMITTED  APPLIED  REVISION  FREE    PROBLEM
127.0.0.1:1  1     leader  4     1       90   89         88       80        1.5GiB
127.0.0.1:2  -     -       -     -       -    -          -        -         -       does not respond
";
        assert_eq!(status_table(&reports), expected);
    }

    #[test]
    fn members_show_their_roles_and_addresses() {
        let member = |node, role, client: Option<&str>| MembershipMember {
            node: NodeId(node),
            role,
            leader: node == 1,
            incarnation: (node == 1).then_some(Incarnation(70)),
            peer_address: Some(format!("h{node}:1")),
            client_address: client.map(str::to_owned),
            match_index: (node == 1).then_some(LogIndex(9)),
        };
        let members =
            vec![member(1, MemberRole::Voter, Some("h1:2")), member(3, MemberRole::Learner, None)];
        let (version, last_index) = (LogIndex(7), LogIndex(9));
        let mut report = MembershipReport { version, is_final: true, last_index, members };
        let expected = "\
version 7
NODE  ROLE     LEADER  ENTRY  INCARNATION  CLIENT ADDRESS  PEER ADDRESS
1     voter    yes     9      70           h1:2            h1:1
3     learner          -      -            -               h3:1
";
        assert_eq!(membership(&report), expected);
        report.is_final = false;
        assert!(membership(&report).starts_with("version 7, which is being changed\n"));
    }
}
