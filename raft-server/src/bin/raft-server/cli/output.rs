//! Shows answers: as a table, as JSON, or the bare values. Nothing else writes to stdout.

use std::io::{self, Write};

use clap::ValueEnum;
use raft_server::kv::protocol::{MemberReport, Role, StatusReport};
use raft_server::kv::state_machine::{
    Deleted, KeyValue, Projection, RangeResult, Revision, TxnOpResult, TxnResult,
};
use serde_json::{Map, Value, json};

/// How answers are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people; bytes that are no text are escaped as \x00
    #[default]
    Table,
    /// For programs; bytes that are no text go as `key_hex` and `value_hex`
    Json,
    /// The values alone, to the byte
    Raw,
}

/// Shows answers in one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    format: Format,
}

impl Printer {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn put(self, revision: Revision, prev: Option<&KeyValue>) -> io::Result<()> {
        write(&match self.format {
            Format::Table => {
                let mut text = format!("done at revision {revision}\n");
                if let Some(prev) = prev {
                    text += &format!("before:\n{}", key_table([prev], Projection::KeysAndValues));
                }
                text.into_bytes()
            }
            Format::Json => line(&json!({
                "revision": revision.get(),
                "prev": prev.map(|prev| key_value(prev, Projection::KeysAndValues)),
            })),
            Format::Raw => prev.map_or_else(Vec::new, |prev| prev.value.to_vec()),
        })
    }

    /// A read of one key that does not exist.
    pub(crate) fn nothing(self, revision: Revision) -> io::Result<()> {
        match self.format {
            Format::Json => {
                self.range(revision, &RangeResult::default(), Projection::KeysAndValues)
            }
            Format::Table | Format::Raw => Ok(()),
        }
    }

    pub(crate) fn range(
        self,
        revision: Revision,
        found: &RangeResult,
        projection: Projection,
    ) -> io::Result<()> {
        write(&match self.format {
            Format::Table if projection == Projection::CountOnly => {
                format!("{}\n", found.count.unwrap_or_default()).into_bytes()
            }
            Format::Table => key_table(&found.kvs, projection).into_bytes(),
            Format::Json => line(&range(revision, found, projection)),
            Format::Raw => found.kvs.iter().flat_map(|kv| kv.value.clone()).collect(),
        })
    }

    pub(crate) fn deleted(self, revision: Revision, deleted: &Deleted) -> io::Result<()> {
        write(&match self.format {
            Format::Table => deleted_text(revision, deleted).into_bytes(),
            Format::Json => {
                let mut value = deleted_value(deleted);
                value["revision"] = revision.get().into();
                line(&value)
            }
            Format::Raw => deleted.prev_kvs.iter().flat_map(|kv| kv.value.clone()).collect(),
        })
    }

    pub(crate) fn txn(self, revision: Revision, result: &TxnResult) -> io::Result<()> {
        write(&match self.format {
            Format::Table => txn_text(revision, result).into_bytes(),
            Format::Json => {
                let results: Vec<Value> = result.results.iter().map(txn_op).collect();
                line(&json!({
                    "revision": revision.get(),
                    "succeeded": result.succeeded,
                    "results": results,
                }))
            }
            Format::Raw => txn_values(result),
        })
    }

    pub(crate) fn compacted(self, revision: Revision) -> io::Result<()> {
        write(&match self.format {
            Format::Table => format!("compacted; the store is at revision {revision}\n").into(),
            Format::Json => line(&json!({ "revision": revision.get() })),
            Format::Raw => Vec::new(),
        })
    }

    /// One line an endpoint, those that do not answer included.
    pub(crate) fn status(
        self,
        reports: &[(String, Result<StatusReport, String>)],
    ) -> io::Result<()> {
        write(&match self.format {
            Format::Table | Format::Raw => status_table(reports).into_bytes(),
            Format::Json => {
                let value =
                    |(endpoint, report): &(String, Result<StatusReport, String>)| match report {
                        Ok(report) => status(endpoint, report),
                        Err(error) => json!({ "endpoint": endpoint, "error": error }),
                    };
                line(&Value::Array(reports.iter().map(value).collect()))
            }
        })
    }

    pub(crate) fn members(self, members: &[MemberReport]) -> io::Result<()> {
        write(&match self.format {
            Format::Table | Format::Raw => member_table(members).into_bytes(),
            Format::Json => line(&Value::Array(members.iter().map(member).collect())),
        })
    }
}

#[allow(clippy::print_stdout, reason = "showing answers is what this module is for")]
fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // Whoever closed the pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

fn deleted_text(revision: Revision, deleted: &Deleted) -> String {
    let count = deleted.count;
    let keys = if count == 1 { "key" } else { "keys" };
    let mut text = format!("{count} {keys} deleted at revision {revision}\n");
    if !deleted.prev_kvs.is_empty() {
        text += &format!("before:\n{}", key_table(&deleted.prev_kvs, Projection::KeysAndValues));
    }
    text
}

fn txn_text(revision: Revision, result: &TxnResult) -> String {
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

fn txn_values(result: &TxnResult) -> Vec<u8> {
    let mut bytes = Vec::new();
    for result in &result.results {
        if let TxnOpResult::Range(found) = result {
            bytes.extend(found.kvs.iter().flat_map(|kv| kv.value.clone()));
        }
    }
    bytes
}

fn txn_op(result: &TxnOpResult) -> Value {
    match result {
        TxnOpResult::Put { prev_kv } => {
            let prev = prev_kv.as_ref().map(|prev| key_value(prev, Projection::KeysAndValues));
            json!({ "put": { "prev": prev } })
        }
        TxnOpResult::DeleteRange(deleted) => json!({ "del": deleted_value(deleted) }),
        TxnOpResult::Range(found) => {
            let kvs: Vec<Value> =
                found.kvs.iter().map(|kv| key_value(kv, Projection::KeysAndValues)).collect();
            json!({ "get": { "kvs": kvs, "count": found.count, "more": found.more } })
        }
    }
}

fn deleted_value(deleted: &Deleted) -> Value {
    let prev: Vec<Value> =
        deleted.prev_kvs.iter().map(|kv| key_value(kv, Projection::KeysAndValues)).collect();
    json!({ "deleted": deleted.count, "prev": prev })
}

fn range(revision: Revision, found: &RangeResult, projection: Projection) -> Value {
    let mut value = json!({ "revision": revision.get(), "count": found.count });
    if projection != Projection::CountOnly {
        let kvs = found.kvs.iter().map(|kv| key_value(kv, projection));
        value["kvs"] = Value::Array(kvs.collect());
        value["more"] = found.more.into();
    }
    value
}

fn key_value(kv: &KeyValue, projection: Projection) -> Value {
    let mut map = Map::new();
    put_bytes(&mut map, "key", &kv.key);
    if projection == Projection::KeysAndValues {
        put_bytes(&mut map, "value", &kv.value);
    }
    map.insert("create_revision".to_owned(), kv.create_revision.get().into());
    map.insert("mod_revision".to_owned(), kv.mod_revision.get().into());
    map.insert("version".to_owned(), kv.version.into());
    Value::Object(map)
}

/// Text goes as text, anything else in hexadecimal digits under another name, so that a program
/// never has to guess.
fn put_bytes(map: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.insert(name.to_owned(), text.into()),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            map.insert(format!("{name}_hex"), digits.into())
        }
    };
}

fn status(endpoint: &str, report: &StatusReport) -> Value {
    let followers = report.followers.iter().map(|follower| {
        json!({ "node": follower.node.get(), "match_index": follower.match_index.get() })
    });
    json!({
        "endpoint": endpoint,
        "release": report.release,
        "cluster": report.cluster.to_string(),
        "node": report.node.get(),
        "role": role(report.role),
        "term": report.term.get(),
        "leader": report.leader.map(|leader| leader.get()),
        "first_index": report.first_index.get(),
        "last_index": report.last_log.index.get(),
        "commit_index": report.commit_index.get(),
        "applied_index": report.applied_index.get(),
        "revision": report.revision.map(Revision::get),
        "followers": followers.collect::<Vec<Value>>(),
        "problem": report.problem,
        "space": report.space.map(|space| json!({
            "free_bytes": space.free_bytes,
            "reserve_bytes": space.reserve_bytes,
            "level": space.level.name(),
            "refused": space.refused,
        })),
    })
}

fn member(member: &MemberReport) -> Value {
    json!({
        "node": member.node.get(),
        "voter": member.voter,
        "leader": member.leader,
        "peer_address": member.peer_address,
        "client_address": member.client_address,
    })
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

fn key_table<'a>(kvs: impl IntoIterator<Item = &'a KeyValue>, projection: Projection) -> String {
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

fn status_table(reports: &[(String, Result<StatusReport, String>)]) -> String {
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

/// A number of bytes in the largest unit that leaves at least one digit before the point.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{}{name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes}B"),
    }
}

fn member_table(members: &[MemberReport]) -> String {
    let head = ["NODE", "SAY", "LEADS", "CLIENT ADDRESS", "PEER ADDRESS"];
    let row = |member: &MemberReport| {
        let address = |address: &Option<String>| address.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            member.node.to_string(),
            if member.voter { "voter" } else { "learner" }.to_owned(),
            if member.leader { "yes" } else { "" }.to_owned(),
            address(&member.client_address),
            address(&member.peer_address),
        ]
    };
    table(&head, members.iter().map(row).collect())
}

/// Columns as wide as their widest cell, two blanks between them, none at the end of a line.
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

/// Text as it is, except for what would disturb a terminal or a table; other bytes as `\x00`.
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
    use raft_core::{ClusterId, LogId, LogIndex, NodeId, Term};
    use raft_server::kv::protocol::FollowerReport;
    use raft_server::space::{SpaceLevel, SpaceReport};

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
    fn keys_stand_in_columns_and_odd_bytes_are_escaped() {
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
    fn json_tells_text_from_bytes() {
        let found = RangeResult { kvs: vec![kv(b"a", b"\x00\xff")], more: false, count: Some(1) };
        let expected = "{\"count\":1,\"kvs\":[{\"create_revision\":3,\"key\":\"a\",\
                        \"mod_revision\":12,\"value_hex\":\"00ff\",\"version\":2}],\"more\":false,\
                        \"revision\":12}";
        assert_eq!(range(Revision(12), &found, Projection::KeysAndValues).to_string(), expected);
        let count = range(Revision(12), &found, Projection::CountOnly).to_string();
        assert_eq!(count, "{\"count\":1,\"revision\":12}");
    }

    #[test]
    fn a_transaction_shows_what_each_operation_did() {
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
        assert_eq!(txn_values(&result), b"1");
    }

    #[test]
    fn nodes_that_do_not_answer_have_their_line_in_the_status() {
        let reports = vec![
            ("127.0.0.1:1".to_owned(), Ok(report())),
            ("127.0.0.1:2".to_owned(), Err("does not answer".to_owned())),
        ];
        let expected = "\
ENDPOINT     NODE  ROLE    TERM  LEADER  LOG  COMMITTED  APPLIED  REVISION  FREE    PROBLEM
127.0.0.1:1  1     leader  4     1       90   89         88       80        1.5GiB
127.0.0.1:2  -     -       -     -       -    -          -        -         -       does not answer
";
        assert_eq!(status_table(&reports), expected);
    }

    #[test]
    fn members_show_where_they_are() {
        let member = |node, leader, client: Option<&str>| MemberReport {
            node: NodeId(node),
            voter: node != 3,
            leader,
            peer_address: Some(format!("h{node}:1")),
            client_address: client.map(str::to_owned),
        };
        let members = [member(1, true, Some("h1:2")), member(3, false, None)];
        let expected = "\
NODE  SAY      LEADS  CLIENT ADDRESS  PEER ADDRESS
1     voter    yes    h1:2            h1:1
3     learner         -               h3:1
";
        assert_eq!(member_table(&members), expected);
    }
}
